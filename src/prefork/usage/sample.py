"""What a server did in a span of time, and how several spans become one: each figure declares how. Pure.

The same rules make five minutes from the live window's ten seconds, an hour from what is kept of it, and a chart's point from
hours. Percentiles are never averaged: a sample has the counts of each bucket, and those can be added.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prefork.histogram import percentiles
from prefork.scoreboard import BUCKETS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Rule = Callable[[list[Any], list[float]], Any]

SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
CLASSES = {"2xx": "succeeded", "3xx": "redirected", "4xx": "client_errors", "5xx": "server_errors"}


def first(values: list[Any], _seconds: list[float]) -> Any:
    """What it was at the beginning."""
    return values[0]


def last(values: list[Any], _seconds: list[float]) -> Any:
    """What it was at the end, as far as it is known."""
    return next((value for value in reversed(values) if value is not None), None)


def mean(values: list[Any], seconds: list[float]) -> float | None:
    """The average over the time in which it is known."""
    known = [(value, weight) for value, weight in zip(values, seconds, strict=True) if value is not None]
    time = sum(weight for _, weight in known)
    return round(sum(value * weight for value, weight in known) / time, 3) if time else None


def most(values: list[Any], _seconds: list[float]) -> Any:
    """The highest one."""
    return max((value for value in values if value is not None), default=None)


def total(values: list[Any], _seconds: list[float]) -> Any:
    """All together."""
    return sum(values)


def added(values: list[Mapping[Any, int]], _seconds: list[float]) -> dict[Any, int]:
    """Counts by name, all together."""
    found: dict[Any, int] = {}
    for counts in values:
        for name, count in counts.items():
            found[name] = found.get(name, 0) + count
    return found


def highest(values: list[Mapping[Any, int]], _seconds: list[float]) -> dict[Any, int]:
    """The highest one of each name."""
    found: dict[Any, int] = {}
    for figures in values:
        for name, figure in figures.items():
            found[name] = max(figure, found.get(name, 0))
    return found


def figure(rule: Rule, default: Any = None, *, kept: bool = True) -> Any:
    """Declare a figure: how several become one, and whether it is kept for longer than the live window."""
    metadata = {"rule": rule, "kept": kept}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=dict, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One span of one server: it began at `at` (seconds since 1970) and is about `seconds` of it.

    Shares are in per cent, sizes in bytes; None is what nobody knows. `waits` and `services` are counts by bucket.
    """

    at: float = figure(first, 0.0)
    seconds: float = figure(total, 0.0)
    configured: int = figure(last, 0)
    in_flight: float | None = figure(mean)
    in_flight_most: float | None = figure(most)
    cpu: float | None = figure(mean)
    waits: Mapping[int, int] = figure(added, {})
    services: Mapping[int, int] = figure(added, {})
    succeeded: int = figure(total, 0)
    redirected: int = figure(total, 0)
    client_errors: int = figure(total, 0)
    server_errors: int = figure(total, 0)
    refused: int = figure(total, 0)
    shed: int = figure(total, 0)
    failed: int = figure(total, 0)
    retried: int = figure(total, 0)
    abandoned: int = figure(total, 0)
    queued: int = figure(most, 0)
    connections: int = figure(most, 0)
    websockets: int = figure(most, 0)
    jobs: int = figure(total, 0)
    incidents: int = figure(total, 0)
    memory: float | None = figure(mean)
    memory_most: int | None = figure(most)
    workers: Mapping[str, int] = figure(highest, {}, kept=False)
    host_cpu: float | None = figure(mean)
    host_memory: float | None = figure(most)
    host_swap: float | None = figure(most)
    disk: float | None = figure(last)
    database: float | None = figure(most)
    cgroup: float | None = figure(most)
    waited_cpu: float | None = figure(mean)
    waited_memory: float | None = figure(mean)
    waited_io: float | None = figure(mean)

    def told(self) -> dict[str, Any]:
        """For programs and charts."""
        return {
            "at": self.at,
            "seconds": round(self.seconds, 3),
            "configured": self.configured,
            "in_flight": self.in_flight,
            "in_flight_most": self.in_flight_most,
            "cpu": self.cpu,
            "wait": spread(self.waits),
            "service": spread(self.services),
            "requests": {
                **{name: getattr(self, field) for name, field in CLASSES.items()},
                **{name: getattr(self, name) for name in ("refused", "shed", "failed", "retried", "abandoned")},
            },
            "queued": self.queued,
            "connections": self.connections,
            "websockets": self.websockets,
            "jobs": self.jobs,
            "incidents": self.incidents,
            "memory": {"mean": self.memory, "most": self.memory_most, "workers": dict(self.workers)},
            "health": {
                "cpu": self.host_cpu,
                "memory": self.host_memory,
                "swap": self.host_swap,
                "disk": self.disk,
                "database": self.database,
                "cgroup": self.cgroup,
                "pressure": {"cpu": self.waited_cpu, "memory": self.waited_memory, "io": self.waited_io},
            },
        }


RULES: dict[str, Rule] = {each.name: each.metadata["rule"] for each in dataclasses.fields(Sample)}
KEPT = tuple(each.name for each in dataclasses.fields(Sample) if each.metadata["kept"])
COUNTS = ("waits", "services")


def merge(samples: Sequence[Sample]) -> Sample:
    """One sample about the time of all, which follow each other; there is at least one."""
    if len(samples) == 1:
        return samples[0]
    seconds = [each.seconds for each in samples]
    return Sample(**{name: rule([getattr(each, name) for each in samples], seconds) for name, rule in RULES.items()})


def spread(counts: Mapping[int, int]) -> dict[str, float | None]:
    """The percentiles in seconds, None where nothing was counted."""
    if not counts:
        return dict.fromkeys(SHARES)
    dense = [counts.get(bucket, 0) for bucket in range(BUCKETS)]
    return dict(zip(SHARES, percentiles(dense, SHARES.values()), strict=True))
