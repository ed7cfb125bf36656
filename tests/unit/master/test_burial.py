"""Children that have ended: whose they were, and who need not wait for whom."""

from __future__ import annotations

import os
import signal
import subprocess
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from prefork.master import templates as module
from prefork.master.burial import Burial
from prefork.master.spawn import deaths, deaths_of, is_child
from prefork.master.templates import Leaver, Templates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefork.master.loop import Master
    from prefork.master.spawn import Helper


class House:
    """A master of whose children one is a template, and the others are nobody's."""

    def __init__(self) -> None:
        self.forking = True
        self.template = 0
        self.dead: list[int] = []
        self.events: list[Any] = []
        templates = SimpleNamespace(
            of=lambda pid: object() if pid == self.template else None,
            died=lambda _, death: self.dead.append(death.pid),
            leaving={},
            running=lambda: [SimpleNamespace(pid=self.template)],
        )
        helper = SimpleNamespace(process=None, leaving=(), owns=lambda _: False)
        self.burial = Burial(
            cast(
                "Master",
                SimpleNamespace(
                    crew=SimpleNamespace(all=lambda: [SimpleNamespace(pid=0)], forking=lambda: self.forking),
                    templates=templates,
                    front=helper,
                    watch=helper,
                    console=helper,
                    database=helper,
                    spies=SimpleNamespace(pids=set),
                    journal=SimpleNamespace(emit=self.events.append),
                ),
            )
        )

    def step(self) -> None:
        self.burial.due = True
        self.burial.step()


@pytest.fixture
def house() -> Iterator[House]:
    yield House()
    for _ in deaths():
        pass


def ended(status: int = 0) -> int:
    """A child that has ended, and is not reaped."""
    pid = os.fork()
    if pid == 0:
        os._exit(status)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    return pid


def test_behind_a_child_that_nobody_knows_others_are_buried_all_the_same(house: House) -> None:
    """It may be a worker whose pid is about to be told. While the template that would tell it was dead, nobody was buried."""
    unknown = ended()
    house.template = ended(1)
    house.step()
    assert house.dead == [house.template]
    assert is_child(unknown)
    assert not is_child(house.template)
    house.step()
    assert house.dead == [house.template], "once"
    house.forking = False
    house.step()
    assert [event.pid for event in house.events] == [unknown]
    assert not is_child(unknown)


def test_whom_a_template_may_name(house: House) -> None:
    """Its code is the application's, and what it names is watched, and killed when it breaks a limit."""
    worker = ended()
    house.template = ended()
    assert house.burial.is_unknown(worker)
    assert not house.burial.is_unknown(house.template)
    assert not house.burial.is_unknown(os.getppid()), "no child of ours"
    assert not any(map(house.burial.is_unknown, (0, -1, os.getpid())))


def test_those_of_some_pids(house: House) -> None:
    one, other = ended(3), ended(4)
    assert [(death.pid, death.code) for death in deaths_of([os.getpid(), other])] == [(other, 4)]
    assert is_child(one)


def test_a_template_that_does_not_leave_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that its import has left keeps it: each reload left a copy of the application."""
    templates = Templates(cast("Master", SimpleNamespace(generation=0)))
    with subprocess.Popen(["sleep", "60"], process_group=0) as process:
        helper = cast("Helper", SimpleNamespace(pid=process.pid))
        templates.leaving[process.pid] = Leaver(helper, 1000.0 + module.LEAVE_WITHIN)
        templates.step(1000.0 + module.LEAVE_WITHIN)
        assert process.poll() is None
        templates.step(1000.1 + module.LEAVE_WITHIN)
        assert process.wait(10) == -signal.SIGKILL
