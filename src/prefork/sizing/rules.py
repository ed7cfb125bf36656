"""The three rules that are published, each as it is written: a formula and two tables.

`grant` says how many workers a machine gets, `machine` which one so many users need, `needed` and `carried` how users and workers
go together. What a rule leaves open is said where it is filled in. docs/sizing.md names the sources.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from prefork.sizing.machine import GIB, Machine

USERS_PER_WORKER = 6
LEAST_WORKERS = 2  # with one, a slow request holds up all others: what a production site is advised to have
MODERATE = 8  # processors: beyond it several nodes are healthier than one large machine
NEARLY = 0.9  # of a size: what a machine "of 8 GB" shows is less, as its kernel has taken its part


class Grant(NamedTuple):
    """What a rule gives a machine: HTTP workers, workers for jobs, what of the machine decided, and the sum behind it."""

    workers: int
    cron: int
    bound: str
    sum: str


class Rule(Protocol):
    """One way to find the number of workers."""

    @property
    def name(self) -> str:
        """What it is called."""

    def grant(self, machine: Machine) -> Grant:
        """What a machine gets."""

    def machine(self, users: int, room: int) -> Machine:
        """What so many users need on one node, where a worker takes `room` bytes."""

    def needed(self, users: int) -> int:
        """The workers that so many users need."""

    def carried(self, workers: int) -> int:
        """The users that so many workers carry."""


@dataclass(frozen=True)
class Formula:
    """Two workers for each processor, as they wait half of their time, and one more."""

    name: str = "formula"

    def grant(self, machine: Machine) -> Grant:
        """CPUs × 2 + 1 for requests. One for jobs comes on top: the files that are published with the formula set both."""
        workers = boundary(machine.cpus)
        return Grant(workers, 1, "cpu", f"{machine.cpus:g} × 2 + 1 = {workers}")

    def machine(self, users: int, room: int) -> Machine:
        """The formula backwards, up to a machine of moderate size; memory is sold in powers of two."""
        workers = min(self.needed(users), boundary(MODERATE))
        gigabytes = math.ceil((workers + 1) * room / GIB)
        return Machine(math.ceil((workers - 1) / 2), (1 << (gigabytes - 1).bit_length()) * GIB)

    def needed(self, users: int) -> int:
        """Six users for each."""
        return max(LEAST_WORKERS, math.ceil(users / USERS_PER_WORKER))

    def carried(self, workers: int) -> int:
        """Six users for each."""
        return workers * USERS_PER_WORKER


class Row(NamedTuple):
    """A line of a table. `users`: the most that it is for, where the table says it."""

    cpus: int
    memory: int
    workers: int
    cron: int
    users: int = 0

    def fits(self, machine: Machine) -> bool:
        """Whether a machine is as large."""
        return machine.cpus >= self.cpus and machine.memory >= NEARLY * self.memory


def grant(rows: tuple[Row, ...], machine: Machine) -> Grant:
    """The last row that the machine is large enough for; beyond the table its last row goes on in proportion."""
    row = next((row for row in reversed(rows) if row.fits(machine)), rows[0])
    following = next((each for each in rows if each.workers > row.workers), None)
    line = f"its row for {row.cpus} CPUs and {row.memory // GIB} GB: {row.workers}".replace("1 CPUs", "1 CPU")
    if following:
        bound = "cpu" if machine.cpus < following.cpus else "memory"
        return Grant(row.workers, row.cron, bound, line if row.fits(machine) else f"smaller than its smallest row: {row.workers}")
    by_cpu, by_memory = machine.cpus / row.cpus, machine.memory / NEARLY / row.memory
    times = max(1.0, min(by_cpu, by_memory))
    workers = int(row.workers * times)
    said = line if workers == row.workers else f"{line}; {times:.1f} times as much: {workers}"
    return Grant(workers, int(row.cron * times), "memory" if by_memory < by_cpu else "cpu", said)


@dataclass(frozen=True)
class ServerTable:
    """A table by the server's size. It says nothing about users, so the formula's six for each worker stand in."""

    name: str = "server-table"
    rows: tuple[Row, ...] = (Row(2, 2 * GIB, 3, 1), Row(2, 4 * GIB, 4, 1), Row(4, 8 * GIB, 8, 2))

    def grant(self, machine: Machine) -> Grant:
        """The row of the machine."""
        return grant(self.rows, machine)

    def machine(self, users: int, room: int) -> Machine:  # noqa: ARG002 - the table knows its memory
        """The smallest server with workers enough, else the largest one."""
        row = next((row for row in self.rows if row.workers >= self.needed(users)), self.rows[-1])
        return Machine(row.cpus, row.memory)

    def needed(self, users: int) -> int:
        """Six users for each."""
        return Formula().needed(users)

    def carried(self, workers: int) -> int:
        """Six users for each."""
        return Formula().carried(workers)


@dataclass(frozen=True)
class UsageTable:
    """A table by what the server is used for: the only one that goes from users to a machine."""

    name: str = "usage-table"
    rows: tuple[Row, ...] = (
        Row(1, 2 * GIB, 1, 1, 2),
        Row(2, 4 * GIB, 2, 1, 10),
        Row(4, 8 * GIB, 4, 1, 30),
        Row(8, 16 * GIB, 8, 1, 100),
    )

    def grant(self, machine: Machine) -> Grant:
        """The row of the machine. One worker for jobs, whatever its size."""
        return grant(self.rows, machine)._replace(cron=1)

    def machine(self, users: int, room: int) -> Machine:  # noqa: ARG002 - the table knows its memory
        """That of the users' row."""
        row = self.row(users)
        return Machine(row.cpus, row.memory)

    def needed(self, users: int) -> int:
        """The workers of the users' row; beyond the table, its last row in proportion."""
        row = self.row(users)
        return max(row.workers, math.ceil(users * row.workers / row.users))

    def carried(self, workers: int) -> int:
        """The users of the last row with so many workers; beyond the table, in proportion."""
        row = next(row for row in reversed(self.rows) if row.workers <= workers)
        return row.users if row is not self.rows[-1] else workers * row.users // row.workers

    def row(self, users: int) -> Row:
        """The first row that is for so many: where two rows meet, the smaller one; where there is a gap, the larger one."""
        return next((row for row in self.rows if users <= row.users), self.rows[-1])


def boundary(cpus: float) -> int:
    """The most workers that so many processors keep running: no table goes beyond it either."""
    return int(2 * cpus) + 1


RULES: dict[str, Rule] = {rule.name: rule for rule in (Formula(), ServerTable(), UsageTable())}
