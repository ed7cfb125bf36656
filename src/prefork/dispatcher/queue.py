"""Who is next, and who is idle. Pure: it knows neither sockets nor processes, and takes the time as an argument.

Requests wait in lanes, each with a share of the workers. `spare` decides: of the present workers, those that neither work nor are
kept for a lane that has less than its reservation. It changes by one with each request, so that deciding costs the same however
many workers there are.
"""

from __future__ import annotations

import sys
from collections import deque
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar

from prefork.dispatcher.idle import Idle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

FEW = 64  # withdrawn requests that are not worth a look through a line
UNLIMITED = sys.maxsize


class Waiter(Protocol):
    """A request that waits.

    `arrived` is when it was complete (monotonic seconds), `withdrawn` that it need not be served, `lane` the number of its lane.
    """

    arrived: float
    withdrawn: bool
    lane: int


J = TypeVar("J", bound=Waiter)
W = TypeVar("W")


class Share(NamedTuple):
    """How many workers are kept for a lane, and how many it may have at once."""

    reserved: int = 0
    limit: int = UNLIMITED


class Line(Generic[J]):
    """A lane: its waiting requests and the workers it has.

    `reserved` and `most` are what its share comes to with the present workers.
    """

    __slots__ = ("jobs", "leaving", "length", "most", "reserved", "share", "working")

    def __init__(self, share: Share) -> None:
        self.share = share
        self.reserved = 0
        self.most = 0
        self.jobs: deque[tuple[int, J]] = deque()  # each with its place among those of all lanes
        self.length = 0  # without those withdrawn
        self.working = 0  # workers with a request of this lane
        self.leaving = 0  # those that will take no other; they count for the limit, and no reservation is met by them

    def head(self) -> tuple[int, J] | None:
        """The first request and its place. Forgets those before it that are withdrawn."""
        while self.jobs:
            if not self.jobs[0][1].withdrawn:
                return self.jobs[0]
            self.jobs.popleft()
        return None

    def oldest(self) -> float | None:
        """When the first request arrived."""
        head = self.head()
        return head[1].arrived if head else None

    def pop(self) -> J:
        """Take out the head."""
        self.length -= 1
        return self.jobs.popleft()[1]

    def withdraw(self, job: J) -> None:
        """Take any request out. It keeps its place until it is passed over, or too many do."""
        job.withdrawn = True
        self.length -= 1
        if len(self.jobs) > 2 * self.length + FEW:
            self.jobs = deque(entry for entry in self.jobs if not entry[1].withdrawn)


def place(entry: tuple[int, J]) -> int:
    """A waiting request's place among those of all lanes."""
    return entry[0]


