"""The threads that touch files, so that the dispatcher's loop never waits for a disk.

A few are enough while disks answer. One that hangs in a dead mount is replaced by another, so that it holds up its own errand only.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

FEW = 4  # threads while none of them hangs
MOST = 256


class Disk:
    """`do` runs a job in a thread; what it returns, or the exception it raised, is given to `then` by `collect`, in the loop.

    `guard` calls a function with arguments and contains its faults.
    """

    def __init__(self, guard: Callable[..., None]) -> None:
        self.guard = guard
        self.errands: SimpleQueue[tuple[Callable[[], Any], Callable[[Any], None]]] = SimpleQueue()
        self.done: deque[tuple[Callable[[Any], None], Any]] = deque()
        self.bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.threads = 0
        self.pending = 0  # errands that nobody has collected
        self.moving = True  # one has come back since the last look

    def do(self, job: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Have a thread do `job`."""
        self.pending += 1
        self.errands.put((job, then))
        if self.pending > self.threads and self.threads < FEW:
            self._hire()

    def collect(self, mask: int) -> None:  # noqa: ARG002 - every callback of the loop gets the mask
        """The bell has rung: hand out results."""
        os.eventfd_read(self.bell)
        self.moving = True
        while self.done:
            then, outcome = self.done.popleft()
            self.pending -= 1
            self.guard(then, outcome)

    def look(self) -> None:
        """Hire for errands that wait while no thread has come back since the last look."""
        if not self.moving:
            for _ in range(min(self.pending, MOST) - self.threads):
                self._hire()
        self.moving = False

    def _hire(self) -> None:
        self.threads += 1
        threading.Thread(target=self._work, name=f"disk {self.threads}", daemon=True).start()

    def _work(self) -> None:
        while True:
            job, then = self.errands.get()
            try:
                outcome = job()
            except Exception as error:  # noqa: BLE001 - the loop hears of it
                outcome = error
            self.done.append((then, outcome))
            os.eventfd_write(self.bell, 1)
            del job, then, outcome  # nothing is kept alive while it waits
