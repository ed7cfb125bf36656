"""The connection to the SQLite file: one per request or job, opened at the first query and closed with it.

Write-ahead logging lets the workers read while one of them writes. No connection may outlive its request: SQLite's
do not survive a fork.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from flask import Flask, current_app, g

from .storage import place_once

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BUSY_TIMEOUT = 10.0  # seconds to wait for another worker's transaction

SCHEMA = """
CREATE TABLE orders (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    customer  TEXT NOT NULL,
    reference TEXT,
    name      TEXT NOT NULL,
    email     TEXT NOT NULL,
    address   TEXT NOT NULL,
    total     INTEGER NOT NULL CHECK (total > 0),
    placed    TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now')),
    UNIQUE (customer, reference)
);
CREATE TABLE order_lines (
    order_id INTEGER NOT NULL REFERENCES orders (id),
    product  TEXT NOT NULL,
    quantity INTEGER NOT NULL CHECK (quantity BETWEEN 1 AND 99),
    price    INTEGER NOT NULL,
    PRIMARY KEY (order_id, product)
) WITHOUT ROWID;
"""


# Apart, because a shop that was opened before there was any of this gets it, too.
LATER = """
CREATE TABLE IF NOT EXISTS engravings (
    order_id INTEGER NOT NULL REFERENCES orders (id),
    key      TEXT NOT NULL,
    name     TEXT NOT NULL,
    type     TEXT NOT NULL,
    UNIQUE (order_id, key)
);
CREATE TABLE IF NOT EXISTS syncs (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    asked REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS stock (
    article INTEGER PRIMARY KEY,
    pieces  INTEGER NOT NULL,
    sync    INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS stock_by_sync ON stock (sync);
CREATE TABLE IF NOT EXISTS chat (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    who  TEXT NOT NULL,
    text TEXT NOT NULL
);
"""


def install(app: Flask) -> None:
    app.teardown_appcontext(close)


def connection() -> sqlite3.Connection:
    """Return this request's connection, in autocommit mode, making the database file if it is missing."""
    if "connection" not in g:
        g.connection = opened(cast("Path", current_app.config["DATABASE"]))
    return cast("sqlite3.Connection", g.connection)


def opened(path: Path) -> sqlite3.Connection:
    """Return a connection in autocommit mode to a database that has all its tables."""
    if not path.exists():
        place_once(path, create)
    made = connect(path)
    made.execute("PRAGMA foreign_keys = ON")
    if made.execute("SELECT 1 FROM sqlite_master WHERE name = 'chat'").fetchone() is None:
        made.executescript(LATER)
    return made


def close(_error: BaseException | None) -> None:
    opened = g.pop("connection", None)
    if opened is not None:
        opened.close()


def connect(path: Path) -> sqlite3.Connection:
    opened = sqlite3.connect(path.as_uri() + "?mode=rw", uri=True, timeout=BUSY_TIMEOUT, isolation_level=None)
    opened.row_factory = sqlite3.Row
    return opened


def create(path: Path) -> None:
    """Make the tables in an empty file; the journal mode is kept in the file."""
    opened = connect(path)
    try:
        opened.execute("PRAGMA journal_mode = WAL")
        opened.executescript(SCHEMA)
    finally:
        opened.close()


@contextmanager
def transaction() -> Iterator[sqlite3.Connection]:
    """Hold the write lock from the first statement, so that no transaction has to give up half way."""
    opened = connection()
    opened.execute("BEGIN IMMEDIATE")
    try:
        yield opened
    except BaseException:
        opened.execute("ROLLBACK")
        raise
    opened.execute("COMMIT")
