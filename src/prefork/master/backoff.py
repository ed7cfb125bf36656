"""How long to wait before the next start when processes die young. Pure."""

from __future__ import annotations

SETTLED = 1.0  # seconds of life after which a death is no failed start any more
FREE = 2  # failed starts in a row that are repeated at once
HOPELESS = 3  # failed starts in a row after which a server that was never ready gives up
FIRST, CAP = 0.5, 30.0  # seconds


class Backoff:
    """Counts failed starts in a row; remembers when the last one was (monotonic seconds) and what the first one said.

    The wait for the next one doubles up to `cap` seconds.
    """

    def __init__(self, cap: float = CAP) -> None:
        self.cap = cap
        self.failures = 0
        self.not_before = 0.0
        self.last = 0.0
        self.first: str | None = None

    def failed(self, now: float, said: str | None = None) -> float:
        """A process died young. Returns the seconds until the next start."""
        self.failures += 1
        self.last = now
        self.first = self.first or said
        delay = 0.0 if self.failures <= FREE else min(self.cap, FIRST * 2 ** min(self.failures - FREE - 1, 10))
        self.not_before = now + delay
        return delay

    @property
    def hopeless(self) -> bool:
        """Whether it is enough for a server that was never ready."""
        return self.failures >= HOPELESS

    def lives(self, born: float, ready: float, now: float) -> None:
        """A process is alive. One that was started after the last failure, and has settled, ends the count.

        An older one proves nothing: of two workers one may live for ever while the other's place is a crash loop.
        """
        if self.failures and born > self.last and now - ready > SETTLED:
            self.failures = 0
            self.not_before = 0.0
            self.first = None
