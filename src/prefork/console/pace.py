"""How often somebody may try: passwords with a wait that doubles, requests at a steady rate. Pure but for the clock that is given.

Both remember a bounded number of names; who was silent longest is forgotten first.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_NAMES = 10_000
FREE = 4  # wrong passwords without a wait
LONGEST = 300.0  # seconds of a wait
RATE, BURST = 20.0, 100.0  # requests a second of one client, and at once


class Backoff:
    """Counts failures by key: after a few each has to wait twice as long as the one before."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait(self, *keys: str) -> float:
        """How many seconds are left before the next attempt."""
        return max(self._left(key) for key in keys)

    def _left(self, key: str) -> float:
        count, last = self._failures.get(key, (0, 0.0))
        if count < FREE:
            return 0.0
        return max(0.0, last + min(LONGEST, 2.0 ** (count - FREE)) - self._clock())

    def failed(self, *keys: str) -> None:
        """One more attempt was in vain."""
        for key in keys:
            count, last = self._failures.pop(key, (0, 0.0))
            if self._clock() - last > 2 * LONGEST:
                count = 0
            self._failures[key] = (count + 1, self._clock())
            if len(self._failures) > MOST_NAMES:
                self._failures.popitem(last=False)

    def succeeded(self, *keys: str) -> None:
        """Begin to count anew."""
        for key in keys:
            self._failures.pop(key, None)


class Pace:
    """A bucket of tokens for each key: `take` says how many seconds to wait, 0 where the request may go on."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, rate: float = RATE, burst: float = BURST) -> None:
        self._clock, self._rate, self._burst = clock, rate, burst
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> float:
        """Count one request."""
        now = self._clock()
        tokens, at = self._buckets.pop(key, (self._burst, now))
        tokens = min(self._burst, tokens + (now - at) * self._rate)
        enough = tokens >= 1
        self._buckets[key] = (tokens - 1 if enough else tokens, now)
        if len(self._buckets) > MOST_NAMES:
            self._buckets.popitem(last=False)
        return 0.0 if enough else (1 - tokens) / self._rate
