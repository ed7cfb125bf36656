"""Whether the machine's clock can be believed by who deletes what is old.

To one that is years ahead for ten minutes everything is old, and what was deleted does not come back. So it has to go evenly for
hours first: after each start of the console, and whenever it was set.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

STEADY = 6 * 3600.0  # seconds
STEP = 600.0  # seconds by which it may be set all the same: what is deleted so much too early is not missed


def passed() -> float:
    """Seconds that nobody sets, those of a suspended machine among them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Clock:
    """`wall` is the clock. Nothing is known of what it did before this was made."""

    def __init__(self, wall: Callable[[], float] = time.time, passed: Callable[[], float] = passed) -> None:
        self.wall, self.passed = wall, passed
        self._offset = wall() - passed()
        self._since = passed()

    def look(self) -> float:
        """By how many seconds it was set since the last look, below 0 where that was back; 0 where it goes evenly."""
        offset = self.wall() - self.passed()
        by, self._offset = offset - self._offset, offset
        if abs(by) <= STEP:
            return 0.0
        self._since = self.passed()
        return by

    def steady(self) -> bool:
        """Whether it has gone evenly for long enough, by the last look at it."""
        return self.passed() - self._since >= STEADY
