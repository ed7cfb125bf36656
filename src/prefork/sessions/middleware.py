"""WSGI middleware that gives each request its session, and keeps what the application has changed in it.

Where the store cannot be used, a request that needs its session is answered 503, whatever the application made of the failure: an
empty session would look like a logout, and keeping one would be one.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Callable

from prefork.sessions.cookie import NAME, SHORTEST, Cookie
from prefork.sessions.record import Rules
from prefork.sessions.store import Unavailable
from prefork.sessions.visit import Visit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from prefork.sessions.store import Store

    Headers = list[tuple[str, str]]
    StartResponse = Callable[..., Callable[[bytes], Any]]
    Application = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]

DAY = 86400.0
SORRY = b"Sessions cannot be used at the moment. Nothing is lost; please try again soon.\n"
RETRY_AFTER = "5"  # seconds
SWEPT = 50  # the most files that one request may clear away
SEVERAL = (
    "sessions in the memory of one process cannot be seen by the other workers: a visitor would be logged out at every other "
    "click; use files, Redis or PostgreSQL, or workers = 0"
)


class SessionMiddleware:
    """The application with `environ["prefork.session"]`, a dictionary of JSON values that is the visitor's own.

    `secret` signs the cookie: text of 32 characters or more, or several, of which the first signs and all are accepted. `idle` and
    `lifetime` are seconds.
    """

    def __init__(
        self,
        app: Application,
        store: Store,
        secret: str | bytes | Sequence[str | bytes],
        *,
        cookie: str = "session",
        samesite: str = "Lax",
        idle: float = 7 * DAY,
        lifetime: float = 30 * DAY,
    ) -> None:
        self.app = app
        self.store = store
        self.cookie, self.rules = agreed(secret, cookie, samesite, idle, lifetime)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """What PEP 3333 says."""
        if environ["wsgi.multiprocess"] and not self.store.shared:
            raise RuntimeError(SEVERAL)
        secure = environ["wsgi.url_scheme"] == "https"
        visit = Visit(self.store, self.cookie, self.rules, environ.get("HTTP_COOKIE", ""), secure)
        environ["prefork.session"] = visit.session
        answer = Answer(visit, start_response)
        try:
            body = self.app(environ, answer.begin)
        except Unavailable:
            if not visit.failed or answer.begun:
                raise
            answer.refuse()
            return [SORRY]
        if answer.refused:
            close(body)
            return [SORRY]
        wrapper = environ.get("wsgi.file_wrapper")
        whole = isinstance(body, (list, tuple)) or (isinstance(wrapper, type) and isinstance(body, wrapper))
        # What is there already goes on as it is: the server knows its length, or passes the file on without reading it.
        return body if whole and answer.begun and not visit.created else Body(body, answer, visit)


class Answer:
    """What the application says of its answer, on the way to the server."""

    def __init__(self, visit: Visit, start_response: StartResponse) -> None:
        self.visit = visit
        self.start_response = start_response
        self.begun = self.refused = False

    def begin(self, status: str, headers: Headers, exc_info: Any = None) -> Callable[[bytes], Any]:
        """As `start_response`; keeps the session first."""
        if self.refused:
            return ignore
        try:
            added = self.visit.keep()
        except Unavailable:
            self.refuse(exc_info)
            return ignore
        if self.visit.session.opened:
            headers = personal(headers, added)
        self.begun = True
        return self.start_response(status, headers, exc_info) if exc_info else self.start_response(status, headers)

    def refuse(self, exc_info: Any = None) -> None:
        """Answer that there are no sessions now."""
        self.refused = True
        headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(SORRY))), ("Retry-After", RETRY_AFTER)]
        headers.append(("Cache-Control", "no-store"))
        self.start_response("503 Service Unavailable", headers, exc_info)


class Body:
    """An answer's body that may still change the session while it is made, or turn out to be refused."""

    def __init__(self, body: Iterable[bytes], answer: Answer, visit: Visit) -> None:
        self.body = body
        self.answer = answer
        self.visit = visit

    def __iter__(self) -> Iterator[bytes]:
        for data in self._made():
            if self.answer.refused:
                break
            yield data
        if self.answer.refused:
            yield SORRY

    def _made(self) -> Iterator[bytes]:
        """What the application makes, as far as it can without its session."""
        try:
            yield from self.body
        except Unavailable:
            if not self.visit.failed or self.answer.begun:
                raise
            if not self.answer.refused:
                self.answer.refuse()

    def close(self) -> None:
        """The client has everything: close the application's body, keep what it still changed, clear away a little."""
        close(self.body)
        if complaint := self.visit.late():
            sys.stderr.write(f"prefork: {complaint}\n")
        # A new session pays for old ones: now and then one of them looks into one directory of 256.
        if self.visit.created and os.urandom(1)[0] < 16:
            try:
                self.visit.store.collect(SWEPT)
            except Unavailable:
                pass


def personal(headers: Headers, added: Headers) -> Headers:
    """The headers of an answer that was made for one visitor: no cache may give it, or its cookie, to another one."""
    names = {name.lower() for name, _ in headers}
    said = [*headers, *added, ("Vary", "Cookie")]
    return [*said, ("Cache-Control", "private")] if "cache-control" not in names else said


def agreed(
    secret: str | bytes | Sequence[str | bytes], cookie: str, samesite: str, idle: float, lifetime: float
) -> tuple[Cookie, Rules]:
    """What a middleware was told, as it is used. Raises ValueError with a sentence."""
    if not NAME.fullmatch(cookie):
        raise ValueError(f"a cookie cannot be called {cookie!r}; use letters, digits, - and _")
    if samesite not in {"Lax", "Strict", "None"}:
        raise ValueError(f"samesite is Lax, Strict or None, not {samesite!r}")
    if not (idle > 0 and lifetime > 0):
        raise ValueError("idle and lifetime are seconds, and more than none")
    return Cookie(cookie, secrets_of(secret), samesite), Rules(idle, lifetime)


def secrets_of(given: str | bytes | Sequence[str | bytes]) -> tuple[bytes, ...]:
    """Secrets as bytes. Raises ValueError with a sentence."""
    several = [given] if isinstance(given, (str, bytes)) else given
    found = tuple(each.encode() if isinstance(each, str) else each for each in several)
    if not found or min(map(len, found)) < SHORTEST:
        raise ValueError(f"a secret has {SHORTEST} characters or more; make one with secrets.token_hex(32)")
    return found


def close(body: Any) -> None:
    """Close a body that can be closed."""
    if hasattr(body, "close"):
        body.close()


def ignore(_: bytes) -> None:
    """What `write` does when the answer is another one."""
