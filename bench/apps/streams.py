"""Bodies of 1 MiB, a part at a time.

/        hello
/down    sends one in sixteen parts, without saying how long it is
/up      reads one to its end, and says how long it was
"""

from __future__ import annotations

from typing import Any

PART, PARTS = b"x" * 65536, 16
PLAIN = (b"content-type", b"text/plain")


async def asgi_app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The routes."""
    if scope["type"] != "http":
        return
    if scope["path"] == "/down":
        await send({"type": "http.response.start", "status": 200, "headers": [PLAIN]})
        for _ in range(PARTS):
            await send({"type": "http.response.body", "body": PART, "more_body": True})
        await send({"type": "http.response.body"})
        return
    text = b"%d\n" % await length(receive) if scope["path"] == "/up" else b"hello\n"
    headers = [PLAIN, (b"content-length", b"%d" % len(text))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text})


async def length(receive: Any) -> int:
    """How many bytes a body has; all of them are read for that."""
    got, more = 0, True
    while more:
        event = await receive()
        got += len(event.get("body", b""))
        more = event.get("more_body", False)
    return got
