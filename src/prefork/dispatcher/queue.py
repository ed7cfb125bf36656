"""Who is next, and who is idle. Pure: it knows neither sockets nor processes, and takes the time as an argument."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator


FEW = 64  # withdrawn requests that are not worth a look through the line


class Waiter(Protocol):
    """A request that waits: `arrived` is when it was complete (monotonic seconds), `withdrawn` that it need not be served."""

    arrived: float
    withdrawn: bool


J = TypeVar("J", bound=Waiter)
W = TypeVar("W")


class Queue(Generic[J, W]):
    """First come, first served; the worker that was idle last works first, so that its caches are warm and the others can rest.

    There is never an idle worker while a request waits. `size` bounds the waiting requests, `timeout` (seconds) their wait.
    """

    def __init__(self, size: int, timeout: float) -> None:
        self.size = size
        self.timeout = timeout
        self.idle: list[W] = []
        self.line: deque[J] = deque()
        self.length = 0  # of the line without those withdrawn

    def claim(self) -> W | None:
        """An idle worker, no longer idle."""
        return self.idle.pop() if self.idle else None

    def full(self) -> bool:
        """Whether no further request may wait."""
        return self.length >= self.size

    def wait(self, job: J, *, first: bool = False) -> None:
        """Put a request into the line; `first` for one that had its turn already."""
        (self.line.appendleft if first else self.line.append)(job)
        self.length += 1

    def withdraw(self, job: J) -> None:
        """Take a waiting request out: its client has left. It keeps its place until it is passed over, or too many do."""
        job.withdrawn = True
        self.length -= 1
        if len(self.line) > 2 * self.length + FEW:
            self.line = deque(job for job in self.line if not job.withdrawn)

    def release(self, worker: W) -> J | None:
        """A worker has time: the request it is to work on, or None, and then it is idle."""
        while self.line:
            job = self.line.popleft()
            if not job.withdrawn:
                self.length -= 1
                return job
        self.idle.append(worker)
        return None

    def forget(self, worker: W) -> None:
        """A worker takes no more requests."""
        if worker in self.idle:
            self.idle.remove(worker)

    def expired(self, now: float) -> Iterator[J]:
        """Take out the requests that have waited longer than `timeout`."""
        while self.line and (self.line[0].withdrawn or now - self.line[0].arrived > self.timeout):
            job = self.line.popleft()
            if not job.withdrawn:
                self.length -= 1
                yield job

    def oldest(self) -> float | None:
        """When the first waiting request arrived."""
        return next((job.arrived for job in self.line if not job.withdrawn), None)
