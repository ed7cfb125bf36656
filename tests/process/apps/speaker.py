"""An application of ASGI without a framework: what it does with a connection is in its path."""

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


def note(scope: Scope, *words: object) -> None:
    """Append a line to the file that the query names."""
    place = parse_qs(scope["query_string"].decode()).get("trace")
    if place:
        write(place[0], " ".join(map(str, words)))


def write(place: str, line: str) -> None:
    with open(place, "a") as trace:
        trace.write(line + "\n")


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send)
        return
    kind = HTTP if scope["type"] == "http" else SOCKETS
    await kind[scope["path"].rpartition("/")[2]](scope, receive, send)


async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    if "LIFESPAN_FAILS" in os.environ:
        await send({"type": "lifespan.startup.failed", "message": "no database"})
        return
    scope["state"]["started"] = os.getpid()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    if place := os.environ.get("LIFESPAN_TRACE"):
        write(place, f"{os.getpid()} ended")
    await send({"type": "lifespan.shutdown.complete"})


async def accepted(receive: Receive, send: Send, **more: Any) -> None:
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept", **more})


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Every message comes back."""
    protocols = scope["subprotocols"]
    await accepted(receive, send, subprotocol=protocols[0] if protocols else None, headers=[(b"x-own", b"yes")])
    while (event := await receive())["type"] == "websocket.receive":
        await send({**event, "type": "websocket.send"})


async def listens(scope: Scope, receive: Receive, send: Send) -> None:
    """Notes what is said, and the end, as often as it asks."""
    await accepted(receive, send)
    while (event := await receive())["type"] == "websocket.receive":
        note(scope, event["text"])
    assert await receive() == event
    note(scope, event["code"], event["reason"])


async def about(scope: Scope, receive: Receive, send: Send) -> None:
    """Says what it has been told."""
    await accepted(receive, send)
    told = {name: scope[name] for name in ("type", "scheme", "path", "client", "state", "extensions")}
    await send({"type": "websocket.send", "text": json.dumps({**told, "pid": os.getpid()})})
    await send({"type": "websocket.close", "code": 4321, "reason": "said"})


async def closed(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.close"})


async def denied(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.http.response.start", "status": 401, "headers": [(b"www-authenticate", b"Bearer")]})
    await send({"type": "websocket.http.response.body", "body": b"who ", "more_body": True})
    await send({"type": "websocket.http.response.body", "body": b"are you?"})


async def raises(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    raise LookupError("as it is asked to")


async def raises_later(scope: Scope, receive: Receive, send: Send) -> None:
    await accepted(receive, send)
    raise LookupError("as it is asked to")


async def returns(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()


async def pours(scope: Scope, receive: Receive, send: Send) -> None:
    """Sends as long as somebody reads, and notes how often it could."""
    await accepted(receive, send)
    sent = 0
    try:
        while True:
            await asyncio.wait_for(send({"type": "websocket.send", "bytes": bytes(65536)}), 0.5)
            sent += 1
    except TimeoutError:
        note(scope, "waits", sent)
    try:
        while True:
            await send({"type": "websocket.send", "bytes": bytes(65536)})
    except OSError:
        note(scope, "gone")


async def swells(scope: Scope, receive: Receive, send: Send) -> None:
    """Keeps as many MiB as it is told."""
    await accepted(receive, send)
    kept = []
    while (event := await receive())["type"] == "websocket.receive":
        kept.append(b"x" * (int(event["text"]) << 20))


async def blocks(scope: Scope, receive: Receive, send: Send) -> None:
    """Holds the whole loop."""
    await accepted(receive, send)
    Path(parse_qs(scope["query_string"].decode())["gate"][0]).read_bytes()
    await send({"type": "websocket.send", "text": "on"})
    await receive()


CROWD: set[Send] = set()


async def joins(scope: Scope, receive: Receive, send: Send) -> None:
    """Hears what requests over HTTP say in this process."""
    await accepted(receive, send)
    CROWD.add(send)
    await receive()
    CROWD.discard(send)


async def says(scope: Scope, receive: Receive, send: Send) -> None:
    """Has all who have joined hear of it; tells how many they are."""
    for heard in CROWD:
        await heard({"type": "websocket.send", "text": "hear, hear"})
    await begun(send)
    await send({"type": "http.response.body", "body": b"%d" % len(CROWD)})


async def silent(scope: Scope, receive: Receive, send: Send) -> None:
    """Never answers the handshake."""
    await receive()
    try:
        await asyncio.Event().wait()
    finally:
        note(scope, "cancelled")


async def hesitates(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers the handshake when there is a file."""
    note(scope, "asked")
    gate = Path(parse_qs(scope["query_string"].decode())["gate"][0])
    while not gate.exists():
        await asyncio.sleep(0.01)
    await accepted(receive, send)
    await receive()


async def dies(scope: Scope, receive: Receive, send: Send) -> None:
    """Dies of its first handshake, and answers the next one."""
    await receive()
    place = Path(parse_qs(scope["query_string"].decode())["trace"][0])
    if not place.exists():
        place.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    await send({"type": "websocket.close"})


async def begun(send: Send, kind: bytes = b"text/plain") -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await begun(send)
    await send({"type": "http.response.body", "body": b"hello"})


async def events(scope: Scope, receive: Receive, send: Send) -> None:
    """A stream of events until the client leaves."""
    await begun(send, b"text/event-stream")
    left = asyncio.ensure_future(gone(receive))
    number = 0
    while not left.done():
        await send({"type": "http.response.body", "body": b"data: %d %d\n\n" % (number, os.getpid()), "more_body": True})
        number += 1
        await asyncio.wait((left,), timeout=0.05)
    note(scope, "left")


async def gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def counted(scope: Scope, receive: Receive, send: Send) -> None:
    """The size of what is sent to it, slowly."""
    size = parts = 0
    while True:
        event = await receive()
        size, parts = size + len(event["body"]), parts + 1
        if not event["more_body"]:
            break
    await begun(send, b"application/json")
    await send({"type": "http.response.body", "body": json.dumps({"size": size, "parts": parts}).encode()})


async def heavy(scope: Scope, receive: Receive, send: Send) -> None:
    """Large parts, one right behind the other."""
    await begun(send)
    for number in range(10):
        await send({"type": "http.response.body", "body": b"%d" % number * 70_000, "more_body": True})
    await send({"type": "http.response.body"})


async def torn(scope: Scope, receive: Receive, send: Send) -> None:
    await begun(send)
    await send({"type": "http.response.body", "body": b"half", "more_body": True})
    raise LookupError("as it is asked to")


TALKS = (echo, listens, about, hesitates, joins, pours, swells, blocks, raises_later)
REFUSALS = (closed, denied, silent, dies, raises, returns)
SOCKETS = {each.__name__: each for each in (*TALKS, *REFUSALS)}
SOCKETS["websocket"] = about
HTTP = {each.__name__: each for each in (hello, says, events, counted, heavy, torn, raises)}
