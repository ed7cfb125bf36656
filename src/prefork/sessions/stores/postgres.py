"""Sessions in a table of PostgreSQL, `prefork.sessions`: by default in the database where Prefork keeps its own things.

Each call is one short transaction. The table is made at the first use where it is missing. psycopg2 will do, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefork.sessions.stores.link import Link
from prefork.sessions.stores.whole import changed, pack, unpack
from prefork.store import connection, elder, schema
from prefork.store.address import Address, address
from prefork.store.statements import statements

if TYPE_CHECKING:
    from collections.abc import Collection

    from prefork.sessions.store import Fields

SQL = statements("sessions.sql")


class PostgresStore:
    """The sessions of a database: that of a connection string, or the store of this process.

    Raises `prefork.store.connection.Unavailable` with a sentence where there is no driver.
    """

    shared = True

    def __init__(self, dsn: str | None = None) -> None:
        self.dsn = dsn
        self.driver = elder.either()
        broken = (self.driver.Error, connection.Unavailable)
        self.link: Link[Any] = Link("PostgreSQL", self._connect, broken)

    def load(self, key: str) -> Fields | None:
        """See `Store`."""
        row = self.link.use(lambda db: db.execute(SQL["load"], [key]).fetchone())
        return unpack(bytes(row[0])) if row else None

    def create(self, key: str, fields: Fields, seconds: float) -> None:
        """See `Store`."""
        self.link.use(lambda db: db.execute(SQL["create"], [key, pack(fields), seconds]))

    def update(self, key: str, fields: Fields, gone: Collection[str], seconds: float) -> bool:
        """See `Store`."""

        def write(db: Any) -> bool:
            with db.transaction():
                row = db.execute(SQL["hold"], [key]).fetchone()
                current = unpack(bytes(row[0])) if row else None
                if current:
                    db.execute(SQL["update"], [pack(changed(current, fields, gone)), seconds, key])
                return current is not None

        return self.link.use(write)

    def end(self, key: str, seconds: float) -> bool:
        """See `Store`."""
        ended: int = self.link.use(lambda db: db.execute(SQL["end"], [pack({}), seconds, key]).rowcount)
        return ended > 0

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
        dial = connection.connect if self.driver.__name__ == "psycopg" else elder.connect
        db = dial(where, "prefork: sessions")
        with connection.translated():
            schema.prepare(db)
        return db
