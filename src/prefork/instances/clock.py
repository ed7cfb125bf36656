"""Whether the machine's clock can be believed by who deletes what is old.

To one that is years ahead for ten minutes everything is old, and what was deleted does not come back. So it has to go evenly for
an hour first: after each start of the machine, by when NTP has corrected what is wrong, and whenever it was set. The file has since
when it does, so that consoles which are started again and again forget as well.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.instances.database import Database

STEADY = 3600.0  # seconds
STEP = 600.0  # seconds by which it may be set all the same: what is deleted so much too early is not missed
BOOT = Path("/proc/sys/kernel/random/boot_id")


def passed() -> float:
    """Seconds since the machine's start that nobody sets, those of a suspended machine among them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Course(NamedTuple):
    """How the clock has gone after a start of the machine: it was so far `ahead` of what had passed, evenly from `since` on."""

    boot: str
    ahead: float
    since: float


class Clock:
    """`wall` is the clock. What it did before this was made is `known` of this start of the machine, if at all."""

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        passed: Callable[[], float] = passed,
        boot: str | None = None,
        known: Course | None = None,
    ) -> None:
        self.wall, self.passed = wall, passed
        boot = BOOT.read_text().strip() if boot is None else boot
        now = Course(boot, wall() - passed(), passed())
        same = known is not None and known.boot == boot and abs(now.ahead - known.ahead) <= STEP
        self.course = now._replace(since=min(known.since, now.since)) if known and same else now

    def look(self) -> float:
        """By how many seconds it was set since the last look, below 0 where that was back; 0 where it goes evenly."""
        ahead = self.wall() - self.passed()
        by = ahead - self.course.ahead
        even = abs(by) <= STEP
        self.course = self.course._replace(ahead=ahead, since=self.course.since if even else self.passed())
        return 0.0 if even else by

    def steady(self) -> bool:
        """Whether it has gone evenly for long enough, by the last look at it."""
        return self.passed() - self.course.since >= STEADY


def recall(db: Database) -> Course | None:
    """What the last console knew. Raises Unusable."""
    row = db.row("SELECT boot, ahead, since FROM clock")
    return Course(*row) if row else None


def keep(db: Database, course: Course) -> None:
    """Have the next console know it. Raises Unusable."""
    db.change("INSERT OR REPLACE INTO clock (id, boot, ahead, since) VALUES (1, ?, ?, ?)", *course)
