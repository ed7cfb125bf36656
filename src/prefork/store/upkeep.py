"""Runs statements that keep a database in order, one by one, for as long as a maintenance window lasts.

A statement waits only a moment for a lock, so that nobody queues up behind it, and is cancelled when the window ends.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from prefork.store.connection import connect, driver, translated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prefork.store.address import Address

NAME = "prefork db"
LOCK = "SELECT set_config('lock_timeout', '2s', false), set_config('statement_timeout', %s, false)"


def run(where: Address, statements: Iterable[str], seconds: float) -> Iterator[tuple[str, str]]:
    """Each statement with what it came to: empty when it is done, else why it is not. Raises Unavailable."""
    until = time.monotonic() + seconds
    connection = connect(where, NAME)
    try:
        for statement in statements:
            left = until - time.monotonic()
            yield statement, once(connection, statement, left) if left > 1 else "the window has ended"
    finally:
        connection.close()


def once(connection: Any, statement: str, seconds: float) -> str:
    """Run one statement. Raises Unavailable when the connection is lost."""
    errors = driver().errors
    with translated():
        try:
            connection.execute(LOCK, (f"{int(seconds * 1000)}ms",))
            connection.execute(statement.encode())
        except (errors.QueryCanceled, errors.LockNotAvailable, errors.ProgrammingError) as refusal:
            return str(refusal).splitlines()[0]
    return ""
