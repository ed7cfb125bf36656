"""A console's file with ten million samples of usage, and its statements with what they are asked in earnest."""

import time
from pathlib import Path
from typing import Any, NamedTuple

from prefork.instances import history
from prefork.instances.database import Database
from prefork.usage.sample import KEPT, Sample

GRAINS = {  # how long a sample is, and how long it is kept
    history.MEASURED: (history.DEFAULT_SPAN, history.MEASURED_FOR),
    history.HOUR: (history.HOUR, history.SUMMARIES_FOR),
    history.QUARTER: (history.QUARTER, history.SUMMARIES_FOR),
}
FIGURES = {"configured": 8, "cpu": 40.0, "memory": 1e9, "succeeded": 9000, "host_cpu": 50.0, "host_memory": 60.0, "disk": 40.0}
COUNTS = dict.fromkeys(range(20, 32), 100)
INSTANCE = "INSERT INTO instances (id, name, kind, directory, created_at) VALUES (?, ?, 'local', '/var/lib/shop', 0)"
COLUMNS = f"grain, {', '.join(KEPT)}"
COPY = f"INSERT INTO samples (instance_id, {COLUMNS}) SELECT ?, {COLUMNS} FROM samples WHERE instance_id = 'shop 00000'"


class Asked(NamedTuple):
    """A statement of instances/history.py, its values, and what it is there for."""

    title: str
    text: str
    values: tuple[Any, ...]


def fill(file: Path, rows: int) -> tuple[Database, int]:
    """The file, with as many instances as have so many samples together; and how many those are."""
    db = Database(file)
    for pragma in ("journal_mode = OFF", "synchronous = OFF"):
        db.change(f"PRAGMA {pragma}")
    first = "shop 00000"
    db.change(INSTANCE, first, first)
    now, made = time.time(), 0
    with db.transaction():
        for grain, (seconds, kept) in GRAINS.items():
            for number in range(int(kept // seconds)):
                at = (now - kept + number * seconds) // seconds * seconds
                history.record(db, first, Sample(at=at, seconds=seconds, waits=COUNTS, services=COUNTS, **FIGURES), grain)
                made += 1
    instances = -(-rows // made)
    for number in range(1, instances):
        with db.transaction():
            db.change(INSTANCE, f"shop {number:05}", f"shop {number:05}")
            db.change(COPY, f"shop {number:05}")
    db.change("PRAGMA journal_mode = WAL")
    db.change("PRAGMA synchronous = NORMAL")
    return db, made * instances


def asked(now: float) -> tuple[Asked, ...]:
    """Every statement about samples, of an instance in the middle."""
    shop, hour, quarter = "shop 00500", history.HOUR, history.QUARTER
    sample = Sample(at=now, seconds=300.0, waits=COUNTS, services=COUNTS, **FIGURES)
    row = tuple(history.written(getattr(sample, name)) for name in KEPT)
    mark = ("INSERT OR IGNORE INTO marks (instance_id, at, kind, text) VALUES (?, ?, 'reload', '')", (shop, now))
    return (
        Asked("record", history.INSERT, (shop, 0, *row)),
        Asked("chart of a day", history.SPAN, (shop, 0, now - history.DAY, now)),
        Asked("chart of a week", history.SPAN, (shop, hour, now - 7 * history.DAY, now)),
        Asked("chart of half a year", history.SPAN, (shop, quarter, now - history.SUMMARIES_FOR, now)),
        Asked("the last of a kind", history.LAST, (shop, hour, now)),
        Asked("the first of a kind", history.FIRST, (shop, 0, now - history.DAY)),
        Asked("forget an hour", history.FORGET, (shop, 0, now - history.MEASURED_FOR + hour)),
        Asked("mark", *mark),
    )
