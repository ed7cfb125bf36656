"""Connections to the store. Each is made in the process that uses it, never before a fork, and commits each statement by itself.

Whatever keeps a connection from being made or used is `Unavailable`, with a sentence for people. Nothing here retries.
"""

from __future__ import annotations

import os
import select
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from prefork.store import schema
from prefork.store.address import Address, address
from prefork.store.statements import POSTGRES, dialect

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    Connection = psycopg.Connection[Any]
    AsyncConnection = psycopg.AsyncConnection[Any]

PATIENCE = 5  # seconds for a connection to be made
GLANCE = 0.05  # seconds
ABSENT = {"3F000", "42P01"}  # no such schema, no such table
REFUSALS = {"25006", "42501"}  # a server that was the primary until just now is read-only; a role without the right
# A node that vanished is noticed in 25 s. The last one, in milliseconds, is for what was on its way: TCP asks nothing meanwhile.
SILENCE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 25_000}


class Unavailable(Exception):
    """The store cannot be used now; the sentence says why."""


def connect(where: Address | None, name: str, *, direct: bool = False) -> Connection:
    """A connection that shows as `name` in the database. `direct` is one that notices arrive on. Raises Unavailable."""
    if where is not None and where.dsn.startswith("sqlite:"):
        return opened(where.dsn)
    dsn, manner = means(where, name, direct=direct)
    psycopg = driver()
    until = time.monotonic() + (where.patience if where else 0.0)
    while time.monotonic() < until and not there(psycopg, dsn):
        time.sleep(GLANCE)
    with translated():
        made: Connection = psycopg.connect(dsn, **manner)
        return made


async def connect_in_loop(where: Address | None, name: str, *, direct: bool = False) -> AsyncConnection:
    """The same for an event loop, without patience: whoever runs in one tries again."""
    psycopg = driver()
    dsn, manner = means(where, name, direct=direct)
    with translated():
        made: AsyncConnection = await psycopg.AsyncConnection.connect(dsn, **manner)
        return made


def means(where: Address | None, name: str, *, direct: bool) -> tuple[str, dict[str, Any]]:
    """What the driver is told: the address, and how the connection shall behave."""
    if where is None:
        raise Unavailable("no database is known here; set store_dsn, or PREFORK_STORE_DSN for a script")
    manner = {"prepare_threshold": None if direct else where.prepare, "application_name": name, "connect_timeout": PATIENCE}
    return where.listen or where.dsn if direct else where.dsn, {"autocommit": True, **manner, **SILENCE}


def there(psycopg: Any, dsn: str) -> bool:
    """Whether the server of this address answers at all."""
    ready: bool = psycopg.pq.PGconn.ping(dsn.encode()) == psycopg.pq.Ping.OK
    return ready


def driver() -> Any:
    """The driver. Raises Unavailable where it is not installed."""
    try:
        import psycopg
    except ImportError as error:
        raise Unavailable(
            f"psycopg 3 cannot be imported by {sys.executable} ({error}); install 'psycopg[binary]' in its environment"
        ) from None
    return psycopg


def opened(dsn: str) -> Connection:
    """The store in a file, as a connection of the kind that is used here."""
    from prefork.store.sqlite import File  # here, as there are Pythons without it

    with translated():
        return cast("Connection", File(dsn))


@contextmanager
def translated() -> Iterator[None]:
    """Say in a sentence what a driver says about a connection."""
    try:
        yield
    except Exception as error:
        said = complaint(error)
        if said is None:
            raise
        raise Unavailable(f"the database cannot be used: {said}") from error


def complaint(error: Exception) -> str | None:
    """What is wrong with the database or the way to it; None where something else is."""
    drivers = filter(None, map(sys.modules.get, ("psycopg", "psycopg2", "sqlite3")))
    if any(isinstance(error, (driver.OperationalError, driver.InterfaceError)) for driver in drivers):
        return " ".join(str(error).split()) or type(error).__name__
    code = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)  # of psycopg 3, and of psycopg2
    if code in ABSENT:
        return (
            "its schema prefork is not there yet, or not of this release; a start of the server makes it so, or `prefork migrate`"
        )
    return str(error) if isinstance(error, schema.Refused) or code in REFUSALS else None


@contextmanager
def bounded(connection: Connection, seconds: float) -> Iterator[None]:
    """A transaction in which no statement takes longer. A file's wait for nothing but its lock, and that has a bound of its own."""
    if dialect(connection) != POSTGRES:
        yield
        return
    with connection.transaction():
        # Within the transaction: behind a pooler another one may have another connection.
        connection.execute(f"SET LOCAL statement_timeout = {round(seconds * 1000)}".encode())
        yield


def ended(connection: Connection) -> bool:
    """Whether a connection is closed, also by a server that has been restarted: an idle one has nothing to say otherwise."""
    if connection.closed or connection.fileno() < 0:
        return connection.closed
    said = select.poll()
    said.register(connection, select.POLLIN)
    return bool(said.poll(0))


class Shared:
    """One connection for all threads of a process, made on first use and again when it was lost; a fork does not inherit it."""

    def __init__(self) -> None:
        self._connection: Connection | None = None
        self._lock = threading.RLock()
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        self._connection = None  # the driver knows by the pid that it is the parent's, and does not end that
        self._lock = threading.RLock()

    def close(self) -> None:
        """End it; the next use makes another."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    @contextmanager
    def use(self) -> Iterator[Connection]:
        """The connection, for one caller at a time. Raises Unavailable."""
        with self._lock, translated():
            if self._connection is None or ended(self._connection):
                self._connection = connect(address(), "prefork")
                schema.prepare(self._connection)
            yield self._connection


shared = Shared()