class Queue(Generic[J, W]):
    """First come, first served within a lane; of several lanes, the oldest request that may be served.

    Which of the idle workers works next is theirs to say (`idle.py`). A lane has its reserved workers
    at once, beyond them it gets a spare one, never more than its limit. There is never an idle worker while a request waits that
    may be served. `size` bounds the waiting requests of each lane, `timeout` (seconds) their wait.
    """

    def __init__(self, size: int, timeout: float, shares: Sequence[Share] = (Share(),), idle: Idle[W] | None = None) -> None:
        self.size = size
        self.timeout = timeout
        self.idle: Idle[W] = Idle() if idle is None else idle
        self.working: dict[W, J] = {}
        self.leaving: dict[W, J] = {}  # workers that are retired and have yet to finish
        self.lines: list[Line[J]] = [Line(share) for share in shares]
        self.spare = 0  # below zero while a reservation is not met, because workers have gone
        self.before, self.after = 0, 0  # the first and the last place that was given

    @property
    def length(self) -> int:
        """How many requests wait."""
        length = 0
        for line in self.lines:  # a generator would take four times as long, and each request asks
            length += line.length
        return length

    def pressing(self) -> int:
        """How many requests wait for nothing but a worker: their lanes may have one more."""
        return sum(line.length for line in self.lines if self._has_room(line))

    # Requests.

    def claim(self, job: J) -> W | None:
        """A worker for a request that has just come, no longer idle."""
        line = self.lines[job.lane]
        return self._take(job) if self.idle and not line.length and self._may(line) else None

    def full(self, lane: int) -> bool:
        """Whether no further request of a lane may wait."""
        return self.lines[lane].length >= self.size

    def wait(self, job: J, *, first: bool = False) -> None:
        """Put a request into its line; `first` for one that had its turn already."""
        line = self.lines[job.lane]
        if first:
            self.before -= 1
            line.jobs.appendleft((self.before, job))
        else:
            self.after += 1
            line.jobs.append((self.after, job))
        line.length += 1

    def withdraw(self, job: J) -> None:
        """Take a waiting request out: its client has left."""
        self.lines[job.lane].withdraw(job)

    def next(self) -> tuple[J, W] | None:
        """The oldest request that may be served, and the worker that has it from now on. Ask again until there is none."""
        if not self.idle:
            return None
        first, oldest = None, sys.maxsize
        for line in self.lines:
            if line.length and self._may(line) and (head := line.head()) and head[0] < oldest:
                first, oldest = line, head[0]
        if first is None:
            return None
        worker = self._take(first.jobs[0][1])
        return (first.pop(), worker) if worker is not None else None

    def expired(self, now: float) -> Iterator[J]:
        """Take out the requests that have waited longer than `timeout`."""
        for line in self.lines:
            while (head := line.head()) and now - head[1].arrived > self.timeout:
                yield line.pop()

    def waiting(self) -> list[J]:
        """All that wait, the oldest first."""
        return [job for _, job in self._entries()]

    def oldest(self) -> float | None:
        """When the first of all waiting requests arrived."""
        heads = [head for line in self.lines if (head := line.head())]
        return min(heads, key=place)[1].arrived if heads else None

    def at_once(self, lane: int) -> bool:
        """Whether a request of this lane would be served at once."""
        line = self.lines[lane]
        return bool(self.idle) and not line.length and self._may(line)

    # Workers.

    def release(self, worker: W) -> None:
        """A worker is new, or has finished its request: it is idle."""
        job = self.working.pop(worker, None)
        self.idle.add(worker)
        if job is None:
            self._share_out()
            return
        line = self.lines[job.lane]
        line.working -= 1
        if line.working >= line.reserved:
            self.spare += 1

    def occupy(self, worker: W, job: J) -> None:
        """An idle worker has found a request by itself."""
        self.idle.remove(worker)
        self._employ(worker, job)

    def retire(self, worker: W) -> None:
        """A worker takes no more requests; the one it has counts for the limit of its lane until the worker is forgotten."""
        job = self.working.get(worker)
        self.forget(worker)
        if job is not None:
            self.leaving[worker] = job
            self.lines[job.lane].leaving += 1

    def forget(self, worker: W) -> None:
        """A worker is gone."""
        if worker in self.leaving:
            self.lines[self.leaving.pop(worker).lane].leaving -= 1
        elif worker in self.working:
            self.lines[self.working.pop(worker).lane].working -= 1
            self._share_out()
        elif worker in self.idle:
            self.idle.remove(worker)
            self._share_out()

    # Lanes.

    def arrange(self, shares: Sequence[Share], lane_of: Callable[[J], int]) -> None:
        """Have other lanes. Every request moves to its new one and keeps its place, every worker goes with its request."""
        waiting = self._entries()
        self.lines = [Line(share) for share in shares]
        for job in (*self.working.values(), *self.leaving.values(), *(job for _, job in waiting)):
            job.lane = lane_of(job)
        for place, job in waiting:
            self.lines[job.lane].jobs.append((place, job))
            self.lines[job.lane].length += 1
        for job in self.working.values():
            self.lines[job.lane].working += 1
        for job in self.leaving.values():
            self.lines[job.lane].leaving += 1
        self._share_out()

    def _entries(self) -> list[tuple[int, J]]:
        entries = (entry for line in self.lines for entry in line.jobs if not entry[1].withdrawn)
        return sorted(entries, key=place)

    def _may(self, line: Line[J]) -> bool:
        """Whether a lane may have an idle worker, if there is one."""
        return self._has_room(line) and (self.spare > 0 or line.working < line.reserved)

    def _has_room(self, line: Line[J]) -> bool:
        """Whether a lane may have one more worker at all."""
        return line.working < line.most and line.working + line.leaving < line.share.limit

    def _take(self, job: J) -> W | None:
        """The next idle worker, which has the job now. None: all of them are held up by what else they do."""
        worker = self.idle.take()
        if worker is not None:
            self._employ(worker, job)
        return worker

    def _employ(self, worker: W, job: J) -> None:
        line = self.lines[job.lane]
        self.working[worker] = job
        if line.working >= line.reserved:
            self.spare -= 1
        line.working += 1

    def _share_out(self) -> None:
        """Apply the shares to the present workers.

        When these are too few, reservations are met in the order of the lanes, and leave one worker to everybody. A lane with a
        limit leaves one that nobody has reserved too, if it can: the limit is there for the others, however many workers there are.
        """
        count = len(self.idle) + len(self.working)
        left = max(0, count - 1)
        for line in self.lines:
            line.reserved = min(line.share.reserved, left)
            left -= line.reserved
        for line in self.lines:
            unlimited = line.share.limit == UNLIMITED
            line.most = UNLIMITED if unlimited else max(1, min(line.share.limit, left + line.reserved))
        self.spare = count - sum(max(line.working, line.reserved) for line in self.lines)
