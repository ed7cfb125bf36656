"""The threads that touch files, so that the dispatcher's loop never waits for a disk.

A few are enough while disks answer. One that hangs, in a dead mount, is replaced by another, so that it holds up its own errand
only; when it comes back there is one too many, and one leaves. All counting is done by the loop's thread.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter, deque
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.dispatcher.outbox import Extent

FEW = 4  # threads while none of them hangs
MOST = 256
STALLED = 64  # of them: more do not try the same place
SLICE = 1 << 18  # bytes of a file that are read or written at once
SHARE = 1 << 22  # bytes that a thread sends or receives before others have their turn
HANGING = 0.25  # seconds after which a thread is replaced; one that is only slow comes back to one that is too many

BUFFERS = threading.local()  # one for each thread, made once: memory that is new for each slice costs more than reading it


class Errand:
    """What a thread is to do. `since` is when one began it (monotonic seconds), `replaced` that it hangs, `place` where."""

    __slots__ = ("disk", "job", "place", "replaced", "since", "then")

    def __init__(self, disk: Disk, job: Callable[[], Any], then: Callable[[Any], None], place: str) -> None:
        self.disk = disk
        self.job = job
        self.then = then
        self.place = place
        self.since = 0.0
        self.replaced = False

    def withdraw(self) -> bool:
        """Whether no thread has begun it; then none ever will."""
        if not self.disk.claim(self):
            return False
        self.disk.pending -= 1
        return True


class Disk:
    """`do` runs a job in a thread; what it returns, or the exception it raised, is given to `then` by `collect`, in the loop.

    `guard` calls a function with arguments and contains its faults.
    """

    def __init__(self, guard: Callable[..., None]) -> None:
        self.guard = guard
        self.errands: SimpleQueue[Errand | None] = SimpleQueue()
        self.unclaimed: set[Errand] = set()
        self.begun: set[Errand] = set()
        self.done: deque[tuple[Errand, Any]] = deque()
        self.bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.threads = 0
        self.hanging: Counter[str] = Counter()  # how many of them, by place
        self.pending = 0  # errands that nobody has collected

    def do(self, job: Callable[[], Any], then: Callable[[Any], None], place: str = "") -> Errand:
        """Have a thread do `job`, which is about a file in some `place`."""
        errand = Errand(self, job, then, place)
        self.pending += 1
        self.unclaimed.add(errand)
        self.errands.put(errand)
        if self.pending > self.threads and self.threads < FEW:
            self._hire(1)
        return errand

    def close(self, descriptor: int) -> None:
        """Close a file. That may wait for its disk, too: for a mount to be told, or for the blocks of a nameless file."""
        self.do(partial(os.close, descriptor), nothing)

    def collect(self, mask: int) -> None:  # noqa: ARG002 - every callback of the loop gets the mask
        """The bell has rung: hand out results."""
        os.eventfd_read(self.bell)
        while self.done:
            errand, outcome = self.done.popleft()
            self.pending -= 1
            if errand.replaced:
                self.hanging[errand.place] -= 1
            self.guard(errand.then, outcome)
        idle = self.threads - len(self.begun) - len(self.unclaimed)
        for _ in range(min(idle, self._moving() - FEW)):
            self.threads -= 1
            self.errands.put(None)

    def look(self, now: float) -> None:
        """Replace threads that hang; where all of them do, by one for each errand that waits, as those may hang like them."""
        for errand in self.begun.copy():
            if not errand.replaced and now - errand.since > HANGING:
                errand.replaced = True
                self.hanging[errand.place] += 1
        moving, waiting = self._moving(), len(self.unclaimed)
        self._hire(min(waiting, FEW - moving if moving else waiting, MOST - self.threads))

    def stalled(self, place: str) -> bool:
        """Whether so many threads hang in a place that no other should go there: the rest is for other places."""
        return self.hanging[place] >= STALLED

    def _moving(self) -> int:
        """Threads that do not hang."""
        return self.threads - self.hanging.total()

    def claim(self, errand: Errand) -> bool:
        """Take an errand, for doing it or for having it never done: one of all who try is the one who may."""
        try:
            self.unclaimed.remove(errand)
        except KeyError:
            return False
        return True

    def _hire(self, count: int) -> None:
        for _ in range(count):
            try:
                threading.Thread(target=self._work, name="disk", daemon=True).start()
            except RuntimeError:
                return  # the system has no thread for us now: the next look tries again
            self.threads += 1

    def _work(self) -> None:
        while errand := self.errands.get():
            if self.claim(errand):
                self._go(errand)
            del errand  # nothing is kept alive while it waits

    def _go(self, errand: Errand) -> None:
        errand.since = time.monotonic()
        self.begun.add(errand)
        try:
            outcome = errand.job()
        except Exception as error:  # noqa: BLE001 - the loop hears of it
            outcome = error
        self.begun.remove(errand)
        self.done.append((errand, outcome))
        os.eventfd_write(self.bell, 1)


class Spool(Disk):
    """The disk of the server's own files, apart from all others, whose mounts may hang: they have no name, below `directory`."""

    def __init__(self, guard: Callable[..., None], directory: int) -> None:
        super().__init__(guard)
        self.directory = directory


class Disks(NamedTuple):
    """Files that others have made, and our own."""

    files: Disk
    spool: Spool

    def of(self, extent: Extent) -> Disk:
        """Where a part of a file is read."""
        return self.spool if extent.growing else self.files

    def discard(self, extent: Extent) -> None:
        """Let go of it."""
        self.of(extent).close(extent.descriptor)


def slice_buffer() -> memoryview:
    """This thread's memory for slices."""
    if not hasattr(BUFFERS, "slice"):
        BUFFERS.slice = memoryview(bytearray(SLICE))
    return cast("memoryview", BUFFERS.slice)


def nothing(outcome: object) -> None:
    """Nobody waits for this errand."""
