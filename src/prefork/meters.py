"""What the kernel knows of a process: its memory, its processor time, its descendants. Linux, proc(5)."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Container

PAGE = os.sysconf("SC_PAGE_SIZE")


class Gone(Exception):
    """The process has ended."""


class Meter:
    """Measures one process as long as it lives. Every method raises Gone afterwards."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.clock = clock_of(pid)
        try:
            self.statm = os.open(f"/proc/{pid}/statm", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            raise Gone from None

    def resident(self) -> int:
        """Bytes in memory, each page counted whole. About 2 µs."""
        try:
            pages = int(os.pread(self.statm, 128, 0).split()[1])
        except (OSError, IndexError):
            raise Gone from None
        if not pages:  # it has ended, and nobody has reaped it
            raise Gone
        return pages * PAGE

    def proportional(self) -> int:
        """Bytes in memory, a page that n processes share counted as an n-th. From 160 µs to 25 ms at 2 GiB."""
        try:
            with open(f"/proc/{self.pid}/smaps_rollup", "rb") as rollup:
                return next(int(line.split()[1]) << 10 for line in rollup if line.startswith(b"Pss:"))
        except (OSError, StopIteration):
            raise Gone from None

    def processor(self) -> float:
        """Seconds of processor time of all its threads, also of those that have ended; not of its children."""
        try:
            return time.clock_gettime(self.clock)
        except OSError:
            raise Gone from None

    def close(self) -> None:
        """Let go of the process."""
        os.close(self.statm)


def clock_of(pid: int) -> int:
    """The clock of a process's processor time: CPUCLOCK_SCHED, as clock_getcpuclockid(3) makes it."""
    return ~pid << 3 | 2


def state_of(pid: int) -> str:
    """The kernel's letter for what a process is doing (R, S, D, T, …), `X` when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return stat.read().rpartition(b")")[2].split()[0].decode()
    except OSError:
        return "X"


def awake(pid: int) -> float:
    """Seconds that the first thread of a process has had a processor, or waited for one that it has had since; 0 where it is gone,
    or the kernel does not count that.
    """
    try:
        with open(f"/proc/{pid}/schedstat", "rb") as stat:
            ran, waited, _ = map(int, stat.read().split())
    except OSError:
        return 0.0
    return (ran + waited) / 1e9


class Relative(NamedTuple):
    """A process below another one."""

    pid: int
    name: str
    resident: int

    def told(self) -> dict[str, int | str]:
        """As an incident tells it."""
        return {"pid": self.pid, "name": self.name, "memory": self.resident}


def began(pid: int) -> int:
    """When a process began, in the kernel's ticks since the machine's start: with its pid it names one process. Raises Gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return int(stat.read().rpartition(b")")[2].split()[19])
    except OSError:
        raise Gone from None


def is_about_to_take(pid: int, number: int) -> bool:
    """Whether a process has yet to take a signal and lacks nothing but a processor for it."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as status:
            fields = dict(line.split(":\t", 1) for line in status if ":\t" in line)
    except OSError:
        return False
    sent, blocked = (int(fields[name], 16) >> (number - 1) & 1 for name in ("ShdPnd", "SigBlk"))
    return fields["State"].startswith("R") and bool(sent) and not blocked


def descendants(pid: int, among: Container[int] | None = None) -> list[Relative]:
    """Every process below `pid`, whichever group or session it has moved to, parents before children.

    `among`: of its own children only these, and those below them.
    """
    children: dict[int, list[Relative]] = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", "rb") as stat:
                head, _, tail = stat.read().rpartition(b")")
        except OSError:
            continue
        fields = tail.split()
        if fields[0] in {b"Z", b"X"}:
            continue
        name = head.partition(b"(")[2].decode(errors="replace")
        children.setdefault(int(fields[1]), []).append(Relative(int(entry), name, int(fields[21]) * PAGE))
    found = [relative for relative in children.get(pid, []) if among is None or relative.pid in among]
    for relative in found:  # grows meanwhile
        found += children.get(relative.pid, [])
    return found


def kernel_kills() -> int:
    """How often the kernel has killed a process for want of memory since the machine's start: its own counter."""
    try:
        with open("/proc/vmstat", encoding="ascii") as counters:
            return next((int(line.split()[1]) for line in counters if line.startswith("oom_kill ")), 0)
    except OSError:
        return 0
