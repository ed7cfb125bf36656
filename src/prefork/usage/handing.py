"""What it costs a server of ours to hand requests over, and whether its workers had better read them themselves. Pure.

Decision 3 has the measurements that the bounds are from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from prefork.histogram import percentiles

if TYPE_CHECKING:
    from collections.abc import Mapping

    Status = Mapping[str, Any]

ENOUGH = 100  # requests, before anything is said of them
MUCH, FULL = 0.1, 0.8  # of a processor, by the dispatcher: that matters; for that requests wait, and seem to take longer
PART = 0.2  # of the processor time of dispatcher and workers
QUICK, QUICK_LOOP = 0.001, 0.01  # seconds: loans of those that take longer have to be taken home, or are told of
LONG, LONG_LOOP = 0.001, 0.1  # seconds: nothing is gained where half of the requests take longer
HARDLY = 0.1  # of the requests
PAGE = "docs/operate.md, Speed"


class Advice(NamedTuple):
    """A recommendation, and the figures that it rests on with what it gives up."""

    recommendation: str
    reason: str


class Handing(NamedTuple):
    """What has happened between two statuses.

    Workers have `answered` so many, `requests` a second; `lent` is the share of them that they have read themselves, and half took
    no longer than `service` (seconds); `dispatcher` and `workers` are how many processors each used. `on` says whether connections
    may be lent, `obstacles` why they are not, or would not be. `looped`: workers have an event loop.
    """

    answered: int
    requests: float
    lent: float | None
    service: float | None
    dispatcher: float
    workers: float
    on: bool
    obstacles: tuple[str, ...]
    looped: bool

    @property
    def advice(self) -> Advice | None:
        """What to do, where there is something to do."""
        if self.obstacles:
            reason = f"that has no effect with {' and '.join(self.obstacles)} ({PAGE})"
            return Advice("nothing is lent although lend_connections = True", reason) if self.on else None
        if self.answered < ENOUGH or self.service is None or self.lent is None:
            return None
        if not self.on and self.would_gain(self.service):
            return Advice(
                "try lend_connections = True: workers read requests themselves then",
                f"{self.asked(self.service)}; handing one over takes the dispatcher {self.each(self.dispatcher)} of processor "
                f"time, and workers use {self.each(self.workers)}; a worker has the sockets of many clients then ({PAGE})",
            )
        if self.on and self.lent < HARDLY and self.service > (LONG_LOOP if self.looped else LONG):
            return Advice(
                "do without lend_connections = True: it gives nothing here",
                f"{self.asked(self.service)}, and workers have read {self.lent * 100:.0f} % of them themselves; a worker has the "
                f"sockets of several clients with it ({PAGE})",
            )
        return None

    def would_gain(self, service: float) -> bool:
        """Whether the dispatcher uses so much of the processors, for requests so short, that they had better not pass it."""
        quick = service <= (QUICK_LOOP if self.looped else QUICK) or self.dispatcher >= FULL
        return quick and self.dispatcher >= MUCH and self.dispatcher >= PART * (self.dispatcher + self.workers)

    def asked(self, service: float) -> str:
        """How many there are and how long they take, in words."""
        return f"half of the {self.requests:,.0f} requests a second take {milliseconds(service)}"

    def each(self, processors: float) -> str:
        """What of so many processors is a request's, in words."""
        return f"{processors / self.requests * 1e6:.0f} µs"

    def told(self) -> dict[str, Any]:
        """For programs."""
        return {
            "on": self.on,
            "obstacles": list(self.obstacles),
            "requests": round(self.requests, 1),
            "lent": None if self.lent is None else round(self.lent, 4),
            "service": None if self.service is None else round(self.service, 6),
            "dispatcher": round(self.dispatcher, 4),
            "workers": round(self.workers, 4),
            "advice": advice._asdict() if (advice := self.advice) else None,
        }


def handing(then: Status, now: Status, workers: float) -> Handing | None:
    """What has happened between two statuses, while workers used so many processors; None where nobody can tell."""
    first, last = then["dispatcher"], now["dispatcher"]
    seconds = now["uptime"] - then["uptime"]
    if then["pid"] != now["pid"] or first["pid"] != last["pid"] or first["cpu"] is None or last["cpu"] is None or seconds <= 0:
        return None
    services = [max(0, new - old) for old, new in zip(then["histograms"]["service"], now["histograms"]["service"], strict=True)]
    count = sum(services)
    return Handing(
        count,
        count / seconds,
        min(1.0, max(0, last["lent"] - first["lent"]) / count) if count else None,
        percentiles(services, [0.5])[0],
        (last["cpu"] - first["cpu"]) / seconds,
        workers,
        now["lending"]["on"],
        tuple(now["lending"]["obstacles"]),
        now["concurrency"] > 0,
    )


def milliseconds(seconds: float) -> str:
    """A duration in two digits or so."""
    return f"{seconds * 1e3:.1f} ms" if seconds < 0.00995 else f"{seconds * 1e3:.0f} ms"
