"""What bounds the number of HTTP workers whatever rule is applied, each with the sum behind it. The fewest count."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from prefork.sizing.database import LEAST, Database, most_processes
from prefork.sizing.machine import Machine, gigabytes
from prefork.sizing.plans import PLANS
from prefork.sizing.rules import boundary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

KEPT = 0.1  # of all memory stays free for the kernel, its cache and everything else


class Cap(NamedTuple):
    """The most HTTP workers that something allows, None where it sets no bound, and why."""

    what: str
    workers: int | None
    why: str


def memory(machine: Machine, room: int, cron: int) -> Cap:
    """Each worker has `room` bytes, those for jobs too."""
    processes = machine.memory // room
    others = f", {cron} for jobs" if cron else ""
    why = f"{gigabytes(machine.memory)} ÷ {gigabytes(room)} for each = {processes}{others}"
    return Cap("memory", max(0, processes - cron), why)


def cpu(machine: Machine) -> Cap:
    """More of them on a node would only wait for each other."""
    return Cap("cpu", boundary(machine.cpus), f"no more than {machine.cpus:g} × 2 + 1")


def plan(name: str | None) -> Cap:
    """What is included."""
    return Cap("plan", PLANS[name] if name else None, f"the plan {name}" if name else "none given")


def users(count: int, nodes: int, needed: int) -> Cap:
    """Nobody needs more than that."""
    return Cap("users", needed, f"{count} users" + (f" on {nodes} nodes" if nodes > 1 else ""))


def database(told: Database, nodes: int, others: int) -> Cap:
    """What its connections allow, beside `others` of the node's processes."""
    most, on = most_processes(told, nodes), f" ÷ {nodes} nodes" if nodes > 1 else ""
    shared = most == told.open // (LEAST * nodes)
    connections = f"{told.open}{on} ÷ {LEAST} for each" if shared else f"{told.pool} sessions of PgBouncer{on}"
    return Cap("database", max(0, most - others), f"{connections} = {most}, {others} for others")


def room(available: int | None, total: int | None, each: int, workers: int) -> Cap:
    """What is free holds so many more than the `workers` that there are, where one takes `each` bytes; some stays free."""
    if available is None or total is None or not each:
        return Cap("memory", None, "nobody knows what is free")
    kept = int(total * KEPT)
    why = f"{gigabytes(available)} free, {gigabytes(kept)} kept, {gigabytes(each)} for each"
    return Cap("memory", max(0, workers + (available - kept) // each), why)


def connections(allowed: int | None, each: int, others: int) -> Cap:
    """A server's own share of the database's connections, of which `others` of its processes have as many as its workers."""
    if allowed is None:
        return Cap("database", None, "database_connections is not set")
    why = f"{allowed} connections ÷ {each} for each = {allowed // each}, {others} for others"
    return Cap("database", max(0, allowed // each - others), why)


def most(workers: int | None) -> Cap:
    """What somebody has set."""
    return Cap("workers_max", workers, f"set to {workers}" if workers else "not set")


def tightest(caps: Sequence[Cap]) -> Iterator[Cap]:
    """Of those about the same thing the one that allows the fewest, in their order."""
    for what in dict.fromkeys(cap.what for cap in caps):
        yield min((cap for cap in caps if cap.what == what), key=allowed)


def allowed(cap: Cap) -> float:
    """The workers, without end where there is no bound."""
    return math.inf if cap.workers is None else cap.workers


def fewest(caps: Iterable[Cap]) -> int:
    """What all of them allow, but one worker."""
    return max(1, min(cap.workers for cap in caps if cap.workers is not None))
