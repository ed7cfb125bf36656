"""What follows from a failure. Pure.

A run that was deferred is tried again, a recurring job waits for its next time; both wait longer each time. A job that goes on
failing for a week rests until somebody looks at it: the rule of Odoo 18.
"""

from __future__ import annotations

from datetime import datetime, timedelta

FIRST, FACTOR, CAP = 10.0, 4, 3600.0  # seconds: 10 s, 40 s, 160 s, … an hour
ENOUGH = 5  # failures in a row
LONG = timedelta(days=7)  # since the first of them


def delay(failures: int) -> float:
    """Seconds to wait after so many failures in a row, one or more."""
    return min(CAP, FIRST * float(FACTOR) ** min(failures - 1, 10))


def again(attempt: int, retries: int, recurring: bool) -> bool:
    """Whether a run that failed at this attempt is tried again."""
    return not recurring and attempt <= retries


def rests(failures: int, first_failed_at: datetime | None, now: datetime) -> bool:
    """Whether a job is deactivated by a failure that makes them so many."""
    return failures >= ENOUGH and first_failed_at is not None and now - first_failed_at > LONG
