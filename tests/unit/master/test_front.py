"""How long the dispatcher's loop may stand still."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from prefork.master import front as module
from prefork.master.front import LATELY, STUCK_AFTER, Front
from prefork.scoreboard import DISPATCHER, TURNED_AT, Scoreboard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefork.events import Event
    from prefork.master.loop import Master
    from prefork.master.spawn import Helper

START = 1000.0
BOOT = 60.0


class Desk:
    """A front whose dispatcher is pid 7, started at START."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.scoreboard = Scoreboard.create()
        settings = SimpleNamespace(listens=True, boot_timeout=BOOT, listen_when_ready=False)
        journal = SimpleNamespace(emit=self.events.append)
        self.front = Front(cast("Master", SimpleNamespace(settings=settings, journal=journal, scoreboard=self.scoreboard)))
        self.front.process = cast("Helper", SimpleNamespace(pid=7))
        self.front.started = START

    def turn(self, now: float) -> None:
        self.scoreboard.slot(DISPATCHER)[TURNED_AT] = int(now * 1e9)


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    pids: list[int] = []
    monkeypatch.setattr(module, "kill_group", pids.append)
    return pids


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    os.close(desk.scoreboard.descriptor)


@pytest.mark.parametrize("before", [0.0, START - 1])
def test_the_first_turn_has_the_time_of_a_start(desk: Desk, killed: list[int], before: float) -> None:
    desk.turn(before)  # its predecessor did
    desk.front.step(START + BOOT)
    assert (killed, desk.front.turns(START + BOOT)) == ([], True)
    desk.front.step(START + BOOT + 1)
    assert killed == [7]


def test_one_that_has_turned_is_killed_once(desk: Desk, killed: list[int]) -> None:
    desk.turn(START + 3)
    assert desk.front.turns(START + 3 + LATELY)
    assert not desk.front.turns(START + 3.1 + LATELY)
    desk.front.step(START + 3 + STUCK_AFTER)
    assert killed == []
    for later in (4, 5, 100):
        desk.front.step(START + later + STUCK_AFTER)
    assert killed == [7]
    assert [event.sentence() for event in desk.events] == [
        "Dispatcher (pid 7) has not looked after anything for 11.0 s and is killed"
    ]
    assert not desk.front.turns(START + 4), "its death is on the way"
