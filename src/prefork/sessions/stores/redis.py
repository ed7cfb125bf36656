"""Sessions in Redis, or in a server that speaks its protocol. It forgets what has expired by itself.

A session is one hash, `prefork:session:` and its id. What has to happen with nobody in between is a script that the server runs as
one step: however many write one session at once, none of them has to try again.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from prefork.sessions.stores.link import PATIENCE, Link
from prefork.sessions.stores.resp import Broken, Connection, address

if TYPE_CHECKING:
    from collections.abc import Collection

    from prefork.sessions.store import Fields

PREFIX = "prefork:session:"
ENDED = ""  # the only field of an ended session: Redis keeps no empty hash
# ARGV of each: milliseconds, how many words of names and values follow, these, names to be taken out.
WRITE = """
for n = 3, 2 + ARGV[2], 2 do redis.call('HSET', KEYS[1], ARGV[n], ARGV[n + 1]) end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
"""
CREATE = f"redis.call('DEL', KEYS[1]) {WRITE}"
UPDATE = f"""
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if redis.call('HEXISTS', KEYS[1], '{ENDED}') == 1 then return 1 end
for n = 3 + ARGV[2], #ARGV do redis.call('HDEL', KEYS[1], ARGV[n]) end
{WRITE}"""
END = f"if redis.call('DEL', KEYS[1]) == 0 then return 0 end {WRITE}"


class RedisStore:
    """The sessions of a server, by its address. Raises ValueError for what is none."""

    shared = True

    def __init__(self, url: str) -> None:
        where = address(url)
        self.link = Link(f"Redis at {where}", partial(Connection, where, PATIENCE), (Broken,))

    def load(self, key: str) -> Fields | None:
        """See `Store`."""
        words: list[bytes] = self.link.use(lambda redis: redis.ask("HGETALL", PREFIX + key))
        fields = {words[n].decode(): words[n + 1].decode() for n in range(0, len(words), 2)}
        return {name: text for name, text in fields.items() if name != ENDED} if fields else None

    def create(self, key: str, fields: Fields, seconds: float) -> None:
        """See `Store`."""
        self._run(CREATE, key, seconds, fields)

    def update(self, key: str, fields: Fields, gone: Collection[str], seconds: float) -> bool:
        """See `Store`."""
        return self._run(UPDATE, key, seconds, fields, gone)

    def end(self, key: str, seconds: float) -> bool:
        """See `Store`."""
        return self._run(END, key, seconds, {ENDED: ""})

    def delete(self, key: str) -> None:
        """See `Store`."""
        self.link.use(lambda redis: redis.ask("DEL", PREFIX + key))

    def collect(self, most: int | None = None) -> int:  # noqa: ARG002 - others need it
        """Nothing to do: Redis does it."""
        return 0

    def _run(self, script: str, key: str, seconds: float, fields: Fields, gone: Collection[str] = ()) -> bool:
        words = [word for pair in fields.items() for word in pair]
        arguments = [milliseconds(seconds), str(len(words)), *words, *gone]
        done: Any = self.link.use(lambda redis: redis.ask("EVAL", script, "1", PREFIX + key, *arguments))
        return bool(done)


def milliseconds(seconds: float) -> str:
    """A time as Redis takes it, one at least."""
    return str(max(1, int(seconds * 1000)))
