"""Sessions in Redis, or in a server that speaks its protocol. It forgets what has expired by itself.

A session is one string, `prefork:session:` and its id. An update watches it, so that nobody writes between reading and writing.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from prefork.sessions.store import Unavailable
from prefork.sessions.stores.link import PATIENCE, Link
from prefork.sessions.stores.resp import Broken, Connection, address

if TYPE_CHECKING:
    from prefork.sessions.store import Change

PREFIX = "prefork:session:"
TRIES = 20  # of an update that others get ahead of


class RedisStore:
    """The sessions of a server, by its address. Raises ValueError for what is none."""

    shared = True

    def __init__(self, url: str) -> None:
        where = address(url)
        self.link = Link(f"Redis at {where}", partial(Connection, where, PATIENCE), (Broken,))

    def load(self, key: str) -> bytes | None:
        """See `Store`."""
        found: bytes | None = self.link.use(lambda redis: redis.ask("GET", PREFIX + key))
        return found

    def create(self, key: str, payload: bytes, seconds: float) -> None:
        """See `Store`."""
        self.link.use(lambda redis: redis.ask("SET", PREFIX + key, payload, "PX", milliseconds(seconds)))

    def update(self, key: str, change: Change, seconds: float) -> bool:
        """See `Store`."""
        return self.link.use(lambda redis: update(redis, PREFIX + key, change, milliseconds(seconds)))

    def delete(self, key: str) -> None:
        """See `Store`."""
        self.link.use(lambda redis: redis.ask("DEL", PREFIX + key))

    def collect(self, most: int | None = None) -> int:  # noqa: ARG002 - others need it
        """Nothing to do: Redis does it."""
        return 0


def update(redis: Connection, name: str, change: Change, lasting: str) -> bool:
    """Replace a value by what `change` makes of it; False where there is none."""
    for _ in range(TRIES):
        redis.ask("WATCH", name)
        current = redis.ask("GET", name)
        if current is None:
            redis.ask("UNWATCH")
            return False
        redis.ask("MULTI")
        redis.ask("SET", name, change(current), "PX", lasting)
        if redis.ask("EXEC") is not None:
            return True
    raise Unavailable(f"a session in Redis was changed by others {TRIES} times while it was written")


def milliseconds(seconds: float) -> str:
    """A time as Redis takes it, one at least."""
    return str(max(1, int(seconds * 1000)))
