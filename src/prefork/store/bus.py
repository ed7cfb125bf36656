"""The bus in the database: one function for each statement of `bus.sql`, values in, values out.

Who publishes does it on any connection of Python's database API; who reads does it in an event loop, on psycopg's. Every function
is one short transaction, or part of the caller's.
"""

from __future__ import annotations

import contextlib
import inspect
from typing import TYPE_CHECKING, Any, NamedTuple

from prefork.store.statements import statements

if TYPE_CHECKING:
    from collections.abc import Collection

    import psycopg

    Connection = psycopg.AsyncConnection[Any]

SQL = statements("bus.sql")
PATIENCE = 60.0  # seconds for which a reader, or a member of a channel, that is not seen counts as there
AT_ONCE = 2_000  # messages that one transaction forgets


class Message(NamedTuple):
    """What somebody published: JSON, in UTF-8."""

    position: int
    channel: str
    payload: bytes


class Page(NamedTuple):
    """What was read. Nothing is left out up to `until`; the table ends at `head`.

    `lost` are positions of those who read that the table does not have any more, and those at which they can go on.
    """

    messages: list[Message]
    until: int
    head: int
    lost: dict[int, int]


class Kept(NamedTuple):
    """What is kept: messages of so many seconds, and so many at the most."""

    age: float
    most: int


def publish(connection: Any, channel: str, payload: str) -> None:
    """Have a message published when the caller's transaction commits. Raises TypeError for a connection of an event loop."""
    with cursor_of(connection) as cursor:
        cursor.execute(SQL["publish"].decode(), {"channel": channel, "payload": payload})


def enter(connection: Any, channel: str, member: str) -> None:
    """Say that somebody is on a channel, for `PATIENCE` from now."""
    with cursor_of(connection) as cursor:
        cursor.execute(SQL["enter"].decode(), {"channel": channel, "member": member})


def leave(connection: Any, channel: str, member: str) -> None:
    """Say that somebody has left a channel."""
    with cursor_of(connection) as cursor:
        cursor.execute(SQL["leave"].decode(), {"channel": channel, "member": member})


def present(connection: Any, channel: str) -> list[str]:
    """Who is on a channel."""
    with cursor_of(connection) as cursor:
        cursor.execute(SQL["present"].decode(), {"channel": channel, "patience": PATIENCE})
        return [member for (member,) in cursor.fetchall()]


def position(connection: Any) -> int:
    """The position of the latest message that has committed."""
    with cursor_of(connection) as cursor:
        cursor.execute(SQL["head"].decode())
        return int(cursor.fetchone()[0])


def cursor_of(connection: Any) -> contextlib.closing[Any]:
    """A cursor of a connection of whichever kind; one of SQLAlchemy has the driver's inside."""
    cursor = (connection if hasattr(connection, "cursor") else connection.connection).cursor()
    if inspect.iscoroutinefunction(cursor.execute):
        raise TypeError(f"{type(connection).__name__} belongs to an event loop; use a connection that is not asynchronous")
    return contextlib.closing(cursor)


async def listen(connection: Connection) -> None:
    """Hear the bell on this connection."""
    await connection.execute(SQL["listen"])


async def head(connection: Connection) -> int:
    """The position of the latest message."""
    row = await (await connection.execute(SQL["head"])).fetchone()
    assert row is not None
    return int(row[0])


async def read(connection: Connection, heard: Collection[int], channels: Collection[str], most: int) -> Page:
    """The messages of these channels among the next `most` of all, for those who have heard up to one of these positions."""
    values = {"heard": list(heard), "after": min(heard), "channels": list(channels), "most": most}
    # A statement that was prepared while the table was empty reads all of it, however large it gets, until somebody analyzes it.
    cursor = await connection.execute(SQL["read"], values, prepare=False)
    rows = await cursor.fetchall()
    until, latest, lost = rows[0][:3]
    return Page([Message(row[3], row[4], row[5].encode()) for row in rows if row[3] is not None], until, latest, dict(lost))


async def beat(connection: Connection, reader: str, position: int) -> None:
    """Say that a reader is there, and that it has had everything up to a position."""
    await connection.execute(SQL["beat"], {"reader": reader, "position": position})


async def retire(connection: Connection, reader: str) -> None:
    """Say that a reader has gone."""
    await connection.execute(SQL["retire"], {"reader": reader})


async def bury(connection: Connection) -> None:
    """Forget readers that are gone, and did not say so."""
    await connection.execute(SQL["bury"], {"patience": PATIENCE})


async def sweep(connection: Connection) -> None:
    """Have those leave their channels who were not seen for long."""
    await connection.execute(SQL["sweep"], {"patience": PATIENCE})


async def forget(connection: Connection, kept: Kept) -> int:
    """Delete what need not be kept any more, unless somebody does it at this moment. Returns how many messages that were."""
    values = {"patience": PATIENCE, "at_once": AT_ONCE, **kept._asdict()}
    row = await (await connection.execute(SQL["forget"], values)).fetchone()
    assert row is not None
    return int(row[0])
