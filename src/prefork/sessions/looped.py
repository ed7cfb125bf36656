"""The same middleware for ASGI: what a store is asked is asked in a thread, because the loop must not wait for it.

A session is read before the application is called where the request has a cookie of ours: a dictionary cannot be awaited. It is in
the scope as `prefork.session`, and as `session`, which is where frameworks look for one.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Any, Callable

from prefork.sessions.middleware import DAY, RETRY_AFTER, SORRY, SWEPT, agreed, personal
from prefork.sessions.store import Unavailable
from prefork.sessions.visit import Visit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from prefork.sessions.store import Store

    Event = dict[str, Any]
    Receive = Callable[[], Awaitable[Event]]
    Send = Callable[[Event], Awaitable[None]]
    LoopedApplication = Callable[[Event, Receive, Send], Awaitable[None]]

KINDS = frozenset(("http", "websocket"))


class LoopedSessionMiddleware:
    """The application with `scope["prefork.session"]`; arguments as those of `SessionMiddleware`."""

    def __init__(
        self,
        app: LoopedApplication,
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

    async def __call__(self, scope: Event, receive: Receive, send: Send) -> None:
        """What ASGI says."""
        if scope["type"] not in KINDS:
            await self.app(scope, receive, send)
            return
        header = "; ".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie")
        visit = Visit(self.store, self.cookie, self.rules, header, scope["scheme"] in {"https", "wss"})
        if visit.known():
            await in_thread(visit.read_ahead)
        answer = Answer(visit, send)
        try:
            await self.app({**scope, "prefork.session": visit.session, "session": visit.session}, receive, answer.send)
        except Unavailable:
            if not visit.failed or answer.begun or scope["type"] != "http":
                raise
            await answer.refuse()
        finally:
            if visit.session.opened:
                await in_thread(clear_up, visit)


class Answer:
    """What the application says of its answer, on the way to the server."""

    def __init__(self, visit: Visit, send: Send) -> None:
        self.visit = visit
        self.forward = send
        self.begun = self.refused = False

    async def send(self, event: Event) -> None:
        """As the server's; keeps the session before the answer begins."""
        if self.refused:
            return
        if event["type"] == "http.response.start" and (self.visit.session.opened or self.visit.failed):
            try:
                added = await in_thread(self.visit.keep)
            except Unavailable:
                await self.refuse()
                return
            event = {**event, "headers": with_cookie(event.get("headers", ()), added)}
        self.begun = self.begun or event["type"] == "http.response.start"
        await self.forward(event)

    async def refuse(self) -> None:
        """Answer that there are no sessions now."""
        if self.refused:
            return
        self.refused = True
        length = str(len(SORRY)).encode()
        headers = [(b"content-type", b"text/plain"), (b"content-length", length), (b"retry-after", RETRY_AFTER.encode())]
        headers.append((b"cache-control", b"no-store"))
        await self.forward({"type": "http.response.start", "status": 503, "headers": headers})
        await self.forward({"type": "http.response.body", "body": SORRY})


def with_cookie(headers: Any, added: list[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """The headers of an answer that was made for one visitor."""
    texts = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in personal(texts, added)]


def clear_up(visit: Visit) -> None:
    """Keep what was changed after the answer had begun; now and then clear away a little."""
    if complaint := visit.late():
        sys.stderr.write(f"prefork: {complaint}\n")
    if visit.created and os.urandom(1)[0] < 16:
        try:
            visit.store.collect(SWEPT)
        except Unavailable:
            pass


async def in_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function gives that may wait."""
    return await asyncio.get_running_loop().run_in_executor(None, function, *arguments)
