"""Scheduled jobs in the database: one function for each statement of `jobs.sql` and `jobs.sqlite.sql`, values in, values out.

Every function is one short transaction, or part of the caller's. None stays open while a job is done.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from prefork.store.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import psycopg

    Connection = psycopg.Connection[Any]

SQL = Statements("jobs")
LEASE = 30.0  # seconds for which a claim holds without being renewed
AT_ONCE = 1_000  # ended attempts that one transaction forgets
ABSENT = 86_400.0  # seconds after which a node that nobody has heard of is forgotten


class Holder(NamedTuple):
    """Who claims: a worker by its name on its node, which its replacement has too, and its pid."""

    node: str
    worker: str
    pid: int


class Due(NamedTuple):
    """A recurring job as its row says, and the time of the database."""

    name: str
    schedule: str
    tz: str
    misfire: str
    priority: int
    arguments: Any
    due_at: datetime
    now: datetime


class Claim(NamedTuple):
    """A run that is ours until its lease ends, and what is known of its job."""

    id: int
    job: str
    attempt: int
    arguments: Any
    recurring: bool
    due_at: datetime
    retries: int
    failures: int
    first_failed_at: datetime | None


class Cost(NamedTuple):
    """What a run took: seconds of time and of processors, bytes at its peak."""

    seconds: float
    cpu: float
    memory: int


class Lost(NamedTuple):
    """A run whose worker is gone."""

    run: int
    job: str
    attempt: int
    worker: str


def declare(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Have a row for each job of the code, in one transaction."""
    with connection.transaction():
        for row in rows:
            said = {key: value for key, value in row.items() if key != "due_at"}
            SQL.run(connection, "declare", {**row, "declared": json.dumps(said, sort_keys=True)})


def attend(connection: Connection, node: str, names: list[str]) -> None:
    """Note that a node is there, and which jobs its code has."""
    SQL.run(connection, "attend", {"node": node, "names": names})


def clock(connection: Connection) -> tuple[float, bool]:
    """The database's clock in seconds, and whether it was ahead when a node was last there."""
    seconds, was_ahead = SQL.run(connection, "clock").fetchone()
    return float(seconds), bool(was_ahead)


def recall(connection: Connection) -> None:
    """Have nobody wait for a time that a clock has found which was ahead. What somebody has planned for a time stays."""
    with connection.transaction():
        SQL.run(connection, "recall", {"lease": LEASE})


def dismiss(connection: Connection) -> None:
    """Forget the nodes that nobody has heard of for long."""
    SQL.run(connection, "dismiss", {"age": ABSENT})


def defer(
    connection: Connection, job: str, arguments: dict[str, Any], at: datetime | None, priority: int | None, default: int
) -> int:
    """Plan one run and return its number; workers wake when the transaction commits."""
    values = {"job": job, "arguments": json.dumps(arguments), "at": at, "priority": priority, "default": default}
    row = SQL.run(connection, "defer", values).fetchone()
    assert row is not None
    return int(row[0])


def ring(connection: Connection) -> None:
    """Wake the workers."""
    SQL.run(connection, "ring")


def listen(connection: Connection) -> None:
    """Hear the bell on this connection."""
    SQL.run(connection, "listen")


def due(connection: Connection, names: list[str]) -> list[Due]:
    """Recurring jobs to be started, or only to be planned anew, locked until the transaction ends."""
    return [Due(*row) for row in SQL.run(connection, "due", {"names": names}).fetchall()]


def planned(connection: Connection, name: str) -> Due | None:
    """A recurring job, locked until the transaction ends; None where it does not recur any more."""
    row = SQL.run(connection, "planned", {"name": name}).fetchone()
    return Due(*row) if row else None


def occur(connection: Connection, job: Due) -> None:
    """Make a recurring job's run."""
    values = {"job": job.name, "due_at": job.due_at, "priority": job.priority, "arguments": json.dumps(job.arguments)}
    SQL.run(connection, "occur", values)


def postpone(connection: Connection, job: str, due_at: datetime) -> None:
    """Say when a recurring job is due next."""
    SQL.run(connection, "postpone", {"job": job, "due_at": due_at})


def deactivate(connection: Connection, job: str, remark: str) -> None:
    """Let a job rest."""
    SQL.run(connection, "deactivate", {"job": job, "remark": remark})


