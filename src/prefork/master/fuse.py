"""The fuse: a control group for each worker, so that the kernel kills one which takes memory faster than the master looks.

It blows at 1.25 × `limit_memory_hard` and counts what is touched first by the worker or its children and the page cache, so it
replaces no limit. It never fails a start, and leaves no group behind; of those of dead masters only what is still in use.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prefork import cgroups
from prefork.cgroups import Unavailable
from prefork.events import FuseFailed, FuseReady, NoFuse
from prefork.limits import mebibytes
from prefork.meters import Gone, began

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from prefork.cgroups import Ground
    from prefork.journal import Journal

READ_BY = 2.0  # seconds after a worker's death by which master and dispatcher have read its counters
LOOK = 0.5  # seconds between two attempts to remove groups
OURS = re.compile(r"prefork-(\d+)-(\d+)\..+")  # the master's pid, when that began, and the worker


def rating(hard: int) -> int:
    """The bytes at which a worker's fuse blows, given its hard limit of memory; 0 is none."""
    return hard * 5 // 4


def is_leftover(name: str, born: Callable[[int], int]) -> bool:
    """Whether a group was made by a master that is dead. `born` raises Gone; a pid alone may be somebody else's by now."""
    made = OURS.fullmatch(name)
    if made is None:
        return False
    try:
        return born(int(made[1])) != int(made[2])
    except Gone:
        return True


@dataclass
class Fuse:
    """One worker's group, a descriptor of its counters, and the bytes at which it blows (0: not yet)."""

    group: Path
    counters: int
    most: int = 0


class Fuses:
    """`fuses` by the worker's pid; `reason` is why there are none; `spent` groups are removed from that time on."""

    def __init__(self, choice: str, journal: Journal, find: Callable[[str], Ground] = cgroups.find) -> None:
        self.choice = choice
        self.journal = journal
        self.find = find
        self.ground: Ground | None = None
        self.reason = ""
        self.fuses: dict[int, Fuse] = {}
        self.spent: dict[Path, float] = {}
        self.next_look = 0.0
        self.complained = False

    def open(self, *, threaded: bool) -> None:
        """Find out where there can be groups, and say it. Removes those of dead masters."""
        if threaded:
            self.reason = "in threaded mode all requests share one process"
            self.journal.emit(NoFuse(self.reason))
            return
        try:
            ground = self.find(self.choice)
        except Unavailable as unavailable:
            self.reason = str(unavailable)
            self.journal.emit(NoFuse(self.reason) if self.choice in {"auto", "off"} else FuseFailed(self.reason))
            return
        try:
            self.spent = {each: 0.0 for each in ground.path.iterdir() if is_leftover(each.name, began)}
            self._remove(0.0)
            cgroups.settle(ground)
        except OSError as error:
            self._restore(ground)
            self.reason = sentence(error)
            self.journal.emit(FuseFailed(self.reason))
            return
        self.ground = ground
        self.journal.emit(FuseReady(str(ground.path), ground.version))

    def attach(self, name: str, pid: int) -> None:
        """Put a worker that has just been forked into a group of its own."""
        if self.ground is None:
            return
        group = self.ground.path / f"prefork-{os.getpid()}-{began(os.getpid())}.{name}-{pid}"
        try:
            group.mkdir()
            cgroups.die_together(group)
            counters = cgroups.open_counters(group, self.ground.version)
            self.fuses[pid] = Fuse(group, counters)
            cgroups.write(group / "cgroup.procs", str(pid))
        except ProcessLookupError:
            pass  # it has died already, and will be buried
        except OSError as error:
            self.detach(pid, 0.0)
            self.spent[group] = 0.0
            self._complain(error)

    def counters(self, pid: int) -> list[int]:
        """A worker's descriptor for the dispatcher, which decides about its request when it dies; none where it has no fuse."""
        return [self.fuses[pid].counters] if pid in self.fuses else []

    def step(self, now: float, hard_limits: Iterable[tuple[int, int]]) -> None:
        """Rate the fuses of workers (pid, bytes of their hard limit) that have just been weighed, and remove what is spent."""
        for pid, hard in hard_limits:
            fuse = self.fuses.get(pid)
            if fuse and fuse.most != rating(hard):
                self._rate(fuse, rating(hard))
        if now >= self.next_look:
            self.next_look = now + LOOK
            self._remove(now)

    def toll(self, pid: int) -> cgroups.Toll | None:
        """What the kernel says it has done to a worker, None where it has no fuse."""
        fuse = self.fuses.get(pid)
        return cgroups.toll(fuse.group, self.ground.version, fuse.counters) if fuse and self.ground else None

    def epitaph(self, pid: int) -> str:
        """What an incident says of a fuse that has blown."""
        fuse = self.fuses[pid]
        return (
            f"it blew its fuse: with its children it took {mebibytes(fuse.most)}, 1.25 × limit_memory_hard, "
            f"and the kernel killed it before the master looked (oom_kill {cgroups.kills(fuse.counters)} in {fuse.group})"
        )

    def detach(self, pid: int, now: float) -> None:
        """A worker is dead."""
        fuse = self.fuses.pop(pid, None)
        if fuse:
            os.close(fuse.counters)
            self.spent[fuse.group] = now + READ_BY

    def close(self) -> None:
        """Leave nothing behind, at the end of a stop."""
        for pid in list(self.fuses):
            self.detach(pid, 0.0)
        self._remove(float("inf"))
        if self.ground:
            self._restore(self.ground)

    def told(self) -> dict[str, Any]:
        """What `status` says."""
        if self.ground is None:
            return {"path": None, "version": None, "reason": self.reason}
        return {"path": str(self.ground.path), "version": self.ground.version, "reason": None}

    def _rate(self, fuse: Fuse, most: int) -> None:
        assert self.ground
        try:
            if cgroups.bound(fuse.group, self.ground.version, most):
                fuse.most = most
        except OSError as error:
            self._complain(error)

    def _remove(self, now: float) -> None:
        """The kernel refuses it as long as a process is left there, such as a daemon that the application wanted."""
        for group in [group for group, since in self.spent.items() if now >= since]:
            try:
                group.rmdir()
            except FileNotFoundError:
                pass
            except OSError:
                continue
            del self.spent[group]

    def _restore(self, ground: Ground) -> None:
        with suppress(OSError):
            cgroups.restore(ground)

    def _complain(self, error: OSError) -> None:
        if not self.complained:
            self.complained = True
            self.journal.emit(FuseFailed(sentence(error)))


def sentence(error: OSError) -> str:
    """What went wrong, and where."""
    return f"{error.filename}: {error.strerror}" if error.filename else str(error)
