"""The machine below it all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.config.quantities import MIB, about
from prefork.doctor.verdict import Finding, check, passed, warned

if TYPE_CHECKING:
    from prefork.doctor.evidence import Machine

SWAPPED = 256 * MIB
SLOW = 30.0  # milliseconds for a loop that takes 8 to 12 on processors of the last ten years
SCARCE = 0.05


@check(
    "no-swap",
    why="A worker whose memory is on a disk is a thousand times slower, and so is everyone who waits for it",
    source="Performance, server-level: under-provisioned RAM leads to swap usage",
)
def swap(machine: Machine) -> Finding:
    """Swap that is in use."""
    if machine.swap > SWAPPED:
        return warned(f"{about(machine.swap)} are swapped out", "prefork size    # fewer workers, or more memory")
    return passed(f"{about(machine.swap)} swapped out")


@check(
    "memory-left",
    why="The next allocation makes the kernel kill a process",
    source="Quick answer, troubleshooting 3; Multi-processing, issues: OOM-kills workers; Performance, adequate RAM",
)
def left(machine: Machine) -> Finding:
    """What could be allocated now."""
    if machine.available is not None and machine.memory and machine.available < SCARCE * machine.memory:
        seen = f"{about(machine.available)} of {about(machine.memory)} are available"
        return warned(seen, "prefork size    # fewer workers, or more memory")
    return passed(f"{about(machine.available)} are available" if machine.available is not None else "bounded by a control group")


@check(
    "no-oom-kills",
    why="The kernel has killed a process because no memory was left; it may have been a worker, or the database",
    source="Quick answer, troubleshooting 3: the OS killed Odoo to save the kernel",
)
def oom(machine: Machine) -> Finding:
    """The kernel's own count."""
    if machine.ooms:
        return warned(f"{machine.ooms} processes were killed since the machine's start", "journalctl -k | grep -i 'killed process'")
    return passed("the kernel has killed nobody")


@check(
    "disk-solid",
    why="The database reads and writes in small pieces: a rotating disk makes some hundred of them a second, an SSD thousands",
    source="Performance, server-level: use SSDs",
)
def disk(machine: Machine) -> Finding:
    """What the data is on."""
    if machine.disk == "rotating":
        return warned(f"{machine.place} is on a rotating disk", "lsblk -d -o NAME,ROTA,SIZE,MODEL    # and move the data to an SSD")
    return passed(f"{machine.place} is on a disk of the kind: {machine.disk}")


@check(
    "core-quick",
    why="A request is computed by one processor, so how fast one is counts more than how many there are",
    source="Performance, server-level: fast CPU, single-thread performance matters more than core count",
)
def core(machine: Machine) -> Finding:
    """A fixed piece of Python."""
    if machine.loop > SLOW:
        seen = f"a loop of Python takes {machine.loop:g} ms of processor, 8 to 12 are usual"
        return warned(seen, "cat /sys/devices/system/cpu/cpu0/cpufreq/scaling_governor    # performance, or another machine")
    return passed(f"a loop of Python takes {machine.loop:g} ms of processor")