def claim(connection: Connection, holder: Holder, names: list[str]) -> Claim | None:
    """Take the first run that is due; None when there is none."""
    row = SQL.run(connection, "claim", {**holder._asdict(), "names": names, "lease": LEASE}).fetchone()
    return Claim(*row) if row else None


def advance(connection: Connection, done: Claim, cost: Cost, holder: Holder, names: list[str]) -> tuple[bool, Claim | None]:
    """End a run that went well, and claim the next one in the same transaction. False as in `complete`."""
    values = {"id": done.id, "attempt": done.attempt, **cost._asdict(), **holder._asdict(), "names": names, "lease": LEASE}
    row = SQL.run(connection, "advance", values).fetchone()
    assert row is not None
    held, *taken = row
    return held, Claim(*taken) if taken[0] is not None else None


def until_next(connection: Connection, names: list[str]) -> float | None:
    """Seconds until something is due, perhaps below zero; None when nothing is planned."""
    row = SQL.run(connection, "next", {"names": names}).fetchone()
    return None if row is None or row[0] is None else float(row[0])


def renew(connection: Connection, run: int, attempt: int) -> bool:
    """Keep a run for another lease. False: it is somebody else's by now."""
    return SQL.run(connection, "renew", {"id": run, "attempt": attempt, "lease": LEASE}).fetchone() is not None


def progress(connection: Connection, run: int, attempt: int, done: int, remaining: int) -> None:
    """Note how far a run has come."""
    values = {"id": run, "attempt": attempt, "done": done, "remaining": remaining, "lease": LEASE}
    SQL.run(connection, "progress", values)


def complete(connection: Connection, run: int, attempt: int, cost: Cost) -> bool:
    """End a run that went well. False: it was somebody else's by then."""
    return SQL.run(connection, "complete", {"id": run, "attempt": attempt, **cost._asdict()}).fetchone() is not None


def retry(connection: Connection, claim: Claim, cost: Cost, error: str, delay: float) -> bool:
    """Put a run that failed back, for later. False as above."""
    values = {"id": claim.id, "attempt": claim.attempt, "due_at": claim.due_at, "error": error, "delay": delay, **cost._asdict()}
    return SQL.run(connection, "retry", values).fetchone() is not None


def fail(connection: Connection, claim: Claim, cost: Cost, error: str, next_at: datetime | None, remark: str | None) -> bool:
    """End a run that failed for good; a job that recurs is due again at `next_at`, None for when it is anyway, and rests where
    there is a `remark` about it. False as above.
    """
    values = {"id": claim.id, "attempt": claim.attempt, "error": error, "next_at": next_at, "remark": remark, **cost._asdict()}
    return SQL.run(connection, "fail", values).fetchone() is not None


def give_back(connection: Connection, claim: Claim) -> None:
    """Undo a claim whose run was not begun."""
    SQL.run(connection, "give_back", {"id": claim.id, "attempt": claim.attempt})
    ring(connection)


def release(connection: Connection, node: str, forsaken: Callable[[str, int], bool]) -> list[Lost]:
    """Free what workers of a node were doing that are gone; `forsaken` tells by name and pid."""
    with connection.transaction():
        held = SQL.run(connection, "held", {"node": node}).fetchall()
        ids = [run for run, worker, pid in held if forsaken(worker, pid)]
        return lose(connection, ids, "its worker died, or lost its connection before it began")


def expire(connection: Connection) -> list[Lost]:
    """Free what nobody has renewed."""
    with connection.transaction():
        ids = [row[0] for row in SQL.run(connection, "expired", {"lease": LEASE}).fetchall()]
        return lose(connection, ids, f"its lease was not renewed for {LEASE:.0f} s")


def lose(connection: Connection, ids: list[int], error: str) -> list[Lost]:
    """Count runs as lost and give them to others."""
    if not ids:
        return []
    found = [Lost(*row) for row in SQL.run(connection, "lose", {"ids": ids, "error": error}).fetchall()]
    ring(connection)
    return found


def forget(connection: Connection, age: float) -> int:
    """Delete the oldest history of what is older than `age` seconds. Returns how much that was, at most `AT_ONCE`."""
    row = SQL.run(connection, "forget", {"age": age, "at_once": AT_ONCE}).fetchone()
    assert row is not None
    return int(row[0])
