"""Looks at a database server without changing it: each look is a short transaction that may only read.

It needs no schema of ours. What an account may not see, or what takes too long, is None.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from prefork.store.connection import Unavailable, connect, driver, translated
from prefork.store.statements import statements

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prefork.store.address import Address
    from prefork.store.connection import Connection

SQL = statements("examination.sql")
PATIENCE = "SET LOCAL statement_timeout = '3s'; SET LOCAL lock_timeout = '500ms'"
NAME = "prefork doctor"
WAITING = 2.0  # seconds


class Examination:
    """One connection to look through. Making it raises Unavailable."""

    def __init__(self, where: Address) -> None:
        self.where = where
        self.connection = reading(where)

    def close(self) -> None:
        """End the connection."""
        self.connection.close()

    def rows(self, name: str, values: Mapping[str, Any] | None = None) -> list[dict[str, Any]] | None:
        """What a statement gives, each row by the names of its columns. Raises Unavailable when the connection is lost."""
        errors = driver().errors
        refusals = (errors.ProgrammingError, errors.QueryCanceled, errors.LockNotAvailable)
        with translated():
            try:
                with self.connection.transaction():
                    self.connection.execute(PATIENCE)
                    cursor = self.connection.execute(SQL[name], values)
                    names = [column.name for column in cursor.description or ()]
                    return [dict(zip(names, row)) for row in cursor]
            except refusals:
                return None

    def row(self, name: str, values: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The one row that a statement gives; empty where this account may not see it."""
        return next(iter(self.rows(name, values) or ()), {})

    def lends(self) -> bool:
        """Whether a session gets another process of the server with its next transaction: a pooler lends them by transaction.

        Another session's transaction takes the process that ours has had, if that is free. Where it is the only one, we wait.
        """
        before = self.row("backend").get("pid")
        try:
            other = reading(self.where)
        except Unavailable:
            return False  # no connection is left, which others will say
        waited = threading.Timer(WAITING, other.close)
        waited.start()
        try:
            try:
                with translated():
                    other.execute("BEGIN READ ONLY")
                    other.execute(SQL["backend"])
            except Unavailable:
                return False  # ours is the only process that the pooler has, and it stays ours
            return self.row("backend").get("pid") != before or other.closed
        finally:
            waited.cancel()
            other.close()

    def dialed(self) -> int:
        """The port that we have connected to."""
        return int(self.connection.info.port)


def reading(where: Address) -> Connection:
    """A connection whose transactions only read."""
    connection = connect(where, NAME)
    connection.read_only = True
    return connection
