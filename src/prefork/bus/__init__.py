"""The bus: what is published in a transaction reaches everybody who listens when that commits, and in the order of commits.

Imported by applications: standard library only, Python 3.9+; psycopg where the connection is not the caller's.
"""

from __future__ import annotations

import json
from typing import Any

from prefork.store import bus
from prefork.store.connection import shared

LONGEST_CHANNEL = 200  # characters
LARGEST = 65_536  # bytes of JSON


def publish(connection: Any, channel: str, payload: object) -> None:
    """Have everybody hear it who listens to the channel, when the transaction of `connection` commits; nobody if it does not.

    The connection is one to the store's database, of psycopg 2 or 3, Django or SQLAlchemy, and not asynchronous. None is Prefork's
    own, which commits at once. Raises TypeError, ValueError for what is not JSON or too large,
    `prefork.store.connection.Unavailable`.
    """
    text = written(channel, payload)
    if connection is not None:
        bus.publish(connection, channel, text)
        return
    with shared.use() as ours:
        bus.publish(ours, channel, text)


def written(channel: str, payload: object) -> str:
    """The payload as JSON. Raises TypeError and ValueError."""
    if not 0 < len(channel) <= LONGEST_CHANNEL or "\0" in channel:
        raise ValueError(f"{channel!r} is no name of a channel; use 1 to {LONGEST_CHANNEL} characters")
    text = json.dumps(payload, separators=(",", ":"), allow_nan=False)
    if len(text) > LARGEST:
        raise ValueError(f"a message of {len(text)} bytes is too large; keep it elsewhere and publish where, up to {LARGEST} bytes")
    return text
