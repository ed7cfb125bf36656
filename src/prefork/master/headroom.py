"""How much memory is left to us, on the machine or in our cgroup, and how much processes wait for it.

Reads /proc and /sys only, a few small files; what cannot be read bounds nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from prefork.config.machine import cgroups, lines

if TYPE_CHECKING:
    from collections.abc import Iterator


class Headroom(NamedTuple):
    """Bytes that can still be used, of how many; None where nobody knows.

    `pressure` is the share of the last ten seconds, in per cent, in which some process waited for memory; None where the kernel
    does not measure it (CONFIG_PSI).
    """

    available: int | None
    total: int | None
    pressure: float | None = None


def read_headroom(root: Path = Path("/")) -> Headroom:
    """Measure below `root`, where /proc and /sys are: of machine and cgroups, whichever has the least left."""
    groups = list(cgroups(root, "memory"))
    found = [*machine(root), *(room for group in groups for room in allowance(group))]
    available, total = min(found, default=(None, None))
    measures = [root / "proc/pressure/memory", *(group / "memory.pressure" for group in groups)]
    waits = [share for path in measures for share in some_waited(path)]
    return Headroom(available, total, max(waits, default=None))


def machine(root: Path) -> Iterator[tuple[int, int]]:
    """What can be used without swapping, and all there is: proc_meminfo(5)."""
    fields = dict(line.split(":", 1) for line in lines(root / "proc/meminfo") if ":" in line)
    if {"MemAvailable", "MemTotal"} <= fields.keys():
        yield int(fields["MemAvailable"].split()[0]) << 10, int(fields["MemTotal"].split()[0]) << 10


def allowance(folder: Path) -> Iterator[tuple[int, int]]:
    """The same for one cgroup: what it allows, less what is used, but for files in the cache that nobody has looked at lately."""
    for most, used, idle in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        allowed, taken = number(folder / most), number(folder / used)
        if allowed is not None and taken is not None:
            stat = dict(line.split(" ", 1) for line in lines(folder / "memory.stat") if " " in line)
            yield max(0, allowed - taken + int(stat.get(idle, 0))), allowed


def some_waited(path: Path) -> Iterator[float]:
    """`some avg10` of a pressure file: kernel.org, accounting/psi."""
    for line in lines(path):
        kind, _, fields = line.partition(" ")
        if kind == "some":
            yield float(dict(field.split("=") for field in fields.split())["avg10"])


def number(path: Path) -> int | None:
    """The only number in a file; None where there is none, as for `max`."""
    return next((int(line) for line in lines(path) if line.isdecimal()), None)
