"""Recorded work done again by another number of workers: a discrete-event simulation. Pure; times are seconds.

Who is next and who is idle is decided by the dispatcher's own queue, so requests wait here as they do there: first come first
served within their lanes. Whoever is served shares the processors evenly with the others that want one, then waits for whatever
it waits for, which overlaps.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from math import inf
from typing import TYPE_CHECKING

from prefork.dispatcher.queue import Queue, Share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prefork.sizing.recording import Work

TICK = 0.25  # seconds between two looks of the dispatcher at what has waited too long
FULL = 0.95  # of the workers' time in the second half: from here on the queue grows as long as the traffic lasts


@dataclass(frozen=True)
class Place:
    """Where it is done: workers and processors, lanes, and the bounds of the queue."""

    workers: int
    cpus: float
    shares: Sequence[Share] = (Share(),)
    queue_size: int = 1024
    queue_timeout: float = 30.0


@dataclass(frozen=True)
class Outcome:
    """What came of it. `waits` and `answers` (from arrival to end) are ascending, of the requests that were served.

    `busy` is the share of the workers' time in which they had a request, `computing` that of the processors', both until the last
    request came, `behind` that of the workers in the second half; `lost` counts requests that no worker had.
    """

    workers: int
    waits: Sequence[float]
    answers: Sequence[float]
    busy: float
    behind: float
    computing: float
    lost: int

    @property
    def saturated(self) -> bool:
        """Whether this is more than the workers can do."""
        return self.behind > FULL or self.lost > 0

    def wait(self, share: float) -> float:
        """What so many requests waited at the most."""
        return quantile(self.waits, share)

    def answer(self, share: float) -> float:
        """How long so many clients waited at the most."""
        return quantile(self.answers, share)


def quantile(ascending: Sequence[float], share: float) -> float:
    """The value that `share` of them do not exceed, 0 where there is none."""
    return ascending[min(len(ascending) - 1, int(share * len(ascending)))] if ascending else 0.0


class Job:
    """A request in the simulation, as `Queue` wants it."""

    __slots__ = ("arrived", "lane", "withdrawn", "work")

    def __init__(self, work: Work) -> None:
        self.work = work
        self.arrived = work.arrived
        self.lane = work.lane
        self.withdrawn = False


class Processors:
    """Everyone who wants one has an even share of them, one whole processor at the most.

    `clock` is the processor time that each of those present has had since the beginning: who comes at 3 and needs 2 ends at 5.
    """

    def __init__(self, cpus: float) -> None:
        self.cpus = cpus
        self.clock = 0.0
        self.used = 0.0
        self.ends: list[tuple[float, int, Job]] = []
        self.numbered = 0

    def rate(self) -> float:
        """Processor seconds that each gets in a second."""
        return min(1.0, self.cpus / len(self.ends)) if self.ends else 0.0

    def next_end(self, now: float) -> float:
        """When the first of them has had what it needs."""
        return now + (self.ends[0][0] - self.clock) / self.rate() if self.ends else inf

    def go_on(self, seconds: float) -> None:
        """Let time pass, not beyond the next end."""
        step = seconds * self.rate()
        self.clock += step
        self.used += step * len(self.ends)

    def add(self, job: Job) -> None:
        """Somebody wants one."""
        self.numbered += 1
        heappush(self.ends, (self.clock + job.work.cpu, self.numbered, job))

    def take(self) -> Job:
        """The first one has had enough."""
        end, _, job = heappop(self.ends)
        self.clock = max(self.clock, end)  # what rounding has left
        return job


class Simulation:
    """The state at `now`: who computes, who waits for others, who waits in the queue."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.queue: Queue[Job, int] = Queue(place.queue_size, place.queue_timeout, place.shares)
        for worker in range(place.workers):
            self.queue.release(worker)
        self.processors = Processors(place.cpus)
        self.waiting: list[tuple[float, int, Job]] = []  # for others: when it ends
        self.has: dict[Job, int] = {}
        self.now = 0.0
        self.looked = 0.0
        self.occupied = 0.0
        self.numbered = 0
        self.lost = 0
        self.waits: list[float] = []
        self.answers: list[float] = []

    def run(self, work: Sequence[Work]) -> Outcome:
        """Do all of it."""
        middle, before = work[-1].arrived / 2 if work else 0.0, None
        for each in work:
            if before is None and each.arrived >= middle:
                self._until(middle)
                before = self.occupied
            self._until(each.arrived)
            self._arrive(Job(each))
        workers, seconds = self.place.workers, self.now or 1.0
        busy = self.occupied / seconds / workers
        behind = 2 * (self.occupied - (before or 0.0)) / seconds / workers
        computing = self.processors.used / seconds / self.place.cpus
        self._until(inf)
        return Outcome(workers, sorted(self.waits), sorted(self.answers), busy, behind, computing, self.lost)

    def _until(self, then: float) -> None:
        """Let everything happen that ends before a moment."""
        while True:
            computed = self.processors.next_end(self.now)
            waited = self.waiting[0][0] if self.waiting else inf
            if computed >= then and waited >= then:
                break
            if computed <= waited:
                self._pass(computed)
                self._computed(self.processors.take())
            else:
                self._pass(waited)
                self._end(heappop(self.waiting)[2])
        if then < inf:
            self._pass(then)

    def _pass(self, then: float) -> None:
        seconds = max(0.0, then - self.now)
        self.processors.go_on(seconds)
        self.occupied += seconds * len(self.has)
        self.now = max(self.now, then)
        if self.now - self.looked >= TICK:
            self.looked = self.now
            self.lost += sum(1 for _ in self.queue.expired(self.now))

    def _arrive(self, job: Job) -> None:
        worker = self.queue.claim(job)
        if worker is not None:
            self._begin(job, worker)
        elif self.queue.full(job.lane):
            self.lost += 1
        else:
            self.queue.wait(job)

    def _begin(self, job: Job, worker: int) -> None:
        self.has[job] = worker
        self.waits.append(self.now - job.arrived)
        self.processors.add(job)

    def _computed(self, job: Job) -> None:
        if job.work.io > 0:
            self.numbered += 1
            heappush(self.waiting, (self.now + job.work.io, self.numbered, job))
        else:
            self._end(job)

    def _end(self, job: Job) -> None:
        self.answers.append(self.now - job.arrived)
        self.queue.release(self.has.pop(job))
        while (turn := self.queue.next()) is not None:
            self._begin(*turn)


def simulate(work: Sequence[Work], place: Place) -> Outcome:
    """Have so many workers do recorded work, which is in the order of its arrival."""
    return Simulation(place).run(work)
