"""The two measures of worker usage, pure: from what was read to shares of the configured workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from prefork.usage.levels import Level, level

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

BUSY = 0.005  # seconds of processor time in a window: below it lie a timer, a heartbeat, a garbage collection


class Share(NamedTuple):
    """So many of the configured workers are busy; `percent` need not be a whole number of them where it is an average over time."""

    busy: int
    configured: int
    percent: float
    seconds: float

    @property
    def level(self) -> Level:
        """What it means."""
        return level(self.percent)

    def told(self) -> dict[str, Any]:
        """For programs."""
        return {**self._asdict(), "level": self.level.name, "recommendation": self.level.recommendation}


class Flight(NamedTuple):
    """How many workers had a request at a moment, and the seconds that all together had had one by then (monotonic seconds)."""

    workers: int
    seconds: float
    at: float

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Flight:
        """From a server's status."""
        return cls(told["workers"], told["seconds"], told["at"])


def places(status: Mapping[str, Any]) -> int:
    """How many requests the wanted HTTP workers can have at once: one each, or as many as a worker with an event loop has."""
    return int(status["wanted"] * max(1, status["concurrency"] or 0))


def by_processor(spent: Iterable[float], configured: int, seconds: float) -> Share:
    """Who has used more than 5 ms of processor time in the window is busy."""
    busy = sum(1 for each in spent if each > BUSY)
    return Share(busy, configured, percentage(busy, configured), seconds)


def processors(spent: Iterable[float], seconds: float) -> float:
    """How many processors were used at once, on average."""
    return sum(spent) / seconds if seconds else 0.0


def in_flight(before: Flight, after: Flight, configured: int) -> Share:
    """The share of the time between two moments that workers had a request, all of them taken together."""
    seconds = after.at - before.at
    average = (after.seconds - before.seconds) / seconds if seconds > 0 else float(after.workers)
    return Share(after.workers, configured, percentage(average, configured), round(seconds, 3))


def percentage(busy: float, configured: int) -> float:
    """To a tenth; never above all, as there may be more workers than configured ones during a reload."""
    return round(min(100.0, max(0.0, 100 * busy / configured)), 1) if configured else 0.0
