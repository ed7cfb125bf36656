"""The threads for files: few while disks answer, more where they hang, and never one too many for long."""

from __future__ import annotations

import os
import select
import threading
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from prefork.dispatcher import disk as module
from prefork.dispatcher.disk import FEW, HANGING, MOST, STALLED, Disk

from .conftest import WITHIN, running, send_home

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Desk:
    """A disk whose bell is heard when the test says so, and whose clock is the test's."""

    def __init__(self) -> None:
        self.said: list[Any] = []
        self.faults: list[Exception] = []
        self.disk = Disk(self.guard)
        self.gates: list[threading.Event] = []

    def guard(self, then: Callable[..., None], outcome: Any) -> None:
        try:
            then(outcome)
        except Exception as error:
            self.faults.append(error)

    def do(self, job: Callable[[], Any], place: str = "") -> module.Errand:
        return self.disk.do(job, self.said.append, place)

    def hang(self, count: int, place: str = "") -> threading.Event:
        """Errands that do not come back before the gate is opened."""
        gate = threading.Event()
        self.gates.append(gate)
        for _ in range(count):
            self.do(partial(gate.wait, WITHIN * 4), place)
        return gate

    def hear(self, count: int) -> None:
        """Collect until so many have come back in all."""
        while len(self.said) + len(self.faults) < count:
            assert select.select([self.disk.bell], [], [], WITHIN)[0], f"only {self.said} came back"
            self.disk.collect(0)

    def look(self, *, begun: int) -> None:
        """Look at a moment when so many errands have been begun, long after each of them was."""
        for _ in range(1000):
            if len(self.disk.begun) == begun:
                break
            threading.Event().wait(0.005)
        assert len(self.disk.begun) == begun
        self.disk.look(max((errand.since for errand in self.disk.begun), default=0.0) + HANGING * 2)


@pytest.fixture
def threads() -> Callable[[], int]:
    return lambda: len(running())


@pytest.fixture
def desk() -> Iterator[Desk]:
    """In the end every thread is sent home."""
    desk = Desk()
    yield desk
    for gate in desk.gates:
        gate.set()
    send_home(desk.disk)


def test_what_comes_back(desk: Desk, threads: Callable[[], int]) -> None:
    desk.do(lambda: 5)
    desk.hear(1)
    desk.do(lambda: [][0])
    desk.hear(2)
    desk.do(lambda: None)
    desk.hear(3)
    assert desk.said[0] == 5
    assert isinstance(desk.said[1], IndexError)
    assert desk.said[2] is None
    assert desk.disk.pending == 0
    assert threads() == 1, "one is enough for one at a time"


def test_nothing_comes_back_by_itself(desk: Desk) -> None:
    """Results are handed out in the loop's thread."""
    seen = []
    desk.disk.do(threading.get_ident, lambda ident: seen.append((ident, threading.get_ident())))
    assert select.select([desk.disk.bell], [], [], WITHIN)[0]
    assert seen == []
    desk.disk.collect(0)
    assert seen[0][0] != threading.get_ident() == seen[0][1]


def test_few_threads_work_off_many_errands_in_order(desk: Desk, threads: Callable[[], int]) -> None:
    gate = desk.hang(FEW - 1)
    for number in range(100):
        desk.do(partial(int, number))
    desk.hear(100)
    assert desk.said == list(range(100)), "the only thread that is free works them off as they came"
    gate.set()
    desk.hear(100 + FEW - 1)
    assert threads() == desk.disk.threads == FEW


def test_errands_wait_while_all_threads_are_busy(desk: Desk, threads: Callable[[], int]) -> None:
    gate = desk.hang(FEW)
    desk.do(lambda: "waited")
    desk.disk.look(0.0)
    assert threads() == FEW, "they are only busy: nothing hangs yet"
    gate.set()
    desk.hear(FEW + 1)
    assert "waited" in desk.said


def test_threads_that_hang_are_replaced(desk: Desk) -> None:
    desk.hang(FEW)
    desk.do(lambda: "at once")
    desk.look(begun=FEW)
    desk.hear(1)
    assert desk.said == ["at once"]


