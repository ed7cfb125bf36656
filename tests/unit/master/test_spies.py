"""Spies that are shell scripts: what they say, how they fail, and that nobody waits for them."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from tests.unit.descriptors import held, opened_since

from prefork.master import spies
from prefork.master.fleet import State, Worker
from prefork.master.pools import HTTP
from prefork.master.spawn import Death, Owner
from prefork.master.spies import FRAMES, MOST, Spies, as_stacks, reason_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from prefork.master.loop import Master

NOW = 1000.0
UNTIL = NOW + 0.1
INNER = {"name": "total", "filename": "/srv/report.py", "line": 7}
OUTER = {"name": "app", "filename": "/srv/site.py", "line": 3}
FOUND = [{"thread_id": 0x7F41CCA89B80, "thread_name": "MainThread", "frames": [INNER, OUTER]}]
STACKS = """\
Thread 0x00007f41cca89b80 (most recent call first; read by py-spy):
  File "/srv/report.py", line 7 in total
  File "/srv/site.py", line 3 in app"""
COMPLAINT = """\
Error: Failed to open process 7

Caused by:
    0: Failed to read
    1: Operation not permitted (os error 1)

Stack backtrace:
   0: main
"""


class Ring:
    """Spies whose program is a shell script, on one worker."""

    def __init__(self, path: Path) -> None:
        self.events: list[Any] = []
        self.kept: list[str] = []
        self.worker = self.colleague(1)
        processes = SimpleNamespace(keep_stacks=lambda _, stacks: self.kept.append(stacks))
        self.crew = SimpleNamespace(processes=processes, find=self.find)
        self.master = SimpleNamespace(crew=self.crew, owner=Owner(None, None), journal=SimpleNamespace(emit=self.events.append))
        self.spies = Spies(cast("Master", self.master))
        self.spies.program = self.program = path / "py-spy"

    def colleague(self, number: int) -> Worker:
        return Worker(number, 1, born=NOW, state=State.READY, since=NOW, pid=4000 + number, pool=HTTP)

    def find(self, slot: int, pid: int) -> Worker | None:
        return self.worker if (slot, pid) == (self.worker.slot, self.worker.pid) else None

    def write(self, script: str) -> None:
        self.program.write_text(f"#!/bin/sh\n{script}\n")
        self.program.chmod(0o755)

    def bury(self) -> None:
        """Wait for the end of all, as the master's sweep does when it hears of it."""
        for pid in self.spies.pids():
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            self.spies.died(Death(pid, code))

    def reasons(self) -> list[str]:
        return [event.reason for event in self.events]


@pytest.fixture
def ring(tmp_path: Path) -> Iterator[Ring]:
    ring = Ring(tmp_path)
    before = held()
    yield ring
    ring.spies.step(NOW + 1)
    ring.bury()
    assert not opened_since(before)


def test_what_it_finds_becomes_what_the_worker_has_written(ring: Ring) -> None:
    ring.write(f"[ \"$*\" = 'dump --nonblocking --json --pid 4001' ] && echo '{json.dumps(FOUND)}'; echo noise >&2")
    assert ring.spies.send(ring.worker, NOW, UNTIL)
    assert ring.spies.is_at(ring.worker)
    ring.bury()
    assert (ring.kept, ring.events, ring.spies.is_at(ring.worker)) == ([STACKS], [], False)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo Caused by: it is broken >&2; exit 1", "Caused by: it is broken"),
        ("exit 1", "exit status 1"),
        ("echo '[{'", "exit status 0"),
        ("echo '{\"threads\": 1}'", "exit status 0"),
        ("kill -SEGV $$", "signal 11 (SIGSEGV)"),
    ],
)
def test_one_that_fails_is_complained_of_once(ring: Ring, script: str, reason: str) -> None:
    ring.write(script)
    for _ in range(2):
        assert ring.spies.send(ring.worker, NOW, UNTIL)
        ring.bury()
    assert (ring.kept, ring.reasons()) == ([], [reason])


def test_one_that_takes_too_long_is_killed_and_its_worker_waits_no_more(ring: Ring) -> None:
    ring.write("exec sleep 60")
    ring.spies.send(ring.worker, NOW, UNTIL)
    ring.spies.step(UNTIL - 0.001)
    assert ring.spies.is_at(ring.worker)
    ring.spies.step(UNTIL)
    assert not ring.spies.is_at(ring.worker)
    assert len(ring.spies.pids()) == 1, "it is still the server's, until it is buried"
    ring.bury()
    assert (ring.kept, ring.reasons()) == ([], ["it had not finished after 0.10 s"])


def test_one_that_is_called_off_says_nothing(ring: Ring) -> None:
    ring.write("exec sleep 60")
    ring.spies.send(ring.worker, NOW, UNTIL)
    ring.spies.call_off(ring.worker)
    ring.bury()
    assert (ring.kept, ring.events, ring.spies.pids()) == ([], [], set())


def test_the_end_of_its_worker_is_no_fault_of_a_spy(ring: Ring) -> None:
    ring.write("echo No such process >&2; exit 1")
    ring.spies.send(ring.worker, NOW, UNTIL)
    ring.worker = ring.colleague(2)
    ring.bury()
    assert ring.events == []


def test_what_is_found_of_a_worker_that_has_gone_is_kept_for_nobody(ring: Ring) -> None:
    ring.write(f"echo '{json.dumps(FOUND)}'")
    ring.spies.send(ring.worker, NOW, UNTIL)
    ring.worker = ring.colleague(2)
    ring.bury()
    assert (ring.kept, ring.events) == ([], [])


def test_where_there_is_none_or_it_cannot_be_run_nobody_is_sent(ring: Ring) -> None:
    assert not ring.spies.send(ring.worker, NOW, UNTIL)
    assert ring.reasons() == [f"cannot execute {ring.program}: No such file or directory"]
    ring.spies.program = None
    assert not ring.spies.send(ring.worker, NOW, UNTIL)
    assert ring.spies.pids() == set()


def test_a_few_at_once_are_enough(ring: Ring) -> None:
    ring.write("exec sleep 60")
    sent = [ring.spies.send(ring.colleague(number), NOW, UNTIL) for number in range(1, MOST + 2)]
    assert sent == [True] * MOST + [False]


def test_it_is_looked_for_beside_prefork(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spies.sysconfig, "get_path", lambda _: str(tmp_path))
    assert spies.installed() is None
    (tmp_path / "py-spy").touch(0o755)
    assert spies.installed() == tmp_path / "py-spy"


def test_stacks_are_as_long_as_those_of_faulthandler() -> None:
    threads = [FOUND[0] | {"frames": [INNER] * (FRAMES + 1)}] * (FRAMES + 1)
    lines = as_stacks(json.dumps(threads).encode()).splitlines()
    assert lines.count('  File "/srv/report.py", line 7 in total') == FRAMES * FRAMES


def test_the_innermost_cause_is_the_reason() -> None:
    assert reason_of(COMPLAINT.encode()) == "1: Operation not permitted (os error 1)"
    assert reason_of(b"") == ""
