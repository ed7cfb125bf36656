"""How long an application has waited for its client, to send or to read: that counts for no limit of its request."""

from __future__ import annotations

import time
from typing import Callable


class Stopwatch:
    """Runs while anybody is inside of `with`. All times are monotonic nanoseconds."""

    __slots__ = ("clock", "inside", "run", "since")

    def __init__(self, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self.clock = clock
        self.inside = 0  # how many are
        self.run = self.since = 0

    def __enter__(self) -> None:
        """Somebody begins to wait."""
        if self.inside == 0:
            self.since = self.clock()
        self.inside += 1

    def __exit__(self, *_: object) -> None:
        """Somebody waits no more."""
        self.inside -= 1
        if self.inside == 0:
            self.run += self.clock() - self.since

    def lap(self, now: int) -> int:
        """For how long it has run since this was asked last."""
        run, self.run = self.run, 0
        if self.inside:
            run += now - self.since
            self.since = now
        return run
