"""How long a client that has its last answer may go on sending before its connection is closed.

Closing while bytes are unread answers them with a reset, which can overtake the answer. A client that sends before it reads is to
be told all the same, but nobody sends for ever.
"""

from __future__ import annotations

WITHOUT_A_BYTE = 2.0  # seconds
IN_ALL = 30.0  # seconds
BYTES = 64 << 20


class Lingering:
    """The end of a connection that waits for its client. Times are monotonic seconds."""

    __slots__ = ("left", "until")

    def __init__(self, now: float) -> None:
        self.until = now + IN_ALL
        self.left = BYTES

    def deadline(self, now: float) -> float:
        """When it is closed if nothing more arrives."""
        return min(now + WITHOUT_A_BYTE, self.until)

    def endures(self, size: int) -> bool:
        """Let so many received bytes go; False when these were too many."""
        self.left -= size
        return self.left >= 0
