"""How many processors and how much memory this process may use (the machine's, or its cgroup's where that is less), and the
longest backlog that its kernel grants.

Reads /proc and /sys only, cgroup versions 1 and 2; what cannot be read does not bound anything.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Machine:
    """`cpus` may be a fraction under a cgroup's quota; `memory` is in bytes; None where something cannot be told."""

    cpus: float
    memory: int | None
    bound: Literal["machine", "cgroup"] = "machine"
    somaxconn: int | None = None


def read_machine(root: Path = Path("/")) -> Machine:
    """Measure the machine below `root`, where /proc and /sys are."""
    cpus = min([float(len(os.sched_getaffinity(0))), *quotas(root)])
    memory = total_memory(root)
    somaxconn = next((int(line) for line in lines(root / "proc/sys/net/core/somaxconn") if line.isdecimal()), None)
    allowed = min(memory_limits(root), default=None)
    if allowed is not None and (memory is None or allowed < memory):
        return Machine(cpus, allowed, "cgroup", somaxconn)
    return Machine(cpus, memory, somaxconn=somaxconn)


def total_memory(root: Path) -> int | None:
    """MemTotal of /proc/meminfo in bytes."""
    for line in lines(root / "proc/meminfo"):
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return None


def memory_limits(root: Path) -> Iterator[int]:
    """The memory limits of this process's cgroup and those above it, in bytes."""
    for folder in cgroups(root, "memory"):
        for file in ("memory.max", "memory.limit_in_bytes"):
            yield from (int(line) for line in lines(folder / file) if line.isdecimal())


def quotas(root: Path) -> Iterator[float]:
    """The processor quotas of this process's cgroup and those above it, in processors."""
    for folder in cgroups(root, "cpu"):
        for line in lines(folder / "cpu.max"):
            yield from quota(*line.split()[:2])
        for line in lines(folder / "cpu.cfs_quota_us"):
            yield from quota(line, "".join(lines(folder / "cpu.cfs_period_us")))


def quota(allowed: str, period: str = "") -> Iterator[float]:
    """One quota in processors; none where it says `max` or -1."""
    if allowed.isdecimal() and period.isdecimal() and int(period) > 0:
        yield int(allowed) / int(period)


def cgroups(root: Path, controller: str) -> Iterator[Path]:
    """The directories of this process's cgroup and its ancestors, for version 2 and for one controller of version 1."""
    for line in lines(root / "proc/self/cgroup"):
        number, controllers, name = line.split(":", 2)
        mounts = [root / "sys/fs/cgroup", root / "sys/fs/cgroup/unified"] if number == "0" else []
        if controller in controllers.split(","):
            mounts = [root / "sys/fs/cgroup" / controllers, root / "sys/fs/cgroup" / controller]
        for mount in mounts:
            own = mount / name.lstrip("/")
            yield from (folder for folder in (own, *own.parents) if folder.is_relative_to(mount))


def lines(path: Path) -> list[str]:
    """The lines of a small file, none where it cannot be read."""
    try:
        return path.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return []
