"""How the machine is: processors, memory, swap, a disk and its kind, what processes wait for, and what a control group allows.

Reads small files of /proc and /sys below `root`; what cannot be read is None, never a failure.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

from prefork.config.machine import cgroups, lines, read_machine

NETWORKS = ("nfs", "cifs", "smb", "ceph", "glusterfs", "fuse.sshfs", "9p")
VIRTUAL = ("vd", "xvd", "nbd")  # what the host keeps such a disk on is not said


class Clock(NamedTuple):
    """Ticks of all processors since the machine's start, and those of them in which they worked: proc_stat(5)."""

    total: int
    worked: int


class Health(NamedTuple):
    """Each part in the words of `told`."""

    cpu: dict[str, Any]
    memory: dict[str, Any]
    swap: dict[str, Any]
    disk: dict[str, Any]
    pressure: dict[str, float | None]
    cgroup: dict[str, Any] | None

    def told(self) -> dict[str, Any]:
        """For programs: sizes in bytes, shares in per cent."""
        return self._asdict()


def read_health(before: Clock, place: Path, root: Path = Path("/")) -> Health:
    """How it is now. Processors are measured since `before`; `place` says which disk."""
    figures = meminfo(root)
    total, available = figures.get("MemTotal"), figures.get("MemAvailable")
    swap, free = figures.get("SwapTotal", 0), figures.get("SwapFree", 0)
    return Health(
        {"percent": since(before, read_clock(root)), "cpus": read_machine(root).cpus, "load": load(root)},
        {"total": total, "available": available, "percent": taken(available, total)},
        {"total": swap, "used": swap - free, "percent": taken(free, swap)},
        disk(place, root),
        {what: some_waited(root, what) for what in ("cpu", "memory", "io")},
        group(root),
    )


def read_clock(root: Path = Path("/")) -> Clock:
    """The processors' ticks until now."""
    ticks = [int(word) for line in lines(root / "proc/stat")[:1] for word in line.split()[1:9]]
    idle = sum(ticks[3:5])  # idle, and idle while a disk worked
    return Clock(sum(ticks), sum(ticks) - idle)


def since(before: Clock, now: Clock) -> float | None:
    """The share of all processors that was used between two moments."""
    total = now.total - before.total
    return round(100 * (now.worked - before.worked) / total, 1) if total > 0 else None


def load(root: Path) -> list[float]:
    """The averages of one, five and fifteen minutes."""
    return [float(word) for line in lines(root / "proc/loadavg") for word in line.split()[:3]]


def meminfo(root: Path) -> dict[str, int]:
    """Bytes by name: proc_meminfo(5)."""
    rows = (line.replace(":", " ").split() for line in lines(root / "proc/meminfo"))
    return {row[0]: int(row[1]) << 10 for row in rows if len(row) > 1}


def taken(free: int | None, total: int | None) -> float | None:
    """What is not free of it, in per cent."""
    return round(100 * (1 - free / total), 1) if total and free is not None else None


def disk(place: Path, root: Path) -> dict[str, Any]:
    """The file system that a path is on, or would be on."""
    while not os.path.exists(place) and place != place.parent:  # that of a Path raises where we may not look
        place = place.parent
    try:
        status = os.statvfs(place)
    except OSError:
        return {"path": str(place), "total": None, "free": None, "percent": None, "kind": "unknown"}
    total, free = status.f_blocks * status.f_frsize, status.f_bavail * status.f_frsize
    return {
        "path": str(place),
        "total": total,
        "free": free,
        "percent": taken(free, total),
        "kind": kind(os.stat(place).st_dev, root),
    }


def kind(device: int, root: Path) -> str:
    """What a file system is on: `ssd`, `rotating`, `virtual`, `network`, `memory` or `unknown`."""
    number = f"{os.major(device)}:{os.minor(device)}"
    place = Path(os.path.realpath(root / "sys/dev/block" / number))
    for folder in (place, place.parent):  # a partition has no queue of its own
        for rotates in lines(folder / "queue/rotational"):
            if folder.name.startswith(VIRTUAL):
                return "virtual"
            return "rotating" if rotates == "1" else "ssd"
    for line in lines(root / "proc/self/mountinfo"):
        words = line.split()
        if words[2] == number:
            system = words[words.index("-") + 1]
            if system.startswith(NETWORKS):
                return "network"
            return "memory" if system in {"tmpfs", "ramfs"} else "unknown"
    return "unknown"


def some_waited(root: Path, what: str) -> float | None:
    """The share of the last ten seconds in which some process waited for it; None without CONFIG_PSI."""
    words = [line.split() for line in lines(root / "proc/pressure" / what)]
    return next((float(word.removeprefix("avg10=")) for kind, word, *_ in words if kind == "some"), None)


def group(root: Path) -> dict[str, Any] | None:
    """The nearest control group that bounds memory: what it allows and what it holds."""
    for folder in cgroups(root, "memory"):
        for most, used in (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")):
            allowed = [int(line) for line in lines(folder / most) if line.isdecimal()]
            if allowed and allowed[0] < 1 << 60:  # version 1 says "no limit" by a very large one
                held = int("".join(lines(folder / used)) or 0)
                return {"path": str(folder), "memory": allowed[0], "used": held, "percent": taken(allowed[0] - held, allowed[0])}
    return None
