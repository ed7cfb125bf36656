"""What an instance gets of what is free: workers and limits by the rules of `sizing`, ports, a share of the database. Pure."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from prefork.instances.changes import Invalid
from prefork.sizing import limits as sizes
from prefork.sizing.database import LEAST, USUAL
from prefork.sizing.machine import Machine, gigabytes
from prefork.sizing.plans import RESOURCES
from prefork.sizing.size import WEBSOCKET, WORKER_MEMORY, Demand, size

if TYPE_CHECKING:
    from prefork.provision.wish import Wish

RULE = "formula"


class Free(NamedTuple):
    """The machine, and what of it nobody has been given: bytes of memory, connections of `connections_all`, two ports."""

    machine: Machine
    memory: int
    connections: int
    connections_all: int
    ports: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What an instance has. `memory` is what all its workers may take, in bytes."""

    http_port: int
    websocket_port: int
    workers: int
    cron: int
    soft: int
    hard: int
    time_cpu: int
    time_real: int
    memory: int
    connections: int
    reasons: tuple[str, ...] = ()

    @property
    def each(self) -> int:
        """The connections of each of its processes."""
        return max(1, min(USUAL, self.connections // (self.workers + self.cron + WEBSOCKET)))

    def told(self) -> dict[str, Any]:
        """For a row, and for people."""
        return {**asdict(self), "reasons": list(self.reasons)}


def kept(row: dict[str, Any]) -> Grant:
    """One from its row."""
    return Grant(**{**row, "reasons": tuple(row["reasons"])})


def grant(wish: Wish, free: Free) -> Grant:
    """What a wish that has been checked gets. Raises Invalid where there is too little left."""
    allotted = allotment(wish, free)
    found = size(Demand(allotted, plan=wish.plan), RULE)
    workers, cron = wish.workers or found.workers, found.cron
    room = sizes.room_for(WORKER_MEMORY)
    memory = sizes.memory(allotted.memory, workers + cron, room)
    taken = (workers + cron) * memory.hard
    if taken > allotted.memory:
        needed = f"{workers} workers for requests and {cron} for jobs need {gigabytes(taken)}, at {gigabytes(room)} for each"
        raise Invalid({"workers" if wish.workers else "memory": f"{needed}; there are {gigabytes(allotted.memory)} for them"})
    return Grant(
        http_port=free.ports[0],
        websocket_port=free.ports[1],
        workers=workers,
        cron=cron,
        soft=memory.soft,
        hard=memory.hard,
        time_cpu=sizes.TIME_CPU,
        time_real=sizes.TIME_REAL,
        memory=taken,
        connections=share(allotted.memory, workers + cron + WEBSOCKET, free),
        reasons=(f"{workers} asked for",) if wish.workers else tuple(found.reasons),
    )


def ceiling(wish: Wish) -> int | None:
    """The bytes that an instance with everything in it may take: what it asks for, else what its plan comes with; None for all."""
    plan = RESOURCES[wish.plan] if wish.plan else None
    return wish.memory or (plan.memory if plan else None)


def allotment(wish: Wish, free: Free) -> Machine:
    """The part of the machine that an instance may have: what it asks for, else what its plan comes with, else all that is free."""
    plan = RESOURCES[wish.plan] if wish.plan else None
    memory = ceiling(wish) or free.memory
    if memory > free.memory:
        left = f"{gigabytes(free.memory)} of the machine's {gigabytes(free.machine.memory)} are free"
        said = f"{gigabytes(memory)} are wanted, and {left}; ask for less, or delete an instance"
        raise Invalid({"plan" if plan and not wish.memory else "memory": said})
    return Machine(min(free.machine.cpus, wish.cpus or (plan.cpus if plan else math.inf)), memory)


def share(memory: int, processes: int, free: Free) -> int:
    """As large a part of the database's connections as of the memory, and as many as its processes need at the least."""
    least = LEAST * processes
    if least > free.connections:
        said = f"{processes} processes need {least} connections to the database, and {free.connections} are free"
        raise Invalid({"workers": f"{said}; raise max_connections and tell the console (--max-connections), or delete an instance"})
    return min(free.connections, max(least, free.connections_all * memory // free.machine.memory))
