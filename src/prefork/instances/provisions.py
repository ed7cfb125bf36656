"""The rows of the instances that the console runs itself, and of what was done with them.

What was asked for and given is JSON here; `provision` knows what it means. At most one work of an instance is under way.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from prefork.instances.changes import FAILED, Conflict
from prefork.instances.changes import RUNNING as RUNNING
from prefork.instances.database import Unusable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prefork.instances.database import Database

STOPPED = "stopped"  # what is wanted of an instance: this, or RUNNING
COLUMNS = "instance_id, wish, given, wanted, pid, began, failures, retry_at, ended_at, ended_how"
WORK = "id, instance_id, at, who, action, state, step, message, ended_at"


class Provision(NamedTuple):
    """One instance. `pid` and `began` name its master, None before the first; the last end that nobody wanted has a time and words.

    `failures` have followed each other, and nothing is started before `retry_at`.
    """

    instance: str
    wish: dict[str, Any]
    given: dict[str, Any]
    wanted: str
    pid: int | None
    began: int | None
    failures: int
    retry_at: float
    ended_at: float | None
    ended_how: str


class Work(NamedTuple):
    """Something that is, or was, done with an instance; `step` says how far it is, `message` how it went."""

    id: int
    instance: str
    at: float
    who: str
    action: str
    state: str
    step: str
    message: str
    ended_at: float | None


def add(db: Database, instance: str, wish: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Keep a new one, which is to run."""
    row = (instance, json.dumps(wish), json.dumps(given), RUNNING)
    db.change("INSERT INTO provisions (instance_id, wish, given, wanted) VALUES (?, ?, ?, ?)", *row)


def find(db: Database, instance: str) -> Provision | None:
    """One; None where the console does not run it."""
    row = db.row(f"SELECT {COLUMNS} FROM provisions WHERE instance_id = ?", instance)  # noqa: S608 - the columns above
    return read(tuple(row)) if row else None


def listed(db: Database) -> list[Provision]:
    """All."""
    return [read(tuple(row)) for row in db.rows(f"SELECT {COLUMNS} FROM provisions ORDER BY instance_id")]  # noqa: S608 - the columns above


def read(row: tuple[Any, ...]) -> Provision:
    """One from its row."""
    return Provision._make([row[0], json.loads(row[1]), json.loads(row[2]), *row[3:]])


def rewrite(db: Database, instance: str, wish: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """It is something else now, which nobody else could say later: as soon as there is room at the latest."""
    db.insist("UPDATE provisions SET wish = ?, given = ? WHERE instance_id = ?", json.dumps(wish), json.dumps(given), instance)


def want(db: Database, instance: str, wanted: str) -> None:
    """It is to run, or to stop. What went wrong before counts no longer."""
    db.change("UPDATE provisions SET wanted = ?, failures = 0, retry_at = 0 WHERE instance_id = ?", wanted, instance)


def note_process(db: Database, instance: str, pid: int | None, began: int | None) -> None:
    """Which process it is, or that there is none."""
    db.change("UPDATE provisions SET pid = ?, began = ? WHERE instance_id = ?", pid, began, instance)


def note(db: Database, course: Provision) -> None:
    """How it goes: its process, its last end, and when it may be started again."""
    db.change(
        "UPDATE provisions SET pid = ?, began = ?, failures = ?, retry_at = ?, ended_at = ?, ended_how = ? WHERE instance_id = ?",
        *(course.pid, course.began, course.failures, course.retry_at, course.ended_at, course.ended_how, course.instance),
    )


# What is done with them.


def begin(db: Database, instance: str, who: str, action: str) -> Work:
    """Something is to be done with an instance. Raises Conflict where something is already."""
    with db.transaction():
        if db.row("SELECT 1 FROM works WHERE instance_id = ? AND state = ?", instance, RUNNING):
            raise Conflict(f"something is being done with {instance}; wait for its end")
        row = (instance, time.time(), who, action, RUNNING)
        made = db.change("INSERT INTO works (instance_id, at, who, action, state) VALUES (?, ?, ?, ?, ?)", *row)
    assert made.lastrowid is not None
    return Work(made.lastrowid, *row[:4], RUNNING, "", "", None)


def note_step(db: Database, work: Work, step: str) -> None:
    """How far it is. These are words: without room for them it goes on."""
    with suppress(Unusable):
        db.change("UPDATE works SET step = ? WHERE id = ?", step, work.id)


def end(db: Database, work: Work, state: str, message: str = "") -> None:
    """How it went, when there is room again at the latest: until then nothing else can be done with the instance."""
    db.insist("UPDATE works SET state = ?, message = ?, ended_at = ? WHERE id = ?", state, message, time.time(), work.id)


def abandon(db: Database) -> None:
    """What a console was doing that is no more. What is to run is looked after anyway."""
    said = "the console ended before it could note how this went; see whether the instance is as it should be"
    db.change("UPDATE works SET state = ?, message = ?, ended_at = ? WHERE state = ?", FAILED, said, time.time(), RUNNING)


def work(db: Database, instance: str, number: int) -> Work | None:
    """One of an instance's."""
    row = db.row(f"SELECT {WORK} FROM works WHERE instance_id = ? AND id = ?", instance, number)  # noqa: S608 - the columns above
    return Work._make(tuple(row)) if row else None


def works(db: Database, instance: str, limit: int, before: int | None = None) -> list[Work]:
    """An instance's, the latest first, older ones than `before`."""
    where = "instance_id = ? AND (? IS NULL OR id < ?) ORDER BY id DESC LIMIT ?"
    return [Work._make(tuple(row)) for row in db.rows(f"SELECT {WORK} FROM works WHERE {where}", instance, before, before, limit)]  # noqa: S608 - the columns above


def busy(db: Database, instance: str) -> bool:
    """Whether something is being done with an instance."""
    return db.row("SELECT 1 FROM works WHERE instance_id = ? AND state = ?", instance, RUNNING) is not None
