"""Sessions in a table of PostgreSQL, `prefork.sessions`: by default in the database where Prefork keeps its own things.

Each call is one short transaction. The table is made at the first use where it is missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefork.sessions.stores.link import Link
from prefork.store import connection, schema
from prefork.store.address import Address, address
from prefork.store.statements import statements

if TYPE_CHECKING:
    from prefork.sessions.store import Change

SQL = statements("sessions.sql")


class PostgresStore:
    """The sessions of a database: that of a connection string, or the store of this process.

    Raises `prefork.store.connection.Unavailable` with a sentence where the driver is missing.
    """

    shared = True

    def __init__(self, dsn: str | None = None) -> None:
        self.dsn = dsn
        broken = (connection.driver().Error, connection.Unavailable)
        self.link: Link[Any] = Link("PostgreSQL", self._connect, broken)

    def load(self, key: str) -> bytes | None:
        """See `Store`."""
        row = self.link.use(lambda db: db.execute(SQL["load"], [key]).fetchone())
        return bytes(row[0]) if row else None

    def create(self, key: str, payload: bytes, seconds: float) -> None:
        """See `Store`."""
        self.link.use(lambda db: db.execute(SQL["create"], [key, payload, seconds]))

    def update(self, key: str, change: Change, seconds: float) -> bool:
        """See `Store`."""

        def replace(db: Any) -> bool:
            with db.transaction():
                row = db.execute(SQL["hold"], [key]).fetchone()
                if row:
                    db.execute(SQL["update"], [change(bytes(row[0])), seconds, key])
                return row is not None

        return self.link.use(replace)

    def delete(self, key: str) -> None:
        """See `Store`."""
        self.link.use(lambda db: db.execute(SQL["delete"], [key]))

    def collect(self, most: int | None = None) -> int:
        """See `Store`."""
        removed: int = self.link.use(lambda db: db.execute(SQL["collect"], [most]).rowcount)
        return removed

    def _connect(self) -> Any:
        # Where the store's own settings are not meant, nothing is prepared: a pooler may stand in between.
        where = Address(self.dsn, prepare=None) if self.dsn else address()
        db = connection.connect(where, "prefork: sessions")
        with connection.translated():
            schema.prepare(db)
        return db
