"""Fuses of workers from their fork to their end, on a tree that behaves like the kernel's."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from tests.unit.kernel_groups import KernelGroups

from prefork.cgroups import MAIN, Ground, Toll, Unavailable
from prefork.events import Event, FuseFailed, FuseReady, NoFuse
from prefork.master.fuse import READ_BY, Fuses, is_leftover, rating
from prefork.meters import Gone, began

if TYPE_CHECKING:
    from pathlib import Path

    from prefork.journal import Journal

HARD = 8000
PID = 4711


class Box:
    """Fuses with a group of their own, and what they say."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, choice: str = "auto") -> None:
        self.kernel = KernelGroups(root, monkeypatch, 2)
        self.group = self.kernel.make("mysite", 10, os.getpid())
        self.said: list[Event] = []
        self.fuses = Fuses(choice, cast("Journal", SimpleNamespace(emit=self.said.append)), self.find)
        self.unavailable = ""

    def find(self, choice: str) -> Ground:
        if self.unavailable:
            raise Unavailable(self.unavailable)
        return Ground(self.group, 2, crowded=True)

    def worker(self, pid: int = PID) -> Path:
        """The group of a worker that has just been forked."""
        before = self.kernel.groups(self.group)
        self.fuses.attach("http.3", pid)
        (name,) = self.kernel.groups(self.group) - before
        return self.group / name

    def names(self) -> list[str]:
        return [event.name() for event in self.said]


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Box:
    return Box(tmp_path, monkeypatch)


@pytest.fixture
def opened(box: Box) -> Box:
    box.fuses.open(threaded=False)
    return box


def test_it_is_a_quarter_above_the_hard_limit() -> None:
    assert (rating(HARD), rating(0)) == (10000, 0)


def test_the_start_says_where_they_are(opened: Box) -> None:
    assert opened.said == [FuseReady(str(opened.group), 2)]
    assert opened.fuses.told() == {"path": str(opened.group), "version": 2, "reason": None}


@pytest.mark.parametrize(("choice", "kind"), [("auto", NoFuse), ("off", NoFuse), ("/sys/fs/cgroup/x", FuseFailed)])
def test_the_start_says_once_why_there_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, choice: str, kind: type[NoFuse | FuseFailed]
) -> None:
    box = Box(tmp_path, monkeypatch, choice)
    box.unavailable = "a reason"
    box.fuses.open(threaded=False)
    box.fuses.attach("http.1", PID)
    box.fuses.step(0.0, [(PID, HARD)])
    assert box.said == [kind("a reason")]
    assert box.fuses.told() == {"path": None, "version": None, "reason": "a reason"}
    assert (box.fuses.counters(PID), box.fuses.toll(PID)) == ([], None)
    box.fuses.detach(PID, 0.0)
    box.fuses.close()


def test_threads_share_one_process(box: Box) -> None:
    box.fuses.open(threaded=True)
    assert box.names() == ["no_fuse"]
    assert box.kernel.groups(box.group) == set()


def test_a_group_that_cannot_be_divided_is_left_as_it_was(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    (box.group / "cgroup.subtree_control").unlink()
    box.fuses.open(threaded=False)
    assert box.names() == ["fuse_failed"]
    assert "cgroup.subtree_control" in box.fuses.reason
    box.fuses.attach("http.1", PID)
    assert box.fuses.counters(PID) == []


def test_a_worker_is_alone_in_its_group_and_ends_with_its_children(opened: Box) -> None:
    group = opened.worker()
    assert opened.kernel.inside(group) == [PID]
    assert (group / "memory.oom.group").read_text() == "1"
    assert group.name == f"prefork-{os.getpid()}-{began(os.getpid())}.http.3-{PID}"
    assert len(opened.fuses.counters(PID)) == 1


def test_it_is_rated_when_the_worker_has_been_weighed_and_again_when_its_limit_changes(opened: Box) -> None:
    group = opened.worker()
    opened.fuses.step(0.0, [])
    assert (group / "memory.max").read_text() == "max\n", "an import may take what it needs"
    for hard, most in ((HARD, "10000"), (2 * HARD, "20000"), (0, "max")):
        opened.fuses.step(0.0, [(PID, hard), (PID + 1, hard)])
        assert (group / "memory.max").read_text() == most


def test_it_never_blows_by_being_rated(opened: Box) -> None:
    group = opened.worker()
    (group / "memory.current").write_text("10101\n")
    opened.fuses.step(0.0, [(PID, HARD)])
    assert (group / "memory.max").read_text() == "max\n"
    (group / "memory.current").write_text("10099\n")
    opened.fuses.step(0.0, [(PID, HARD)])
    assert (group / "memory.max").read_text() == "10000"


def test_one_that_has_blown_says_it_with_its_numbers(opened: Box) -> None:
    group = opened.worker()
    opened.fuses.step(0.0, [(PID, 100 << 20)])
    (group / "memory.events").write_text("oom 1\noom_kill 2\n")
    assert opened.fuses.toll(PID) == Toll(2, 1)
    assert "took 125 MiB, 1.25 × limit_memory_hard" in opened.fuses.epitaph(PID)
    assert f"oom_kill 2 in {group}" in opened.fuses.epitaph(PID)


def test_it_goes_when_its_counters_have_been_read_and_nobody_is_left_there(opened: Box) -> None:
    group = opened.worker()
    opened.fuses.detach(PID, 100.0)
    opened.fuses.step(100.0 + READ_BY / 2, [])
    assert group.exists(), "the dispatcher may not have looked yet"
    opened.fuses.step(100.0 + READ_BY, [])
    assert group.exists(), "a daemon lives there"
    opened.kernel.occupy(group)
    opened.fuses.step(200.0, [])
    assert not group.exists()


def test_what_cannot_be_made_costs_the_worker_nothing_and_is_said_once(opened: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, mode: int = 0) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "mkdir", refuse)
    opened.fuses.attach("http.1", 1)
    opened.fuses.attach("http.2", 2)
    assert opened.names() == ["fuse_ready", "fuse_failed"]
    assert opened.fuses.counters(1) == []


def test_leftovers_are_those_of_masters_that_are_dead() -> None:
    def born(pid: int) -> int:
        if pid == 7:
            return 100
        raise Gone

    assert is_leftover("prefork-6-100.http.1-9", born)
    assert is_leftover("prefork-7-99.http.1-9", born), "the pid is somebody else's by now"
    assert not is_leftover("prefork-7-100.http.1-9", born)
    assert not is_leftover(MAIN, born)
    assert not is_leftover("somebody-elses", born)


def test_a_start_removes_them_but_what_is_in_use_and_what_is_not_ours(box: Box) -> None:
    me = f"prefork-{os.getpid()}-{began(os.getpid())}.http.1-9"
    dead = f"prefork-{os.getpid()}-1.http."
    for name in (me, f"{dead}1-8", "somebody-elses"):
        box.kernel.make(f"mysite/{name}")
    used = box.kernel.make(f"mysite/{dead}2-9", 12)
    box.fuses.open(threaded=False)
    assert box.kernel.groups(box.group) == {MAIN, me, used.name, "somebody-elses"}
    box.kernel.occupy(used)
    box.fuses.step(1.0, [])
    assert not used.exists()


def test_the_end_leaves_nothing(opened: Box) -> None:
    first, second = opened.worker(1), opened.worker(2)
    opened.fuses.detach(1, 100.0)
    for group in (first, second):
        opened.kernel.occupy(group)
    opened.fuses.close()
    assert opened.kernel.groups(opened.group) == set()
    assert opened.kernel.inside(opened.group) == [10, os.getpid()]
