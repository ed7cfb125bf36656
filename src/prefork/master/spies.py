"""The stacks of workers that write none themselves, read from outside by py-spy where it is installed beside Prefork.

A spy is a process of its own that only reads the worker's memory: it attaches to nothing, so that one which is killed leaves
nothing behind, and needs no answer from a worker that is stopped or hangs in the kernel. Who sends it says until when it may take;
one that is missing, fails or hangs costs its text.
"""

from __future__ import annotations

import json
import os
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from prefork.events import SpyFailed
from prefork.master.spawn import kill_group, start_spy

if TYPE_CHECKING:
    import subprocess

    from prefork.master.fleet import Worker
    from prefork.master.loop import Master
    from prefork.master.spawn import Death

MOST = 4  # at once: when many workers hang it is for one reason
LONGEST = 1 << 22  # bytes of what one says
FRAMES = 100  # of a thread, and threads, that are kept: as many as faulthandler writes


class Spy(NamedTuple):
    """One at work: on whom, since and until when (monotonic seconds), and its files for what it finds and for complaints."""

    process: subprocess.Popen[bytes]
    worker: Worker
    since: float
    until: float
    found: int
    complaint: int


class Spies:
    """`program` is py-spy, None where there is none. By their pids, spies are `at_work`, or `late`: killed and not buried yet."""

    def __init__(self, master: Master) -> None:
        self.master = master
        self.program = installed()
        self.at_work: dict[int, Spy] = {}
        self.late: dict[int, Spy] = {}
        self.complained = False

    def send(self, worker: Worker, now: float, until: float) -> bool:
        """Have a worker's stacks read; False where nobody can."""
        if self.program is None or len(self.at_work) + len(self.late) >= MOST:
            return False
        found, complaint = (os.memfd_create("prefork-spy", os.MFD_CLOEXEC) for _ in range(2))
        try:
            process = start_spy(self.program, worker.pid, self.master.owner, found, complaint)
        except OSError as error:
            os.close(found)
            os.close(complaint)
            self._complain(worker, f"cannot execute {self.program}: {error.strerror}")
            return False
        self.at_work[process.pid] = Spy(process, worker, now, until, found, complaint)
        return True

    def is_at(self, worker: Worker) -> bool:
        """Whether a worker's stacks are being read."""
        return any(spy.worker is worker for spy in self.at_work.values())

    def step(self, now: float) -> None:
        """End those that take too long."""
        for pid, spy in list(self.at_work.items()):
            if now >= spy.until:
                self._dismiss(pid)
                self._complain(spy.worker, f"it had not finished after {now - spy.since:.2f} s")

    def call_off(self, worker: Worker) -> None:
        """Nobody wants to know any more."""
        for pid, spy in list(self.at_work.items()):
            if spy.worker is worker:
                self._dismiss(pid)

    def pids(self) -> set[int]:
        """The processes of all of them."""
        return {*self.at_work, *self.late}

    def died(self, death: Death) -> None:
        """One has ended: what it has found becomes what its worker has written."""
        spy = self.at_work.pop(death.pid, None)
        if spy:
            self._listen(spy, death)
        else:
            spy = self.late.pop(death.pid)
        spy.process.returncode = death.code  # it has been reaped, so that Popen must not try
        os.close(spy.found)
        os.close(spy.complaint)

    def _listen(self, spy: Spy, death: Death) -> None:
        try:
            stacks = as_stacks(os.pread(spy.found, LONGEST, 0))
        except (ValueError, TypeError, LookupError):
            self._complain(spy.worker, reason_of(os.pread(spy.complaint, LONGEST, 0)) or death.how())
        else:
            if self._is_here(spy.worker):
                self.master.crew.processes.keep_stacks(spy.worker, stacks)

    def _dismiss(self, pid: int) -> None:
        self.late[pid] = self.at_work.pop(pid)
        kill_group(pid)

    def _complain(self, worker: Worker, reason: str) -> None:
        if not self.complained and self._is_here(worker):
            self.complained = True
            self.master.journal.emit(SpyFailed(worker.name, worker.pid, reason))

    def _is_here(self, worker: Worker) -> bool:
        return self.master.crew.find(worker.slot, worker.pid) is not None


def installed() -> Path | None:
    """py-spy in our own environment."""
    program = Path(sysconfig.get_path("scripts"), "py-spy")
    return program if os.access(program, os.X_OK) else None


def as_stacks(said: bytes) -> str:
    """What `py-spy dump --json` says, in the words of faulthandler. Raises ValueError, TypeError or LookupError for nonsense."""
    return "\n\n".join("\n".join(lines_of(thread)) for thread in json.loads(said)[:FRAMES])


def lines_of(thread: dict[str, Any]) -> list[str]:
    """One thread's."""
    head = f"Thread 0x{thread['thread_id']:016x} (most recent call first; read by py-spy):"
    return [
        head,
        *(f'  File "{frame["filename"]}", line {frame["line"]} in {frame["name"]}' for frame in thread["frames"][:FRAMES]),
    ]


def reason_of(complaint: bytes) -> str:
    """What py-spy says of a failure: the innermost of the causes that it names, which is the last line before a backtrace."""
    causes = complaint.decode(errors="replace").partition("Stack backtrace:")[0].split("\n")
    return next((cause.strip() for cause in reversed(causes) if cause.strip()), "")
