"""How a machine is, as rows of a table, pure: what was measured becomes a value, what it is of, and whether that is much."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from prefork.config.quantities import about

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MUCH, TOO_MUCH = 80.0, 95.0  # per cent
WAITING, WAITING_LONG = 10.0, 40.0  # per cent of the time in which something waits
KINDS = {"ssd": "solid state", "rotating": "rotating: slow for a database", "network": "on the network"}


class Finding(NamedTuple):
    """One row."""

    name: str
    value: str
    detail: str
    level: str


def findings(machine: Mapping[str, Any]) -> list[Finding]:
    """All that is known of it."""
    return list(rows(machine))


def rows(machine: Mapping[str, Any]) -> Iterator[Finding]:
    """One after the other."""
    cpu, memory, swap, disk = (machine[name] for name in ("cpu", "memory", "swap", "disk"))
    if cpu["percent"] is not None:
        load = f", load {cpu['load'][0]:.1f}" if cpu["load"] else ""
        yield found("Processors", cpu["percent"], f"of {cpu['cpus']:g}{load}")
    if memory["percent"] is not None:
        yield found("Memory", memory["percent"], f"of {about(memory['total'])}")
    if swap["percent"] is not None:
        yield found("Swap", swap["percent"], f"of {about(swap['total'])}")
    if disk["percent"] is not None:
        kind = f", {KINDS[disk['kind']]}" if disk["kind"] in KINDS else ""
        yield found("Disk", disk["percent"], f"of {about(disk['total'])}{kind}")
    if group := machine["cgroup"]:
        yield found("Control group", group["percent"], f"of {about(group['memory'])} memory")
    for what, name in (("cpu", "processors"), ("memory", "memory"), ("io", "disks")):
        share = machine["pressure"][what]
        if share is not None:
            yield found(f"Waiting for {name}", share, "of the last ten seconds", WAITING, WAITING_LONG)


def found(name: str, percent: float, detail: str, much: float = MUCH, too_much: float = TOO_MUCH) -> Finding:
    """A share and whether it is much."""
    level = "critical" if percent > too_much else "warning" if percent > much else "ok"
    return Finding(name, f"{percent:.0f} %", detail, level)
