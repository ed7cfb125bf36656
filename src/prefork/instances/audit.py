"""Who has changed what, and when. Written with each change, read by administrators, never changed."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from prefork.instances.database import Database


class Entry(NamedTuple):
    """Something that was done, or refused."""

    id: int
    at: float
    who: str
    client: str
    action: str
    instance: str | None
    details: dict[str, Any]


def note(db: Database, who: str, client: str, action: str, instance: str | None = None, **details: Any) -> None:
    """Write down what somebody does."""
    row = (time.time(), who, client, action, instance, json.dumps(details))
    db.change("INSERT INTO audit (at, who, client, action, instance_id, details) VALUES (?, ?, ?, ?, ?, ?)", *row)


def read(db: Database, before: int | None, limit: int) -> list[Entry]:
    """The latest entries first, older ones than `before`."""
    rows = db.rows(
        "SELECT id, at, who, client, action, instance_id, details FROM audit WHERE ? IS NULL OR id < ? ORDER BY id DESC LIMIT ?",
        before,
        before,
        limit,
    )
    return [Entry._make([*tuple(row)[:6], json.loads(row["details"])]) for row in rows]
