"""A PostgreSQL server, through the address that applications use, so that a pooler on the way is noticed."""

from __future__ import annotations

from typing import Any

from prefork.doctor.evidence import Database, Session, Standby, Table, Unseen
from prefork.store.address import Address
from prefork.store.connection import Unavailable
from prefork.store.examination import Examination

LARGE = 10_000  # rows: below it a sequential scan is as quick as an index
OFTEN = 50  # scans


def read(dsn: str) -> Database | Unseen:
    """What an address leads to. No password is part of it, nor of what is said where it leads nowhere."""
    try:
        seen = Examination(Address(dsn, prepare=None))
        try:
            return understood(seen)
        finally:
            seen.close()
    except Unavailable as reason:
        return Unseen(str(reason))


def understood(seen: Examination) -> Database:
    """The answers to all questions. Raises Unavailable."""
    settings = {row["name"]: row["setting"] for row in seen.rows("settings") or ()}
    where, clients, odds = seen.row("where"), seen.row("connections"), seen.row("odds")
    backup = seen.rows("backup")
    behind = where.get("port") not in {None, seen.dialed()}
    return Database(
        settings=settings,
        used=clients.get("used", 0),
        most=clients.get("most", 0),
        reserved=int(settings.get("superuser_reserved_connections", 3)),
        pooled="transaction" if seen.lends() else "session" if behind else "",
        tables=tuple(Table(**row) for row in seen.rows("tables") or ()),
        sessions=tuple(Session(**row) for row in seen.rows("sessions") or ()),
        unindexed=triples(seen.rows("unindexed", {"rows": LARGE})),
        custom=triples(seen.rows("custom", {"rows": LARGE, "scans": OFTEN})),
        standbys=tuple(Standby(**row) for row in seen.rows("standbys") or ()),
        slots=tuple(Standby(**row) for row in seen.rows("slots") or ()),
        standby_of=float(where.get("behind") or 0) if where.get("standby") else None,
        archived=seen.row("archiver").get("archived"),
        backup=backup[0]["age"] if backup else None,
        rights=backup is not None,
        statements=odds.get("statements", False),
        two_ways=odds.get("two_ways", False),
        age=odds.get("age", 0),
    )


def triples(rows: list[dict[str, Any]] | None) -> tuple[tuple[str, str, int], ...]:
    """A table, a field and a figure of each row."""
    return tuple((row["name"], row["field"], int(row.get("rows", row.get("scans", 0)))) for row in rows or ())
