"""Sessions in a table of PostgreSQL, `prefork.sessions`, through psycopg 3 of the application's environment.

Each call is one short transaction. The table is made at the first use where it is missing. Statements are not prepared, so that a
pooler may stand in between.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from prefork.sessions.stores.link import PATIENCE, Link

if TYPE_CHECKING:
    from prefork.sessions.store import Change

MISSING = (
    "session_store = postgresql needs psycopg in the application's environment: pip install 'psycopg[binary]' there, "
    "or choose another store"
)
LOAD = "SELECT payload FROM prefork.sessions WHERE id = %s AND expires > clock_timestamp()"
LOAD_TO_UPDATE = LOAD + " FOR UPDATE"
CREATE = """
    INSERT INTO prefork.sessions (id, payload, expires) VALUES (%s, %s, clock_timestamp() + %s * interval '1 second')
    ON CONFLICT (id) DO NOTHING  -- repeated on a new connection when the first one broke after the commit
"""
UPDATE = "UPDATE prefork.sessions SET payload = %s, expires = clock_timestamp() + %s * interval '1 second' WHERE id = %s"
DELETE = "DELETE FROM prefork.sessions WHERE id = %s"
COLLECT = """
    DELETE FROM prefork.sessions WHERE id IN (
        SELECT id FROM prefork.sessions WHERE expires <= clock_timestamp() LIMIT %s FOR UPDATE SKIP LOCKED
    )
"""
TABLE = "SELECT to_regclass('prefork.sessions')"
MAKE = (
    "SELECT pg_advisory_xact_lock(hashtext('prefork.sessions'))",  # CREATE … IF NOT EXISTS fails when two run at once
    "CREATE SCHEMA IF NOT EXISTS prefork",
    "CREATE TABLE IF NOT EXISTS prefork.sessions (id text PRIMARY KEY, payload bytea NOT NULL, expires timestamptz NOT NULL)",
    "CREATE INDEX IF NOT EXISTS sessions_expires ON prefork.sessions (expires)",
)


class PostgresStore:
    """The sessions of the database that a connection string leads to. Raises ImportError with a sentence without psycopg."""

    shared = True

    def __init__(self, dsn: str) -> None:
        try:
            self.psycopg = importlib.import_module("psycopg")
        except ImportError as error:
            raise ImportError(MISSING) from error
        self.dsn = dsn
        self.link: Link[Any] = Link("PostgreSQL", self._connect, (self.psycopg.Error,))

    def load(self, key: str) -> bytes | None:
        """See `Store`."""
        row = self.link.use(lambda db: db.execute(LOAD, [key]).fetchone())
        return bytes(row[0]) if row else None

    def create(self, key: str, payload: bytes, seconds: float) -> None:
        """See `Store`."""
        self.link.use(lambda db: db.execute(CREATE, [key, payload, seconds]))

    def update(self, key: str, change: Change, seconds: float) -> bool:
        """See `Store`."""

        def replace(db: Any) -> bool:
            with db.transaction():
                row = db.execute(LOAD_TO_UPDATE, [key]).fetchone()
                if row:
                    db.execute(UPDATE, [change(bytes(row[0])), seconds, key])
                return row is not None

        return self.link.use(replace)

    def delete(self, key: str) -> None:
        """See `Store`."""
        self.link.use(lambda db: db.execute(DELETE, [key]))

    def collect(self, most: int | None = None) -> int:
        """See `Store`."""
        removed: int = self.link.use(lambda db: db.execute(COLLECT, [most]).rowcount)
        return removed

    def _connect(self) -> Any:
        limits = {"connect_timeout": int(PATIENCE), "tcp_user_timeout": int(PATIENCE * 1000)}
        db = self.psycopg.connect(self.dsn, autocommit=True, prepare_threshold=None, **limits)
        if db.execute(TABLE).fetchone() == (None,):
            with db.transaction():
                for statement in MAKE:
                    db.execute(statement)
        return db
