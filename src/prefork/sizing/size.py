"""From a demand to a sizing: one rule, then everything that may allow fewer workers. The smallest number binds.

What the rules have in common is here and nowhere else, so that they differ in nothing but what was published.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from prefork.sizing import limits
from prefork.sizing.database import LEAST, Budget, Database, budget, complaints, most_processes
from prefork.sizing.machine import MIB, Machine, gigabytes
from prefork.sizing.plans import PLANS
from prefork.sizing.rules import LEAST_WORKERS, RULES, Rule, boundary

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


class Cap(NamedTuple):
    """The most HTTP workers that something allows, None where it sets no bound, and why."""

    what: str
    workers: int | None
    why: str


@dataclass(frozen=True)
class Sizing:
    """The answer for one node. `users` is what it carries, `warnings` what the numbers cannot make good."""

    rule: str
    machine: Machine
    workers: int
    cron: int
    websocket: int
    http: bool
    memory: limits.Memory
    budget: Budget
    users: int
    nodes: int
    caps: tuple[Cap, ...]
    warnings: tuple[str, ...]

    @property
    def binding(self) -> str:
        """What binds: the first of those that allow the fewest."""
        return min(self.caps, key=allowed).what

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
    if demand.role == "cron":
        return backend(demand, rule, machine, room)
    given = rule.grant(machine)
    cron = given.cron if demand.role == "all" else 0
    caps = [Cap(given.bound, given.workers, given.sum), *common(demand, rule, machine, room, cron)]
    able = workers_of([cap for cap in caps if cap.what != "plan"])  # more nodes are no way around a plan
    nodes = demand.nodes or max(1, math.ceil((demand.users or 0) / rule.carried(able)))
    caps += [database_cap(demand.database, nodes, cron)]
    if demand.users:
        users = Cap("users", rule.needed(math.ceil(demand.users / nodes)), users_why(demand.users, nodes))
        # A machine that was found for the users is no bound of its own.
        caps.insert(0 if demand.machine is None else len(caps), users)
    workers = workers_of(caps)
    processes = workers + cron
    connections = budget(demand.database, processes + WEBSOCKET, nodes)
    sizing = Sizing(
        name,
        machine,
        workers,
        cron,
        WEBSOCKET,
        True,
        limits.memory(machine.memory, processes, room),
        connections,
        rule.carried(workers),
        nodes,
        tuple(tightest(caps)),
        (),
    )
    return with_warnings(sizing, demand, room)


def common(demand: Demand, rule: Rule, machine: Machine, room: int, cron: int) -> list[Cap]:
    """What bounds every rule alike."""
    processes = machine.memory // room
    sum_of = f"{gigabytes(machine.memory)} ÷ {gigabytes(room)} for each"
    found = [
        Cap("memory", max(0, processes - cron), f"{sum_of} = {processes}" + (f", {cron} for jobs" if cron else "")),
        Cap("plan", PLANS[demand.plan], f"the plan {demand.plan}") if demand.plan else Cap("plan", None, "none given"),
    ]
    if rule.grant(machine).workers > boundary(machine.cpus):
        found.append(Cap("cpu", boundary(machine.cpus), f"no more than {machine.cpus:g} × 2 + 1 on a node"))
    return found


def database_cap(database: Database, nodes: int, cron: int) -> Cap:
    """What the connections allow."""
    most, others = most_processes(database, nodes), cron + WEBSOCKET
    on = f" ÷ {nodes} nodes" if nodes > 1 else ""
    if most < database.open // (LEAST * nodes):
        return Cap("database", max(0, most - others), f"{database.pool} sessions of PgBouncer{on} = {most}, {others} for others")
    return Cap("database", max(0, most - others), f"{database.open}{on} ÷ {LEAST} for each = {most}, {others} for others")


def users_why(users: int, nodes: int) -> str:
    """Whom the workers are for."""
    return f"{users} users" + (f" on {nodes} nodes" if nodes > 1 else "")


def tightest(caps: list[Cap]) -> Iterator[Cap]:
    """Of those about the same thing the one that allows the fewest, in their order."""
    for what in dict.fromkeys(cap.what for cap in caps):
        yield min((cap for cap in caps if cap.what == what), key=allowed)


def allowed(cap: Cap) -> float:
    """The workers, without end where there is no bound."""
    return math.inf if cap.workers is None else cap.workers


def workers_of(caps: list[Cap]) -> int:
    """The smallest bound, but one worker."""
    return max(1, min(cap.workers for cap in caps if cap.workers is not None))


def backend(demand: Demand, rule: Rule, machine: Machine, room: int) -> Sizing:
    """A node for jobs only: one worker for each processor, as far as the memory goes. HTTP is off."""
    by_cpu, by_memory = max(1, int(machine.cpus)), max(1, machine.memory // room)
    cron, nodes = min(by_cpu, by_memory), demand.nodes or 1
    caps = (
        Cap("cpu", by_cpu, f"{machine.cpus:g} CPUs, a job on each"),
        Cap("memory", by_memory, f"{gigabytes(machine.memory)} ÷ {gigabytes(room)} for each"),
    )
    shared = limits.memory(machine.memory, cron, room)
    connections = budget(demand.database, cron, nodes)
    sizing = Sizing(rule.name, machine, BACKEND, cron, 0, False, shared, connections, 0, nodes, caps, ())
    return with_warnings(sizing, demand, room)


def with_warnings(sizing: Sizing, demand: Demand, room: int) -> Sizing:
    """The same with what should be known before it is used."""
    found = complaints(demand.database, sizing.budget)
    processes = (sizing.workers if sizing.http else 0) + sizing.cron
    if processes * room > sizing.machine.memory:
        needed = f"{processes} processes of {gigabytes(room)}"
        found.append(f"{needed} do not fit {gigabytes(sizing.machine.memory)}; more memory, or a smaller application")
    if sizing.http and sizing.workers < LEAST_WORKERS:
        found.append("with one HTTP worker a single slow request holds up all others; production wants 2 and one for jobs")
    if demand.users and sizing.http and sizing.users * sizing.nodes < demand.users:
        found.append(f"{sizing.nodes} × {sizing.users} users are carried, not {demand.users}; see what binds, or add nodes")
    return Sizing(**{**vars(sizing), "warnings": tuple(found)})
