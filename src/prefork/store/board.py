"""What operators see of jobs in the database, and what they can do about them. Rows are plain dicts, as `--json` shows them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from prefork.store.jobs import ring
from prefork.store.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import psycopg

    Connection = psycopg.Connection[Any]

SQL = Statements("board")
COUNTED = 100  # runs of each job that wait, in a list of all
EDITED = ("schedule", "tz", "misfire", "priority", "retries", "arguments")  # of a job's row, by an operator


def listed(connection: Connection, name: str | None = None) -> list[dict[str, Any]]:
    """Every job, with what waits of it up to COUNTED; or those of this name, or whose name ends in it, with all that waits."""
    return rows(connection, "list", {"name": name, "most": COUNTED if name is None else None})


def running(connection: Connection, job: str) -> list[dict[str, Any]]:
    """Runs of a job that are being done."""
    return rows(connection, "running", {"job": job})


def history(connection: Connection, job: str | None, limit: int, offset: int = 0) -> list[dict[str, Any]]:
    """Ended attempts, of one job or all, the latest first, but not the first `offset` of them."""
    return rows(connection, "history", {"job": job, "limit": limit, "offset": offset})


def run(connection: Connection, job: str) -> int:
    """Have a job run now; returns the run's number."""
    (made,) = rows(connection, "run", {"job": job})
    ring(connection)
    return int(made["id"])


def pause(connection: Connection, job: str) -> None:
    """Let a job rest. What is waiting of it runs all the same."""
    SQL.run(connection, "pause", {"job": job})


def resume(connection: Connection, job: str) -> None:
    """Let it go on."""
    SQL.run(connection, "resume", {"job": job})
    ring(connection)


def edit(connection: Connection, job: str, wanted: Mapping[str, Any], due_at: datetime | None) -> None:
    """Give a job's row what `wanted` has of EDITED; `due_at` where its schedule is another one."""
    row = {name: wanted[name] for name in EDITED}
    values = {**row, "arguments": json.dumps(row["arguments"]), "due_at": due_at, "job": job}
    SQL.run(connection, "edit", values)
    ring(connection)


def rows(connection: Connection, statement: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a statement by their columns' names."""
    cursor = SQL.run(connection, statement, values)
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row)) for row in cursor.fetchall()]
