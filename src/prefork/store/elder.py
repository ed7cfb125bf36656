"""A connection of psycopg2, where that is installed and psycopg 3 is not, as in an Odoo: what sessions use of one, and no more.

Jobs and the bus hear notices and prepare statements, and need psycopg 3.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from prefork.store.connection import GLANCE, Unavailable, driver, means, translated

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prefork.store.address import Address
    from prefork.store.connection import Connection


TIMED = 120_000  # the libpq since which what is on its way has a time limit


def either() -> Any:
    """psycopg 3, or psycopg2. Raises Unavailable where there is neither."""
    try:
        return driver()
    except Unavailable as missing:
        try:
            import psycopg2
        except ImportError:
            raise missing from None
        return psycopg2


def connect(where: Address | None, name: str) -> Connection:
    """As `prefork.store.connection.connect`, with psycopg2. Raises Unavailable."""
    psycopg2 = either()
    dsn, manner = means(where, name, direct=False)
    words = understood(manner, psycopg2.__libpq_version__)
    until = time.monotonic() + (where.patience if where else 0.0)
    with translated():
        while True:
            try:
                return cast("Connection", Elder(psycopg2.connect(dsn, **words)))
            except psycopg2.OperationalError:
                if time.monotonic() >= until:
                    raise
            time.sleep(GLANCE)


def understood(manner: dict[str, Any], libpq: int) -> dict[str, Any]:
    """Of how a connection shall behave, what psycopg2 with this libpq has words for."""
    unknown = {"autocommit", "prepare_threshold"} | ({"tcp_user_timeout"} if libpq < TIMED else set())
    return {key: value for key, value in manner.items() if key not in unknown}


class Elder:
    """A connection with the words of psycopg 3. Each statement is committed by itself, outside of a transaction."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._connection.autocommit = True

    @property
    def closed(self) -> bool:
        """Whether it is known to be."""
        return bool(self._connection.closed)

    def close(self) -> None:
        """End it."""
        self._connection.close()

    def execute(self, statement: str | bytes, values: Sequence[Any] | None = None) -> Any:
        """Do a statement; returns the driver's cursor."""
        cursor = self._connection.cursor()
        cursor.execute(statement, values)
        return cursor

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing."""
        self.execute("BEGIN")
        try:
            yield
        except BaseException:
            if not self.closed:
                self.execute("ROLLBACK")
            raise
        self.execute("COMMIT")
