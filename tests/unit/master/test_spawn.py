"""What the master does to its processes, tried on one that is nobody's worker."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from prefork.master.spawn import hasten

if TYPE_CHECKING:
    from collections.abc import Iterator

HUMBLE = """
import os, sys, threading
os.nice(19)
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
threading.Thread(target=sys.stdin.read).start()
print("there", flush=True)
"""


@pytest.fixture
def humble() -> Iterator[int]:
    """The pid of a process with two threads that stand back for everybody, as those of a job do."""
    command = [sys.executable, "-c", HUMBLE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"there\n"
        yield process.pid


def manners(pid: int) -> list[tuple[int, int]]:
    """How far each thread of a process stands back: its policy, and nice."""
    threads = map(int, os.listdir(f"/proc/{pid}/task"))
    return [(os.sched_getscheduler(thread), os.getpriority(os.PRIO_PROCESS, thread)) for thread in threads]


def test_who_is_to_end_stands_back_for_nobody(humble: int) -> None:
    assert manners(humble) == [(os.SCHED_IDLE, 19)] * 2
    hasten(humble)
    expected = (os.SCHED_OTHER, 0) if os.geteuid() == 0 else (os.SCHED_IDLE, 19)
    assert manners(humble) == [expected] * 2


def test_one_that_has_gone_is_let_be() -> None:
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    process.wait()
    hasten(process.pid)
