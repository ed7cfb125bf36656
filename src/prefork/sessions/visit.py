"""One request and its session: read at the first use, kept before the answer's head goes out, because that carries the cookie.

Nothing is written for a request that changes nothing, but for a note of its use every few minutes. A session that ends while a
request still has it stays ended: what that request changes is dropped, and its visitor's newer cookie is left alone.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from prefork.sessions.cookie import new_id
from prefork.sessions.record import Changes, Record, decode, encode
from prefork.sessions.session import Session
from prefork.sessions.store import Unavailable

if TYPE_CHECKING:
    from typing import NoReturn

    from prefork.sessions.cookie import Cookie
    from prefork.sessions.record import Rules
    from prefork.sessions.store import Store

TRACE = 60.0  # seconds for which an id that was changed is remembered: requests that were sent before the change still carry it


class Visit:
    """`header` is the request's Cookie header, `secure` whether it came by https."""

    def __init__(self, store: Store, cookie: Cookie, rules: Rules, header: str, secure: bool) -> None:
        self.store = store
        self.cookie = cookie
        self.rules = rules
        self.header = header
        self.secure = secure
        self.session = Session(self._fetch)
        self.failed: Unavailable | None = None
        self.created = False
        self._key: str | None = None
        self._record: Record | None = None
        self._ended = False  # the id that came has been changed by another request

    def known(self) -> bool:
        """Whether the request has a cookie of ours, so that there may be something to read."""
        return self.cookie.read(self.header, self.secure) is not None

    def read_ahead(self) -> None:
        """Read now what the session would be asked for later. Where that fails, so does the session when it is asked, at once."""
        try:
            data = self._fetch()
        except Unavailable as error:
            self.failed = None  # unless it is needed
            self.session = Session(partial(self._fail, error))
        else:
            self.session = Session(lambda: data)

    def _fetch(self) -> dict[str, Any]:
        key = self.cookie.read(self.header, self.secure)
        try:
            fields = self.store.load(key) if key else None
        except Unavailable as error:
            self._fail(error)
        self._ended = fields == {}
        record = decode(fields) if fields else None
        if record is None or self.rules.left(record, time.time()) <= 0:
            return {}
        self._key, self._record = key, record
        return record.data

    def _fail(self, error: Unavailable) -> NoReturn:
        """Raise it. The request needs its session, and the store cannot be used."""
        self.failed = error
        raise error

    def keep(self) -> list[tuple[str, str]]:
        """Keep what has changed; gives the headers that the answer needs. Raises Unavailable, TypeError."""
        if self.failed:
            raise self.failed
        if not self.session.opened:
            return []
        try:
            line = self._kept()
        except Unavailable as error:
            self._fail(error)
        return [("Set-Cookie", line)] if line else []

    def _kept(self) -> str | None:
        """Keep what has changed; gives the cookie that the answer sets, if any."""
        session, now = self.session, time.time()
        changes = session.changes()
        old = self._key
        if self._ended or not (old or session.data()):
            return None
        if not session.data():
            return self._forget()
        if old is None or session.rotated or session.cleared:
            return self._begin(now, old)
        if changes or self._noted(now):
            self._update(old, changes, now)
        return None

    def _noted(self, now: float) -> bool:
        return self._record is not None and self.rules.due(self._record, now)

    def _begin(self, now: float, old: str | None) -> str | None:
        """A new id for what is in the session; the old one is over. None where that was over already: its successor counts."""
        key = new_id()
        record = Record(now, now, self.session.data())
        seconds = self.rules.left(record, now)
        self.store.create(key, encode(record), seconds)
        if old and self.session.cleared:
            self.store.delete(old)
        elif old and not self.store.end(old, TRACE):
            self.store.delete(key)
            return None
        self.created = old is None
        self._key, self._record = key, record
        self.session.kept()
        return self.cookie.written(key, self.secure, self.rules.lifetime)

    def _update(self, key: str, changes: Changes, now: float) -> None:
        """Bring our changes, and the note of this use, into what is kept now."""
        assert self._record
        record = self._record._replace(seen=now)
        if self.store.update(key, changes.fields(now), changes.names(), self.rules.left(record, now)):
            self._record = record
        self.session.kept()

    def _forget(self) -> str:
        assert self._key
        self.store.delete(self._key)
        self._key = self._record = None
        self.session.kept()
        return self.cookie.removed(self.secure)

    def late(self) -> str:
        """Keep what has changed since the head went out; gives a sentence where that is not possible any more. Raises TypeError."""
        if not self.session.opened or self.failed:
            return ""
        moved = self.session.rotated or self.session.cleared
        if not moved and not self.session.changes():
            return ""
        if moved or not self._key:
            return "the session was begun, rotated or cleared after the answer's head had gone out, which carries the cookie"
        try:
            self._kept()
        except Unavailable as error:
            return f"the session was changed after the answer's head had gone out, and could not be kept: {error}"
        return ""
