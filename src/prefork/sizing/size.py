"""From a demand to a sizing: one rule, then everything that may allow fewer workers. The smallest number binds.

What the rules have in common is here and nowhere else, so that they differ in nothing but what was published.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from prefork.sizing import bounds, limits
from prefork.sizing.bounds import Cap
from prefork.sizing.database import Budget, Database, budget, complaints
from prefork.sizing.machine import MIB, Machine, gigabytes
from prefork.sizing.rules import LEAST_WORKERS, RULES, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

WEBSOCKET = 1  # workers: an event loop carries all connections
BACKEND = 2  # `workers` of a node for jobs only, which serves nobody
WORKER_MEMORY = 300 * MIB
USUAL = Database()


@dataclass(frozen=True)
class Demand:
    """What is known. Without a machine the users decide which one is needed; `memory` of a worker is in bytes.

    `role`: `web` leaves jobs to another node, `cron` serves nothing but them.
    """

    machine: Machine | None = None
    users: int | None = None
    plan: str | None = None
    worker_memory: int = WORKER_MEMORY
    role: Literal["all", "web", "cron"] = "all"
    nodes: int | None = None
    database: Database = USUAL


@dataclass(frozen=True)
class Sizing:
    """The answer for one node. `users` is what it carries, `warnings` what the numbers cannot make good."""

    rule: str
    machine: Machine
    workers: int
    cron: int
    memory: limits.Memory
    budget: Budget
    users: int
    nodes: int
    caps: tuple[Cap, ...]
    websocket: int = WEBSOCKET
    http: bool = True
    warnings: tuple[str, ...] = ()

    @property
    def binding(self) -> str:
        """What binds: the first of those that allow the fewest."""
        return min(self.caps, key=bounds.allowed).what

    @property
    def options(self) -> dict[str, int | bool]:
        """By the options' names, as a file has them."""
        closed = {} if self.http else {"http_enable": False}
        return {
            **closed,
            "workers": self.workers,
            "max_cron_threads": self.cron,
            "limit_memory_soft": self.memory.soft,
            "limit_memory_hard": self.memory.hard,
            "limit_time_cpu": limits.TIME_CPU,
            "limit_time_real": limits.TIME_REAL,
            "db_maxconn": self.budget.each,
        }

    @property
    def reasons(self) -> list[str]:
        """Why there are as many workers as there are, a sentence for each bound."""
        return [f"{cap.what}: {'no bound' if cap.workers is None else cap.workers} ({cap.why})" for cap in self.caps]


def decisive(demand: Demand) -> tuple[str, str]:
    """The rule that decides where none is asked for, and why."""
    if demand.machine:
        return "formula", "the formula decides: it is the only one that knows every machine"
    return "usage-table", "the usage-table decides: it is the only one that names a machine for users"


def size(demand: Demand, name: str) -> Sizing:
    """Apply one rule to what is known, of which there must be a machine or users."""
    rule, room = RULES[name], limits.room_for(demand.worker_memory)
    machine = demand.machine or rule.machine(math.ceil((demand.users or 1) / (demand.nodes or 1)), room)
    sizing = backend(demand, name, machine, room) if demand.role == "cron" else frontend(demand, rule, machine, room)
    return replace(sizing, warnings=tuple(doubts(sizing, demand, room)))


def frontend(demand: Demand, rule: Rule, machine: Machine, room: int) -> Sizing:
    """A node that serves requests, and jobs unless they are done elsewhere."""
    given = rule.grant(machine)
    cron = given.cron if demand.role == "all" else 0
    able = [Cap(given.bound, given.workers, given.sum), bounds.memory(machine, room, cron), bounds.cpu(machine)]
    nodes = demand.nodes or max(1, math.ceil((demand.users or 0) / rule.carried(bounds.fewest(able))))
    caps = [*able, bounds.plan(demand.plan), bounds.database(demand.database, nodes, cron + WEBSOCKET)]
    if demand.users:
        needed = bounds.users(demand.users, nodes, rule.needed(math.ceil(demand.users / nodes)))
        # A machine that was found for the users is no bound of its own.
        caps.insert(0 if demand.machine is None else len(caps), needed)
    workers = bounds.fewest(caps)
    return Sizing(
        rule.name,
        machine,
        workers,
        cron,
        limits.memory(machine.memory, workers + cron, room),
        budget(demand.database, workers + cron + WEBSOCKET, nodes),
        rule.carried(workers),
        nodes,
        tuple(bounds.tightest(caps)),
    )


def backend(demand: Demand, name: str, machine: Machine, room: int) -> Sizing:
    """A node for jobs only: one worker for each processor, as far as the memory goes. HTTP is off."""
    nodes = demand.nodes or 1
    by_cpu = max(1, int(machine.cpus))
    caps = (Cap("cpu", by_cpu, f"{machine.cpus:g} CPUs, a job on each"), bounds.memory(machine, room, 0))
    cron = bounds.fewest(caps)
    return Sizing(
        name,
        machine,
        BACKEND,
        cron,
        limits.memory(machine.memory, cron, room),
        budget(demand.database, cron, nodes),
        0,
        nodes,
        caps,
        websocket=0,
        http=False,
    )


def doubts(sizing: Sizing, demand: Demand, room: int) -> Iterator[str]:
    """What should be known before the numbers are used."""
    yield from complaints(demand.database, sizing.budget)
    processes = (sizing.workers if sizing.http else 0) + sizing.cron
    if processes * room > sizing.machine.memory:
        needed = f"{processes} processes of {gigabytes(room)}"
        yield f"{needed} do not fit {gigabytes(sizing.machine.memory)}; more memory, or a smaller application"
    if sizing.http and sizing.workers < LEAST_WORKERS:
        yield "with one HTTP worker a single slow request holds up all others; production wants 2 and one for jobs"
    if sizing.http and sizing.users * sizing.nodes < (demand.users or 0):
        carried = f"{sizing.nodes} × {sizing.users}" if sizing.nodes > 1 else f"{sizing.users}"
        yield f"{carried} users are carried, not {demand.users}; see what binds, or add nodes"