def test_many_that_hang_at_once_hold_up_nobody_behind_them(desk: Desk, threads: Callable[[], int]) -> None:
    desk.hang(30)
    desk.do(lambda: "behind")
    desk.look(begun=FEW)
    desk.hear(1)
    assert desk.said == ["behind"]
    desk.do(lambda: "later")
    desk.look(begun=30)
    desk.hear(2)
    assert threads() <= 30 + FEW


def test_those_that_come_back_make_others_leave(desk: Desk, threads: Callable[[], int]) -> None:
    gate = desk.hang(30)
    for begun in (FEW, 30):
        desk.do(lambda: "between")
        desk.look(begun=begun)
    desk.hear(2)
    gate.set()
    desk.hear(32)
    for _ in range(1000):
        if threads() == FEW:
            break
        threading.Event().wait(0.005)
    assert threads() == desk.disk.threads == FEW
    desk.do(lambda: "as ever")
    desk.hear(33)


def test_those_that_are_busy_are_not_sent_away(desk: Desk) -> None:
    """One of many has come back, the others are about to hang: whoever comes next needs a thread all the same."""
    desk.hang(30)
    desk.do(lambda: "first")
    desk.look(begun=FEW)
    desk.hear(1)
    for number in range(5):
        desk.do(lambda: "next")
        desk.look(begun=30)
        desk.hear(number + 2)


def test_there_is_a_limit(desk: Desk, threads: Callable[[], int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 10)
    gate = desk.hang(20)
    for begun in (FEW, 10, 10):
        desk.look(begun=begun)
    assert threads() == 10 < MOST
    gate.set()
    desk.hear(20)


def test_a_place_in_which_many_hang(desk: Desk) -> None:
    gate = desk.hang(STALLED, "/dead")
    assert not desk.disk.stalled("/dead")
    desk.look(begun=FEW)
    assert not desk.disk.stalled("/dead"), "most of them may only be slow"
    desk.look(begun=STALLED)
    assert desk.disk.stalled("/dead")
    assert not desk.disk.stalled("/alive")
    gate.set()
    desk.hear(STALLED)
    assert not desk.disk.stalled("/dead")


def test_an_errand_that_nobody_has_begun_can_be_withdrawn(desk: Desk) -> None:
    gate = desk.hang(FEW)
    errand = desk.do(lambda: "withdrawn")
    assert desk.disk.pending == FEW + 1
    assert errand.withdraw()
    assert not errand.withdraw()
    assert desk.disk.pending == FEW
    gate.set()
    desk.hear(FEW)
    desk.do(lambda: "next")
    desk.hear(FEW + 1)
    assert desk.said[-1] == "next"


def test_one_that_is_begun_cannot(desk: Desk) -> None:
    gate, started = threading.Event(), threading.Event()
    errand = desk.do(lambda: started.set() or gate.wait(WITHIN))  # type: ignore[func-returns-value]
    assert started.wait(WITHIN)
    assert not errand.withdraw()
    gate.set()
    desk.hear(1)
    assert not errand.withdraw()
    assert desk.disk.pending == 0


def test_a_fault_in_what_follows_is_the_guards(desk: Desk) -> None:
    desk.disk.do(lambda: 0, lambda zero: print(1 / zero))
    desk.do(lambda: "next")
    desk.hear(2)
    assert [type(fault) for fault in desk.faults] == [ZeroDivisionError]
    assert desk.said == ["next"]


def test_files_are_closed_elsewhere(desk: Desk) -> None:
    descriptor = os.memfd_create("file")
    desk.disk.close(descriptor)
    desk.disk.close(descriptor)  # what cannot be closed harms nobody
    desk.do(lambda: "next")
    while desk.disk.pending:
        assert select.select([desk.disk.bell], [], [], WITHIN)[0]
        desk.disk.collect(0)
    with pytest.raises(OSError):
        os.fstat(descriptor)


def test_without_a_thread_errands_wait_for_one(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        desk.do(lambda: "late")
        desk.disk.look(1.0)
        assert desk.disk.threads == 0
    desk.disk.look(2.0)
    desk.hear(1)
    assert desk.said == ["late"]


def test_nothing_is_kept_alive_by_a_thread_that_waits(desk: Desk) -> None:
    class Held:
        def job(self) -> None:
            pass

    held = Held()
    watched = weakref.ref(held)
    desk.do(held.job)
    del held
    desk.hear(1)
    desk.do(lambda: None)
    desk.hear(2)
    assert watched() is None
