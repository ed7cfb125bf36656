"""When a recurring job is due. Pure: texts and times in, times out.

A schedule is `every 10 minutes` or a cron expression with its time zone. Times are aware; those of an interval are counted from the
time before, so that they do not drift. A clock change moves a cron job as Debian's cron does: never lost, never twice.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Union

INTERVAL = re.compile(r"every\s+(?:(\d+)\s*)?([a-z]+)", re.ASCII)
SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}
SHORT = {"s": "second", "m": "minute", "min": "minute", "h": "hour", "d": "day", "w": "week"}
MISFIRES = ("once", "skip")
GRACE = timedelta(seconds=60)  # so late is not yet missed
LONGEST = timedelta(days=36_525)  # of an interval: a century


class Every:
    """An interval."""

    def __init__(self, text: str) -> None:
        found = INTERVAL.fullmatch(text.strip().lower())
        unit = found[2] if found else ""
        unit = SHORT.get(unit, unit.removesuffix("s"))
        seconds = int(found[1] or 1) * SECONDS[unit] if found and unit in SECONDS else 0
        if not 0 < seconds <= LONGEST.total_seconds():
            raise ValueError(f'"{text}" is not an interval; write a number and a unit, such as every 10 minutes')
        self.interval = timedelta(seconds=seconds)

    def after(self, due: datetime, now: datetime) -> datetime:
        """The first of the times that begin with `due` which is later than `now`."""
        due, now = universal(due), universal(now)
        if due > now:
            return due
        return due + ((now - due) // self.interval + 1) * self.interval


class Cron:
    """A cron expression in a time zone."""

    def __init__(self, text: str, tz: str) -> None:
        try:
            from cronsim import CronSim, CronSimError
        except ImportError as error:
            raise ValueError(
                f'the schedule "{text}" needs cronsim ({error}); install it in the application\'s environment'
            ) from None
        self.zone = zone(tz)
        self.text = text
        self._evaluate = CronSim
        try:
            CronSim(text, datetime.now(self.zone))
        except CronSimError as error:
            raise ValueError(f'"{text}" is neither an interval (every 10 minutes) nor a cron expression: {error}') from None

    def after(self, due: datetime, now: datetime) -> datetime:  # noqa: ARG002 - as of `Every`
        """The first time later than `now`. Raises ValueError where there is none within 50 years."""
        now = universal(now)
        # Of an hour that comes twice cronsim names the first, also to whoever asks in the second.
        for found in self._evaluate(self.text, now.astimezone(self.zone)):
            if (moment := universal(found)) > now:
                return moment
        raise ValueError(f'"{self.text}" names a day that never comes')


Schedule = Union[Every, Cron]


def zone(tz: str) -> tzinfo:
    """A time zone by name. Raises ValueError."""
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(tz)
    except (KeyError, ValueError, OSError):
        raise ValueError(
            f'there is no time zone "{tz}" here; write one such as Europe/Berlin, and install tzdata if it is missing'
        ) from None


def parse(text: str, tz: str) -> Schedule:
    """A schedule. Raises ValueError with a sentence."""
    return Every(text) if text.strip().lower().startswith("every ") else Cron(text, tz)


def check_misfire(misfire: str) -> None:
    """Refuse what is no policy. Raises ValueError."""
    if misfire not in MISFIRES:
        raise ValueError(f'"{misfire}" is not one of {", ".join(MISFIRES)}: what to do when a time was missed')


def first(schedule: Schedule, now: datetime) -> datetime:
    """When a job that is new is due: an interval begins at once."""
    return now if isinstance(schedule, Every) else schedule.after(now, now)


def first_due(text: str | None, tz: str, now: datetime) -> datetime | None:
    """When a job is due that has just got its schedule; without one nobody knows. Raises ValueError."""
    return None if text is None else first(parse(text, tz), now)


def missed(misfire: str, due: datetime, now: datetime) -> bool:
    """Whether a time that nobody noticed in time is to be left out."""
    return misfire == "skip" and universal(now) - universal(due) > GRACE


def universal(moment: datetime) -> datetime:
    """The same time in UTC: of two times in one zone Python compares and subtracts what clocks show, whatever lies between."""
    return moment.astimezone(timezone.utc)
