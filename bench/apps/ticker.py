"""A stream of events for everybody at once: each event is the time at which it was sent, and all streams send it then.

GET /events/ticks   a stream of events, one in half a second
GET anything else   a short answer
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

EVERY = 0.5
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def asgi_app(scope: Scope, receive: Receive, send: Send) -> None:
    """The application."""
    if scope["type"] != "http":
        raise ValueError("only http is served here")
    if scope["path"].startswith("/events/"):
        await tick(receive, send)
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


async def tick(receive: Receive, send: Send) -> None:
    """Send until the client leaves."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    await send({"type": "http.response.body", "body": b": welcome\n\n", "more_body": True})
    left = asyncio.ensure_future(departure(receive))
    while not left.done():
        due = (time.monotonic() // EVERY + 1) * EVERY
        await asyncio.wait((left,), timeout=due - time.monotonic())
        await send({"type": "http.response.body", "body": b"data: %.6f\n\n" % due, "more_body": True})


async def departure(receive: Receive) -> None:
    """Until the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
