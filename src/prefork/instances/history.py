"""What instances have done: samples as they were measured for 14 days, summaries of hours for 180, and the marks between them.

A summary is made once all that was measured in its time is there, by the rules of `Sample`. A chart's points are made the same way.
There are summaries of quarters of a day, too, for nothing but to have the longest chart at once.
"""

from __future__ import annotations

import json
from itertools import groupby
from typing import TYPE_CHECKING, Any

from prefork.usage.reading import Mark
from prefork.usage.sample import COUNTS, KEPT, Sample, merge

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from prefork.instances.database import Database

DAY = 86_400.0
HOUR = 3600
QUARTER = 6 * HOUR  # of a day
SUMMARIES = (QUARTER, HOUR)  # coarse before fine
LATE = HOUR  # a sample is recorded at its end, which is no later than this after its beginning
MEASURED = 0  # the grain of what was measured
DEFAULT_SPAN = 300.0  # seconds of what was measured, where the server has not said another length
MEASURED_FOR = 14 * DAY
SUMMARIES_FOR = 180 * DAY

# What charts show: how many seconds, and those of a point.
RANGES = {"1h": (HOUR, 60), "24h": (DAY, 300), "7d": (7 * DAY, HOUR), "180d": (SUMMARIES_FOR, QUARTER)}

INSERT = f"""
INSERT OR REPLACE INTO samples (instance_id, grain, {", ".join(KEPT)}) VALUES (?, ?, {", ".join("?" * len(KEPT))})
"""  # noqa: S608 - the names of our own columns
SPAN = f"""
SELECT {", ".join(KEPT)} FROM samples WHERE instance_id = ? AND grain = ? AND at >= ? AND at < ? ORDER BY at
"""  # noqa: S608 - the names of our own columns
LAST = "SELECT max(at) AS at FROM samples WHERE instance_id = ? AND grain = ? AND at < ?"
FIRST = "SELECT min(at) AS at FROM samples WHERE instance_id = ? AND grain = ? AND at >= ?"
FORGET = "DELETE FROM samples WHERE instance_id = ? AND grain = ? AND at < ?"


def record(db: Database, instance: str, sample: Sample, grain: int = MEASURED) -> None:
    """Keep a sample."""
    db.change(INSERT, instance, grain, *(written(getattr(sample, name)) for name in KEPT))


def note(db: Database, instance: str, marks: Iterable[Mark]) -> None:
    """Keep marks; the same one twice is one."""
    with db.transaction():
        for mark in marks:
            db.change("INSERT OR IGNORE INTO marks (instance_id, at, kind, text) VALUES (?, ?, ?, ?)", instance, *mark)


def marks(db: Database, instance: str, start: float, end: float) -> list[Mark]:
    """Those of a time, in order."""
    found = db.rows(
        "SELECT at, kind, text FROM marks WHERE instance_id = ? AND at >= ? AND at < ? ORDER BY at", instance, start, end
    )
    return [Mark(*row) for row in found]


def series(db: Database, instance: str, start: float, end: float, resolution: float) -> list[Sample]:
    """The points of a chart from `start` to `end` (seconds since 1970): one for each multiple of `resolution` seconds of which
    anything is known, made from what was measured where that is still there, or from hours.
    """
    summaries = [grain for grain in SUMMARIES if grain <= resolution]
    if not summaries:
        first = db.row(FIRST, instance, MEASURED, start)
        known_from = first["at"] if first and first["at"] is not None else end
        return points(
            [*spans(db, instance, HOUR, start, min(end, known_from)), *spans(db, instance, MEASURED, start, end)], resolution
        )
    found = []
    for grain in summaries:  # each goes on where the one before has not been made yet
        found += spans(db, instance, grain, start, end)
        start = after(db, instance, grain, start, end)
    return points([*found, *spans(db, instance, MEASURED, start, end)], resolution)


def points(samples: Iterable[Sample], resolution: float) -> list[Sample]:
    """Samples in their order, merged into spans of `resolution` seconds, each of which begins at a multiple of it."""
    return [
        merge([Sample(at=number * resolution), *each]) for number, each in groupby(samples, lambda sample: sample.at // resolution)
    ]


def condense(db: Database, now: float) -> None:
    """Make the summaries that are complete, and forget what is too old."""
    for row in db.rows("SELECT id FROM instances"):
        instance = row["id"]
        with db.transaction():
            for finer, grain in ((MEASURED, HOUR), (HOUR, QUARTER)):
                end = (now - LATE) // grain * grain
                found = spans(db, instance, finer, after(db, instance, grain, 0.0, end), end)
                for summary in points(found, grain):
                    record(db, instance, summary, grain)
            db.change(FORGET, instance, MEASURED, now - MEASURED_FOR)
            for grain in SUMMARIES:
                db.change(FORGET, instance, grain, now - SUMMARIES_FOR)
            db.change("DELETE FROM marks WHERE instance_id = ? AND at < ?", instance, now - SUMMARIES_FOR)


def after(db: Database, instance: str, grain: int, start: float, end: float) -> float:
    """When the time begins, at `start` or later, of which no summaries of a grain have been made. What lies behind `end` was
    measured while the clock was wrong.
    """
    last = db.row(LAST, instance, grain, end)
    return max(start, last["at"] + grain) if last and last["at"] is not None else start


def spans(db: Database, instance: str, grain: int, start: float, end: float) -> list[Sample]:
    """What is kept of a time, in order."""
    return [Sample(**read(row)) for row in db.rows(SPAN, instance, grain, start, end)]


def written(value: Any) -> Any:
    """A value as it stands in the file."""
    if isinstance(value, dict):
        return json.dumps([*value, *value.values()], separators=(",", ":"))
    return value


def read(row: Any) -> Mapping[str, Any]:
    """The figures of a row."""
    found = dict(row)
    for name in COUNTS:
        numbers = json.loads(found[name])
        half = len(numbers) // 2
        found[name] = dict(zip(numbers[:half], numbers[half:], strict=True))
    return found
