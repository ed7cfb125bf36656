"""What is done to a worker's process, on one that does nothing."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.unit.descriptors import held_for_good, opened_since

from prefork.master.fleet import Worker
from prefork.master.processes import Processes

if TYPE_CHECKING:
    from collections.abc import Iterator

STOPPED, CONTINUED = os.WSTOPPED | os.WNOWAIT, os.WCONTINUED | os.WNOWAIT


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


@pytest.fixture
def worker(process: subprocess.Popen[bytes]) -> Worker:
    return Worker(3, 1, 0.0, pid=process.pid)


def test_a_halt_is_undone(worker: Worker) -> None:
    processes = Processes()
    processes.open(worker)
    for act, what in ((processes.halt, STOPPED), (processes.let_go_on, CONTINUED)):
        act(worker)
        assert os.waitid(os.P_PID, worker.pid, what), "it never came to that"
    processes.close(worker)


def test_one_that_is_dead_is_not_signalled(worker: Worker, process: subprocess.Popen[bytes]) -> None:
    processes = Processes()
    processes.expect(worker)
    processes.open(worker)
    process.kill()
    process.wait()
    processes.halt(worker)
    processes.ask_for_stacks(worker)
    processes.close(worker)


def test_one_whose_end_cannot_be_seen_is_asked_for_nothing(worker: Worker, process: subprocess.Popen[bytes]) -> None:
    processes = Processes()
    processes.expect(worker)
    processes.ask_for_stacks(worker)
    processes.close(worker)
    process.terminate()
    assert process.wait() == -signal.SIGTERM, "the signal for stacks would have ended it before"


def test_what_it_writes_is_read_and_forgotten(worker: Worker) -> None:
    processes = Processes()
    slate = processes.expect(worker)
    os.write(slate, b"a")
    assert (processes.stacks_written(worker), processes.stacks_of(worker)) == (1, "a")
    processes.clear_stacks(worker)
    assert processes.stacks_written(worker) == 0
    processes.keep_stacks(worker, "found")
    assert processes.stacks_of(worker) == "found"
    processes.close(worker)


def test_nothing_of_it_stays_open(worker: Worker) -> None:
    before = held_for_good()
    processes = Processes()
    processes.expect(worker)
    processes.open(worker)
    for _ in range(2):
        processes.close(worker)
    assert not opened_since(before)
