"""How long the dispatcher's loop may stand still, and which workers are killed on its word."""

from __future__ import annotations

import os
import signal
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from prefork.master import front as module
from prefork.master.fleet import State, Worker
from prefork.master.front import LATELY, STUCK_AFTER, Front
from prefork.meters import state_of
from prefork.scoreboard import BEGUN, DISPATCHER, DONE, REQUEST, TURNED_AT, Scoreboard, pack_progress

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


def test_who_was_stopped_with_it_waits_for_its_next_turn(desk: Desk, killed: list[int]) -> None:
    """A container that is frozen: whichever goes on first."""
    desk.turn(START + 1)
    desk.front.step(START + 1)
    desk.front.step(START + 61)
    for quarter in range(int(STUCK_AFTER * 4) + 1):
        desk.front.step(START + 61 + quarter / 4)
    assert killed == []
    desk.front.step(START + 61.1 + STUCK_AFTER)
    assert killed == [7], "it does not go on"


class Suspect:
    """A worker of which the dispatcher says again and again that it does not begin its request."""

    def __init__(self, desk: Desk, pid: int, *, concurrency: int = 0) -> None:
        self.worker = Worker(5, 1, START, state=State.READY, pid=pid, concurrency=concurrency)
        self.slot = desk.scoreboard.slot(self.worker.slots[-1])
        self.slot[REQUEST] = self.word = pack_progress(8, DONE)
        self.front, self.now = desk.front, START
        self.killed: list[str] = []
        crew = SimpleNamespace(find=lambda *_: self.worker)
        enforcer = SimpleNamespace(end=lambda worker, cause, *_: self.killed.append(cause))
        vars(desk.front.master).update(crew=crew, enforcer=enforcer)

    def said(self, kind: str = "stuck") -> list[str]:
        """The dispatcher says so, a quarter of a second after the last time; returns how it was killed by then."""
        self.now += 0.25
        place = self.worker.slots[-1]
        said = {"kind": kind, "slot": 5, "pid": self.worker.pid, "seconds": 1.0, "place": place, "word": self.word}
        self.front.hear_of(self.worker, said, self.now)
        return self.killed


@pytest.mark.parametrize("kind", ["stuck", "deaf"])
@pytest.mark.parametrize("concurrency", [0, 4])
def test_a_stopped_worker_is_killed_at_once(desk: Desk, sleeper: int, concurrency: int, kind: str) -> None:
    suspect = Suspect(desk, sleeper, concurrency=concurrency)
    os.kill(sleeper, signal.SIGSTOP)
    while state_of(sleeper) != "T":
        pass
    assert suspect.said(kind) == ["stuck"]


@pytest.mark.parametrize("concurrency", [0, 4])
def test_one_that_sleeps_is_killed_when_it_has_been_seen_to_do_so(desk: Desk, sleeper: int, concurrency: int) -> None:
    suspect = Suspect(desk, sleeper, concurrency=concurrency)
    assert suspect.said() == []
    assert suspect.said() == ["stuck"]


def test_one_that_has_gone_on_since_is_not_killed(desk: Desk, sleeper: int) -> None:
    """Master and dispatcher may lack a processor as well: it has answered by the time that this is heard, and sleeps."""
    suspect = Suspect(desk, sleeper)
    suspect.slot[REQUEST] = pack_progress(9, DONE)
    assert [suspect.said() for _ in range(3)][-1] == []


def test_nor_is_a_loop_for_what_sleeps_in_another_of_its_requests(desk: Desk, sleeper: int) -> None:
    suspect = Suspect(desk, sleeper, concurrency=4)
    desk.scoreboard.slot(5)[REQUEST] = pack_progress(7, BEGUN)
    assert [suspect.said() for _ in range(3)][-1] == []
