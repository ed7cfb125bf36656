"""The pulse of an event loop: says in the slot that it turns, measures how late it is, and ends requests that take too long.

The dispatcher gives nothing more to a loop whose last turn is too long ago (`TURNED`). A turn costs a few microseconds, forty times
a second.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Callable

from prefork.scoreboard import LAG, TURNED, TURNED_CPU

if TYPE_CHECKING:
    import asyncio

    from prefork.scoreboard import Slot

EVERY = 0.025  # seconds between two turns that are stamped: four of them in what counts as blocked
LATELY = 5.0  # seconds over which the longest lag is kept


class Pulse:
    """`looked` is called at each beat with the time (monotonic nanoseconds)."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        slot: Slot,
        looked: Callable[[int], None],
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.loop = loop
        self.words = slot.words
        self.looked = looked
        self.clock = clock
        self.due = clock()
        self.longest = self.before = 0  # nanoseconds, in this span of LATELY seconds and in the one before
        self.span_ends = self.due
        self.handle: asyncio.TimerHandle | None = None

    def beat(self) -> None:
        """Stamp this turn, and come back."""
        now = self.clock()
        self.words[TURNED_CPU] = time.process_time_ns()
        self.words[TURNED] = now
        self._measure(now)
        self.looked(now)
        self.due = now + int(EVERY * 1e9)
        self.handle = self.loop.call_later(EVERY, self.beat)

    def _measure(self, now: int) -> None:
        if now >= self.span_ends:
            self.span_ends = now + int(LATELY * 1e9)
            self.longest, self.before = 0, self.longest
        self.longest = max(self.longest, now - self.due)
        self.words[LAG] = max(self.longest, self.before)

    def stop(self) -> None:
        """Beat no more."""
        if self.handle:
            self.handle.cancel()
