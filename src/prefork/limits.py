"""What a worker may use, and what follows when it uses more: keep it, replace it, or kill it. Pure.

The reason that is given here is the one that reaches the log, the incident and the client's page.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

CPUS = os.cpu_count() or 1


class Limit(Enum):
    """A limit that was reached: its value is the option's name, unless the pool has one of its own (`Words`)."""

    MEMORY_SOFT = "limit_memory_soft"
    MEMORY_HARD = "limit_memory_hard"
    TIME_CPU = "limit_time_cpu"
    TIME_REAL = "limit_time_real"
    AGE = "limit_time_worker"


DEADLY = frozenset((Limit.MEMORY_HARD, Limit.TIME_CPU, Limit.TIME_REAL))
STATUS = {Limit.MEMORY_HARD: 503, Limit.TIME_CPU: 504, Limit.TIME_REAL: 504}  # what the client gets


class Words(NamedTuple):
    """How a pool speaks of its limits: what its workers do, what Odoo calls them, options that are its own."""

    work: str = "request"
    odoo: str = "WorkerHTTP"
    options: dict[Limit, str] = {}  # noqa: RUF012 - nobody writes to it

    def option(self, limit: Limit) -> str:
        """The name of the option that sets a limit."""
        return self.options.get(limit, limit.value)


REQUESTS = Words()


@dataclass(frozen=True)
class Limits:
    """Bytes of memory (proportional set size), seconds of time; 0 is no limit."""

    memory_soft: int = 0
    memory_hard: int = 0
    time_cpu: float = 0.0
    time_real: float = 0.0
    age: float = 0.0
    words: Words = REQUESTS

    @property
    def lowest(self) -> int:
        """The limit of memory that is reached first."""
        return self.memory_soft or self.memory_hard


class Usage(NamedTuple):
    """What a worker uses: bytes; seconds since its work began and of processor time for it (0 when it has none); its age."""

    memory: int = 0
    elapsed: float = 0.0
    cpu: float = 0.0
    age: float = 0.0


class Verdict(NamedTuple):
    """The limit that was reached, what was used of it, and what is allowed."""

    limit: Limit
    used: float
    allowed: float
    words: Words = REQUESTS

    @property
    def option(self) -> str:
        """The name of the option that set the limit: also the word that incidents count by."""
        return self.words.option(self.limit)

    @property
    def deadly(self) -> bool:
        """Whether the worker is killed; otherwise it is replaced when it has finished its work."""
        return self.limit in DEADLY

    @property
    def reason(self) -> str:
        """In words, with the numbers."""
        if self.limit in {Limit.MEMORY_HARD, Limit.MEMORY_SOFT}:
            return f"it uses {mebibytes(self.used)} of memory, {self.option} allows {mebibytes(self.allowed)}"
        took = {
            Limit.TIME_CPU: f"its {self.words.work} took {{}} of processor time",
            Limit.TIME_REAL: f"its {self.words.work} took {{}}",
            Limit.AGE: "it is {} old",
        }
        return f"{took[self.limit].format(f'{self.used:.2f} s')}, {self.option} allows {self.allowed:.4g} s"

    def in_odoos_words(self, pid: int) -> str:
        """What Odoo's own server logs, for those who search for it."""
        if self.limit is Limit.TIME_REAL:
            return f"{self.words.odoo} ({pid}) timeout after {self.allowed:g}s"
        if self.limit is Limit.TIME_CPU:
            return f"Worker ({pid}) CPU time limit ({self.allowed:g}) reached."
        if self.limit is Limit.AGE:
            return f"Worker ({pid}) max age ({self.allowed:g}s) reached."
        return f"Worker ({pid}) virtual memory limit ({self.used:.0f}) reached."


def judge(usage: Usage, limits: Limits) -> Verdict | None:
    """The worst limit that is reached; None when there is nothing to do. A limit is reached when more than it is used."""
    for limit, used, allowed in (
        (Limit.MEMORY_HARD, usage.memory, limits.memory_hard),
        (Limit.TIME_REAL, usage.elapsed, limits.time_real),
        (Limit.TIME_CPU, usage.cpu, limits.time_cpu),
        (Limit.MEMORY_SOFT, usage.memory, limits.memory_soft),
        (Limit.AGE, usage.age, limits.age),
    ):
        if 0 < allowed < used:
            return Verdict(limit, used, allowed, limits.words)
    return None


def next_look(usage: Usage, limits: Limits, cpus: int = CPUS) -> float:
    """Seconds until a limit of time can be reached at the earliest; infinite when none can."""
    left = [float("inf")]
    if usage.elapsed:
        if limits.time_real:
            left.append(limits.time_real - usage.elapsed)
        if limits.time_cpu:
            # As many threads as there are processors use that many seconds in one.
            left.append((limits.time_cpu - usage.cpu) / cpus)
    if limits.age:
        left.append(limits.age - usage.age)
    return max(0.0, min(left))


def mebibytes(count: float) -> str:
    """Bytes for people."""
    return f"{count / (1 << 20):,.0f} MiB"
