"""What each worker uses, compared with what it may use. It measures, `limits` judges, `enforce` acts.

Resident memory is cheap to read and counts shared pages whole; proportional memory is what a worker costs, and takes up to 25 ms
for 2 GiB. So the difference is remembered: what a worker allocates is its own. The dear reading is made where the cheap one, less
the difference, is above a limit; and now and then where the cheap one is, because the difference gets smaller when a worker writes
to what it shares and when one that shared it dies, and nothing else tells.
"""

from __future__ import annotations

import random
import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from prefork.limits import CPUS, Limits, Usage, Verdict, judge, next_look
from prefork.meters import Gone, Meter
from prefork.scoreboard import ALLOWED, BEGUN, BEGUN_AT, CPU_AT, DONE, OPEN, RESIDENT_AT, TURNED, TURNED_CPU, WRITING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from prefork.master.fleet import Worker
    from prefork.scoreboard import Scoreboard, Slot

PAUSE = 20  # a dear reading is followed by so many times the processor time it took without another one
CALM = 200  # the same, where only the cheap reading is above a limit
NEAR = 15 / 16  # of the hard limit: from here on the rest may be what it shared with one that has died
BUSY, IDLE = 0.05, 0.1  # seconds between two looks while somebody works, and while nobody does
GRACE = 1.0  # seconds in which a worker with an event loop cancels a request by itself
SHORTEST = 0.005  # seconds between two looks, when a limit is about to be reached
CURVE = 40  # readings that are kept
CURVE_EVERY = 0.25  # seconds between two of them


class Reading(Protocol):
    """What can be read of a process: see `meters.Meter`."""

    def resident(self) -> int:
        """Bytes, shared ones counted whole."""

    def proportional(self) -> int:
        """Bytes, shared ones in proportion."""

    def processor(self) -> float:
        """Seconds."""

    def close(self) -> None:
        """Read no more."""


class Task(NamedTuple):
    """The request or job that a worker is in: its number, when it began (monotonic seconds), its worker's processor time then.

    `allowed` is the time in seconds that its route may take, 0 where the pool's limit counts; `resident` the bytes that its worker
    had in memory when it began, 0 where nobody knows.
    """

    number: int
    begun: float
    cpu: float
    allowed: float
    resident: int = 0


@dataclass
class Gauge:
    """One worker's readings.

    `fresh` is its memory when it got ready, `shared` how much less than its resident memory that is, `cost` what the dear reading
    took (seconds of processor time: how long it waited for one must not make the next one later); `curve` holds (monotonic
    seconds, bytes).
    """

    meter: Reading
    clock: Callable[[], float] = time.monotonic
    processor: Callable[[], float] = time.thread_time
    shared: int = 0
    patience: float = field(default_factory=lambda: random.uniform(1.0, 1.1))  # noqa: S311 - workers must not grow old together
    fresh: int = 0
    memory: int = 0
    weighed: float = float("-inf")
    cost: float = 0.0
    drawn: float = float("-inf")
    curve: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=CURVE))

    def read(self, limits: Limits) -> int:
        """Bytes of memory, exact where they are above a limit."""
        resident, now = self.meter.resident(), self.clock()
        estimate = max(0, resident - self.shared)
        above = 0 < limits.memory_soft < estimate
        near = 0 < NEAR * limits.memory_hard < estimate
        if 0 < limits.memory_hard < estimate:
            self.weigh()  # at once: what is allocated meanwhile may be the machine's last
        elif now - self.weighed >= (PAUSE if above or near else CALM) * self.cost and 0 < limits.lowest < resident:
            self.weigh()
        elif not above:
            self.memory = estimate
        if now - self.drawn >= CURVE_EVERY:
            self.drawn = now
            self.curve.append((now, self.memory))
        return self.memory

    def weigh(self) -> int:
        """The dear reading."""
        started = self.processor()
        self.memory = self.meter.proportional()
        self.shared = max(0, self.meter.resident() - self.memory)
        self.weighed = self.clock()
        self.cost = self.processor() - started
        return self.memory

    def inherited(self, task: Task) -> int:
        """Bytes that a request or job has found when it began, at the most: they are not its own."""
        return max(0, task.resident - self.shared)

    def limits(self, limits: Limits, task: Task | None) -> Limits:
        """What this worker may use: its own age, and the time of its request's route."""
        return replace(
            fair(limits, self.fresh),
            age=limits.age * self.patience,
            time_real=task.allowed if task and task.allowed else limits.time_real,
        )


