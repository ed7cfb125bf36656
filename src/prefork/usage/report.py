"""Measures one server from beginning to end: one of ours by its status and its processes, any other by its processes alone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from prefork.usage.handing import Handing, handing
from prefork.usage.measures import BUSY, Flight, Share, by_processor, in_flight, places, processors
from prefork.usage.processes import crew
from prefork.usage.window import WINDOW, measurable, spent

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 1.0  # seconds for the dispatcher to say how things are: it does so four times a second
GLANCE = 0.05  # seconds
BLIND = "processor time cannot show a worker that waits, for a database or a client: it looks idle"
SILENT = "the dispatcher has said nothing for a second, so nothing is known of requests"


class Report(NamedTuple):
    """What was measured. `spent` is what each worker has used, in seconds; `notes` what the measures cannot see. `handing` is None
    where nobody hands requests over, or it began to meanwhile.
    """

    configured: int
    flight: Share | None
    processor: Share
    spent: dict[int, float]
    notes: tuple[str, ...]
    handing: Handing | None = None

    @property
    def share(self) -> Share:
        """The measure that counts: who has a request is not free, whatever it does."""
        return self.flight or self.processor

    def told(self) -> dict[str, Any]:
        """For programs."""
        return {
            "configured": self.configured,
            "in_flight": self.flight.told() if self.flight else None,
            "cpu": self.processor.told(),
            "level": self.share.level.name,
            "recommendation": self.share.level.recommendation,
            "workers": [{"pid": pid, "cpu": round(used, 6), "busy": used > BUSY} for pid, used in self.spent.items()],
            "notes": list(self.notes),
            "handing": self.handing.told() if self.handing else None,
        }


def of_server(
    ask: Callable[[], dict[str, Any]], wait: Callable[[float], None] = time.sleep, clock: Callable[[], float] = time.monotonic
) -> Report:
    """One of ours. `ask` gets its status."""
    first = fresh(ask, wait, clock)
    used = spent(measurable(first), WINDOW, wait)
    last = fresh(ask, wait, clock)
    configured = places(last)
    before, after = (Flight.of(status["occupied"]) for status in (first, last))
    flight = in_flight(before, after, configured) if after.at > before.at > 0 else None
    processes = 1 if last["threads"] else last["wanted"]
    notes = (BLIND,) if flight else (BLIND, SILENT)
    measured = handing(first, last, processors(used.values(), WINDOW))
    return Report(configured, flight, by_processor(used.values(), processes, WINDOW), used, notes, measured)


def fresh(ask: Callable[[], dict[str, Any]], wait: Callable[[float], None], clock: Callable[[], float]) -> dict[str, Any]:
    """A status in which the dispatcher has spoken since the question, or the last one if it does not."""
    asked = clock()
    status = ask()
    while status["wanted"] and status["occupied"]["at"] < asked and clock() < asked + PATIENCE:
        wait(GLANCE)
        status = ask()
    return status


def of_tree(pid: int, configured: int | None, wait: Callable[[float], None] = time.sleep) -> Report:
    """Any server, by its master's pid; without a number those that are there count as configured. Raises NoSuchProcess."""
    found = crew(pid)
    used = spent(found.workers, WINDOW, wait)
    wanted = configured or len(found.workers)
    alone = (f"process {found.master} has no workers: it is measured itself",) if found.alone else ()
    return Report(wanted, None, by_processor(used.values(), wanted, WINDOW), used, (BLIND, *alone))
