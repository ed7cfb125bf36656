"""The bus: what is published in a transaction reaches everybody who listens when that commits, and in the order of commits.

Imported by applications: standard library only, Python 3.9+; psycopg where the connection is not the caller's.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from prefork.store import bus
from prefork.store.connection import Unavailable, shared
from prefork.store.statements import POSTGRES, dialect

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_CHANNEL = 200  # characters
LARGEST = 65_536  # bytes of JSON


def publish(connection: Any, channel: str, payload: object) -> None:
    """Have everybody hear it who listens to the channel, when the transaction of `connection` commits; nobody if it does not.

    The connection is one to the store's database, of psycopg 2 or 3, Django or SQLAlchemy, and not asynchronous. None is Prefork's
    own, which commits at once. Raises TypeError, ValueError for what is not JSON or too large,
    `prefork.store.connection.Unavailable`.
    """
    check(channel)
    text = written(payload)
    with used(connection) as given:
        bus.publish(given, channel, text)


def enter(connection: Any, channel: str, member: str) -> None:
    """Say that somebody is on a channel, and again at least once in a minute: who is not seen for so long has left.

    Channel `presence:` + name hears `{"joined": member}` and `{"left": member}`. Connection and errors are those of `publish`.
    """
    check(channel)
    with used(connection) as given:
        bus.enter(given, channel, member)


def leave(connection: Any, channel: str, member: str) -> None:
    """Say that somebody has left a channel. See `enter`."""
    check(channel)
    with used(connection) as given:
        bus.leave(given, channel, member)


def present(connection: Any, channel: str) -> list[str]:
    """Who is on a channel, by name. See `enter`."""
    check(channel)
    with used(connection) as given:
        return bus.present(given, channel)


def position(connection: Any) -> int:
    """Return where the bus is: everything that commits from now on has a higher position.

    A page that is made with the position, asked for before what it shows is read, and whose `Bus` has it as `last`, misses nothing
    that changes while it is made and loaded. Connection and errors are those of `publish`.
    """
    with used(connection) as given:
        return bus.position(given)


@contextmanager
def used(connection: Any) -> Iterator[Any]:
    """The caller's connection, or Prefork's own. Raises Unavailable."""
    if connection is not None:
        yield connection
        return
    with shared.use() as ours:
        if dialect(ours) != POSTGRES:
            raise Unavailable("the bus needs PostgreSQL, and the store is a SQLite file here; name a database in store_dsn")
        yield ours


def check(channel: str) -> None:
    """Raises ValueError for what is no name of a channel."""
    if not 0 < len(channel) <= LONGEST_CHANNEL or "\0" in channel:
        raise ValueError(f"{channel!r} is no name of a channel; use 1 to {LONGEST_CHANNEL} characters")


def written(payload: object) -> str:
    """The payload as JSON. Raises TypeError and ValueError."""
    text = json.dumps(payload, separators=(",", ":"), allow_nan=False)
    if len(text) > LARGEST:
        raise ValueError(f"a message of {len(text)} bytes is too large; keep it elsewhere and publish where, up to {LARGEST} bytes")
    return text
