"""When lines of single workers are unfair to those who stand in them, or in the one line of all. Pure.

In one line a request waits as long as the answers to all that wait take. With a line for each worker it may wait longer, by what
the lines differ, and in the one line beside them by what workers answer from their own in between. That costs nobody more than a
moment as long as answers take microseconds; where they take milliseconds, most loans have to be taken home, and all stand in one
line.
"""

from __future__ import annotations

MOMENT = 0.001  # seconds that a worker may have worked for a request before what stands behind it is looked after
LONG = 0.02  # seconds inside a request, whatever it does there, that nobody stands behind; and that a line of its own may cost
MUCH = 2.0  # times what one line would take; the rate that this is reckoned with is that of half a second before
MOST_FETCHED = 0.25  # of the requests on loans, as long as loans save more than it costs to take them home
WEIGHT = 1 / 128  # of one more request among those before it
SMOOTH = 0.5  # of the last interval among those before it


class Pace:
    """How fast all workers answer together (`rate`, per second), and which part of what comes on loans has to be taken home because
    its worker is inside something long (`fetched`).
    """

    def __init__(self) -> None:
        self.rate = 0.0
        self.fetched = 0.0
        self.count = 0
        self.since = 0.0

    def answered(self) -> None:
        """A request has been answered."""
        self.count += 1

    def spared(self) -> None:
        """A worker has answered a request by itself."""
        self.fetched -= self.fetched * WEIGHT

    def fetch(self) -> None:
        """One was taken home."""
        self.fetched += (1.0 - self.fetched) * WEIGHT

    def tick(self, now: float) -> None:
        """Measure the rate, now and then."""
        if self.since and now > self.since:
            self.rate += (self.count / (now - self.since) - self.rate) * SMOOTH
        self.count, self.since = 0, now

    @property
    def pays(self) -> bool:
        """Whether loans save more than they cost."""
        return self.fetched < MOST_FETCHED

    def takes(self, requests: int) -> float:
        """The seconds after which so many requests would be answered."""
        return requests / self.rate if self.rate else 0.0

    def unfair(self, wait: float, in_line: int, in_lines: int) -> bool:
        """Whether a request that has waited so long in the one line has done so because workers have lines of their own, where
        `in_line` wait in that one and `in_lines` in those.
        """
        fair = MUCH * self.takes(in_line + in_lines) if self.pays else 0.0
        return in_lines > 0 and wait > LONG + fair


def shorter(line: int, other: int) -> bool:
    """Whether a request had better stand in another worker's line, so that the lines grow alike."""
    return other == 0 or 2 * other + 2 <= line