def fair(limits: Limits, fresh: int) -> Limits:
    """Limits that a worker which weighs `fresh` bytes from its start can keep: others like it would take its place for ever."""
    soft, hard = limits.memory_soft, limits.memory_hard
    if 0 < hard < fresh:
        hard = fresh * 3 // 2
    if 0 < soft < fresh:
        soft = min(fresh * 3 // 2, (fresh + hard) // 2) if hard else fresh * 3 // 2
    return replace(limits, memory_soft=soft, memory_hard=hard)


def task_of(slot: Slot) -> Task | None:
    """The request or job that a worker's slot tells of, if it has begun and not ended."""
    progress = slot.progress()
    if not BEGUN <= progress.state <= WRITING:
        return None
    task = Task(progress.number, slot[BEGUN_AT] / 1e9, slot[CPU_AT] / 1e9, slot[ALLOWED] / 1e9, slot[RESIDENT_AT])
    # The words are stored one after the other: those of a request that has begun meanwhile are not this one's.
    return task if slot.progress().number == progress.number else None


def is_busy(slot: Slot) -> bool:
    """Whether a place has a request, or looks whether there is a job for it."""
    return 0 < slot.progress().state < DONE


def job_of(worker: Worker, slot: Slot, task: Task | None) -> dict[str, Any] | None:
    """The job that a worker is in, with its name and the number of this run; None where it is no job."""
    return {"name": slot.tag(task.number), "run": task.number} if task and not worker.pool.fed else None


class Finding(NamedTuple):
    """A worker that has reached a limit, and the request it was in then: which of its places (slots) has that."""

    worker: Worker
    verdict: Verdict
    task: Task | None
    place: int


class Gauges:
    """The gauges of all workers, by pid. `meter` opens one; it raises `meters.Gone` for a process that has ended."""

    def __init__(self, scoreboard: Scoreboard, meter: Callable[[int], Reading] = Meter) -> None:
        self.scoreboard = scoreboard
        self.meter = meter
        self.gauges: dict[int, Gauge] = {}
        self.next_look = 0.0

    def admit(self, worker: Worker) -> Gauge | None:
        """A worker is ready: note what it weighs when fresh."""
        try:
            gauge = self.gauges[worker.pid] = Gauge(self.meter(worker.pid))
            gauge.fresh = gauge.weigh()
        except Gone:
            self.dismiss(worker.pid)
            return None
        return gauge

    def dismiss(self, pid: int) -> Gauge | None:
        """A worker has ended; returns what is known of it."""
        gauge = self.gauges.pop(pid, None)
        if gauge:
            gauge.meter.close()
        return gauge

    def look(self, workers: Iterable[Worker], limits: Mapping[str, Limits], now: float) -> list[Finding]:
        """Every worker that has reached a limit of its pool. Notes in `next_look` when that can happen next."""
        found, soonest = [], IDLE
        for worker in workers:
            gauge = self.gauges.get(worker.pid)
            if gauge is None:
                continue
            place, task = self._work(worker, limits[worker.pool.name])
            own = gauge.limits(limits[worker.pool.name], task)
            try:
                usage = self._usage(worker, gauge, task, own, now)
            except Gone:
                continue
            if verdict := judge(usage, own):
                found.append(Finding(worker, verdict, task, place))
            soonest = min(soonest, BUSY if task else IDLE, next_look(usage, own))
        self.next_look = now + max(soonest, SHORTEST)
        return found

    def _work(self, worker: Worker, limits: Limits) -> tuple[int, Task | None]:
        """What a worker is in, and in which place: of several requests on a loop, the one whose time is over first.

        In threaded mode nothing: its limits are not enforced.
        """
        if not worker.looped:
            return worker.slot, None if worker.threads else task_of(self.scoreboard.slot(worker.slot))
        tasks = ((place, task) for place in worker.slots if (task := task_of(self.scoreboard.slot(place))))
        ends = ((task.begun + (task.allowed or limits.time_real or float("inf")), place, task) for place, task in tasks)
        _, place, first = min(ends, default=(0.0, worker.slot, None))
        return place, first

    def _usage(self, worker: Worker, gauge: Gauge, task: Task | None, limits: Limits, now: float) -> Usage:
        if worker.looped:
            return self._usage_of_loop(worker, gauge, task, limits, now)
        if worker.speaks:
            turned = self.scoreboard.slot(worker.slot)[TURNED]
            held = now - turned / 1e9 if turned else 0.0
            return Usage(gauge.read(limits), held, 0.0, now - worker.born)
        elapsed = now - task.begun if task else 0.0
        # In less time than this its processors cannot have given it so much of theirs.
        spent = gauge.meter.processor() - task.cpu if task and limits.time_cpu and elapsed * CPUS > limits.time_cpu else 0.0
        return Usage(gauge.read(limits), elapsed, spent, now - worker.born)

    def _usage_of_loop(self, worker: Worker, gauge: Gauge, task: Task | None, limits: Limits, now: float) -> Usage:
        """Whose processor time is told of what the loop has been in since its last turn: of one request nobody knows it."""
        slot = self.scoreboard.slot(worker.slot)
        held, turned = now - slot[TURNED] / 1e9, slot[TURNED_CPU] / 1e9
        # What holds the loop without a request is a WebSocket's.
        elapsed = max(0.0, now - task.begun - GRACE) if task else held if slot[OPEN] else 0.0
        spent = gauge.meter.processor() - turned if turned and limits.time_cpu and held * CPUS > limits.time_cpu else 0.0
        return Usage(gauge.read(limits), elapsed, spent, now - worker.born)
