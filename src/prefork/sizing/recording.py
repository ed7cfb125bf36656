"""Recorded requests as work that can be done again: when each came, what of its time was processor time and what was waiting.

A request that was served beside others took longer for it. How much is estimated from the recording itself and taken out, so that
the work is what one request alone would be. Times are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from math import comb
from typing import TYPE_CHECKING, NamedTuple

from prefork.trace import UNSERVED, calls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prefork.trace import Call

ROUNDS = 10  # until the estimate moves no more
GRAINS = 64  # steps of a chance
SECOND = 1e6  # microseconds


class Work(NamedTuple):
    """A request alone: when it came after the first one, seconds of processor time, seconds that it waits for others, its lane."""

    arrived: float
    cpu: float
    io: float
    lane: int


@dataclass(frozen=True)
class Recording:
    """The work in the order of its arrival, and what was measured with it.

    `waits` are those of the requests that a worker had, `seconds` passed between the first and the last, `workers` is the fewest
    and the most that there were, `lost` counts requests that no worker had.
    """

    work: tuple[Work, ...]
    waits: tuple[float, ...]
    seconds: float
    workers: tuple[int, int]
    lost: int

    @property
    def load(self) -> float:
        """How many workers would always have been busy."""
        return sum(each.cpu + each.io for each in self.work) / self.seconds if self.seconds else 0.0

    @property
    def processors(self) -> float:
        """How many processors would always have been."""
        return sum(each.cpu for each in self.work) / self.seconds if self.seconds else 0.0

    def faster(self, times: float) -> Recording:
        """The same requests in less time."""
        work = tuple(each._replace(arrived=each.arrived / times) for each in self.work)
        return Recording(work, self.waits, self.seconds / times, self.workers, self.lost)

    def halves(self) -> tuple[Recording, Recording]:
        """What came in the first half of the time, and what came in the second."""
        middle = self.seconds / 2
        first, second = [w for w in self.work if w.arrived < middle], [w for w in self.work if w.arrived >= middle]
        later = [each._replace(arrived=each.arrived - middle) for each in second]
        return tuple(Recording(tuple(work), (), middle, self.workers, 0) for work in (first, later))  # type: ignore[return-value]


def recording(records: bytes, cpus: float) -> Recording:
    """What a trace holds that was recorded on so many processors. Raises struct.error."""
    found = calls(records)
    if not found:
        return Recording((), (), 0.0, (0, 0), 0)
    served = [call for call in found if call.service != UNSERVED]
    begin, end = found[0].arrived, found[-1].arrived
    counts = [call.workers for call in found]
    waits = tuple(call.wait / SECOND for call in served)
    return Recording(
        tuple(works(found, alone(served, cpus), begin)),
        waits,
        (end - begin) / SECOND,
        (min(counts), max(counts)),
        len(found) - len(served),
    )


def works(found: Sequence[Call], parts: Sequence[tuple[float, float]], begin: int) -> list[Work]:
    """The work of each request. One that no worker had would have taken as long as the one before it."""
    made, shares, last = [], iter(parts), parts[0] if parts else (0.0, 0.0)
    for call in found:
        if call.service != UNSERVED:
            last = next(shares)
        made.append(Work((call.arrived - begin) / SECOND, *last, call.lane))
    return made


def alone(served: Sequence[Call], cpus: float) -> list[tuple[float, float]]:
    """What of each request's service was processor time, and what waiting for others, without that for a processor.

    The recording does not say how long it waited for one; it says who was served at the same time and how much each used. Whoever
    is served wants a processor for a share of that time, which is found in rounds, from all of it down: it is larger than what was
    used by as much as others wanted one meanwhile.
    """
    spans = [((call.arrived + call.wait) / SECOND, call.service / SECOND) for call in served]
    used = [min(call.cpu / SECOND, service) for call, (_, service) in zip(served, spans, strict=True)]
    crowd = Crowd([(begun, begun + service) for begun, service in spans], cpus)
    wanted = [service for _, service in spans]
    for _ in range(ROUNDS):
        shares = [want / service if service else 0.0 for want, (_, service) in zip(wanted, spans, strict=True)]
        rates = crowd.rates(shares)
        wanted = [min(service, cpu / rate) for cpu, rate, (_, service) in zip(used, rates, spans, strict=True)]
    return [(cpu, max(0.0, service - want)) for cpu, want, (_, service) in zip(used, wanted, spans, strict=True)]


@lru_cache(maxsize=1 << 14)
def expected_rate(others: int, grains: int, cpus: float) -> float:
    """Processor seconds in a second for one beside so many others, of whom each wants a processor with a chance of grains ÷ GRAINS.

    Whether they do at a moment is taken for chance, independent of each other.
    """
    chance = grains / GRAINS
    return sum(
        comb(others, wanting) * chance**wanting * (1 - chance) ** (others - wanting) * min(1.0, cpus / (wanting + 1))
        for wanting in range(others + 1)
    )


class Crowd:
    """Who is served at the same time, on so many processors: spans of (begin, end)."""

    def __init__(self, spans: Sequence[tuple[float, float]], cpus: float) -> None:
        self.spans = spans
        self.cpus = cpus
        self.moments = sorted({moment for span in spans for moment in span})
        places = {moment: place for place, moment in enumerate(self.moments)}
        self.places = [(places[begin], places[end]) for begin, end in spans]
        self.lengths = [after - before for before, after in pairwise(self.moments)]
        self.counts = [round(count) for count in self._heights([1.0] * len(spans))]

    def rates(self, shares: Sequence[float]) -> list[float]:
        """What each span gets of a processor when it wants one, if all that are present want one for such shares of the time."""
        areas = accumulate(
            (
                length * self._rate(count, wanting)
                for count, wanting, length in zip(self.counts, self._heights(shares), self.lengths, strict=False)
            ),
            initial=0.0,
        )
        sums = list(areas)
        found = []
        for (begin, end), (first, last) in zip(self.spans, self.places, strict=True):
            found.append((sums[last] - sums[first]) / (end - begin) if end > begin else 1.0)
        return found

    def _rate(self, count: int, wanting: float) -> float:
        if count <= self.cpus:
            return 1.0
        return expected_rate(count - 1, round(GRAINS * min(1.0, wanting / count)), self.cpus)

    def _heights(self, weights: Sequence[float]) -> list[float]:
        """The weight of all that are there, from each moment to the next."""
        change = [0.0] * len(self.moments)
        for (first, last), weight in zip(self.places, weights, strict=True):
            change[first] += weight
            change[last] -= weight
        return list(accumulate(change))
