"""The shop's database: the PostgreSQL that Prefork keeps jobs in. Where there is none, as in tests, a SQLite file takes its place.

An engine with its connections belongs to one process: it is made at the first query, so after the fork, and a child never uses its
parent's. Statements are in the SQL that both understand.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Callable

from sqlalchemy import Connection, Engine, TextClause, create_engine, event, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from prefork.store import schema as prefork_schema
from prefork.store.address import Address, address
from prefork.store.connection import Unavailable, connect

from . import schema, storage

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

AWAY = (Unavailable, OperationalError)  # what is raised while the database cannot be used
FILE = "shop.db"
BUSY_TIMEOUT = 10.0  # seconds to wait for another's transaction in the file
_engines: dict[str, Engine] = {}


@contextmanager
def transaction() -> Iterator[Connection]:
    """Hold a connection: what is changed on it is kept when the block ends well, and otherwise none of it. Raises AWAY."""
    with engine().begin() as shop:
        yield shop


def rows(statement: str | TextClause, **values: Any) -> list[dict[str, Any]]:
    """Return what a single query finds. Raises AWAY."""
    with engine().connect() as shop:
        asked = text(statement) if isinstance(statement, str) else statement
        return [dict(row) for row in shop.execute(asked, values).mappings()]


def with_prefork(shop: Connection) -> Any:
    """Return the driver's connection, on which jobs and messages are part of the shop's transaction; None without PostgreSQL."""
    return shop.connection.driver_connection if shop.dialect.name == "postgresql" else None


def engine() -> Engine:
    """Return this process's engine, whose database has all its tables. Raises AWAY."""
    where = address()
    if where is None or where.dsn.startswith("sqlite:"):
        path = os.fspath(storage.directory() / FILE)
        return _kept(path, partial(_of_file, path))
    return _kept(where.dsn, partial(_of_postgres, where))


def _kept(name: str, make: Callable[[], Engine]) -> Engine:
    if name in _engines:
        return _engines[name]
    made = make()
    with made.begin() as shop:
        schema.migrate(shop)
    kept = _engines.setdefault(name, made)
    if kept is not made:
        made.dispose()  # another thread was faster
    return kept


def _of_postgres(where: Address) -> Engine:
    def opened() -> Any:
        # A visitor is rather told to come back than made to wait for a database that is being started.
        made = connect(where._replace(patience=0.0), "shop")
        prefork_schema.prepare(made)
        made.autocommit = False
        return made

    return create_engine("postgresql+psycopg://", creator=opened, pool_pre_ping=True)


def _of_file(path: str) -> Engine:
    made = create_engine(f"sqlite:///{path}", poolclass=NullPool, connect_args={"timeout": BUSY_TIMEOUT, "isolation_level": None})

    @event.listens_for(made, "begin")
    def begin(shop: Connection) -> None:
        # The lock at once: a transaction that wants it half way, when another one has it, has to give up.
        shop.exec_driver_sql("BEGIN IMMEDIATE")

    @event.listens_for(made, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA foreign_keys = ON")

    return made


def _forget() -> None:
    """In a child: connections of the parent stay the parent's."""
    for each in _engines.values():
        each.dispose(close=False)


os.register_at_fork(after_in_child=_forget)
