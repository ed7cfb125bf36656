"""Answers that say whose they are, and which part of them one is, at every few bytes. An answer follows from its target.

`/NAME/SIZE/FORM/PAUSE` is answered after so many milliseconds with so many bytes of the text of a name; a POST with its own body.
The forms: `whole` in one part, `parts` in several, both with their length, and `chunked`.
"""

import asyncio
import time

BLOCK = 256  # bytes, of which the first eight say where they are, and each eight behind them whose
LARGEST = 10 << 20
PLACES = [b"%07x:" % number for number in range(LARGEST // BLOCK + 2)]
PART = 100_000


def text(name: bytes, begin: int, size: int) -> bytes:
    """So many bytes of the text of a name, which has eight, from a place on."""
    first = begin // BLOCK
    blocks = (name * (BLOCK // 8 - 1)).join(PLACES[first : (begin + size) // BLOCK + 2])
    return blocks[begin - first * BLOCK :][:size]


def asked(path):
    """Name, size, form, and the seconds before the answer."""
    name, size, form, pause = path[1:].split("/")
    return name.encode(), int(size), form, int(pause) / 1000


def headed(name, body, form):
    """The headers of an answer, without its length where that is not to be known."""
    headers = [("Content-Type", "text/plain"), ("X-Name", name.decode())]
    return headers if form == "chunked" else [*headers, ("Content-Length", str(len(body)))]


def parts_of(body, form):
    """An answer's parts, as its application hands them on."""
    if form == "whole":
        return [body]
    parts = (body[begin : begin + PART] for begin in range(0, len(body), PART))
    return list(parts) if form == "parts" else parts


def app(environ, start_response):
    name, size, form, pause = asked(environ["PATH_INFO"])
    body = environ["wsgi.input"].read() if environ["REQUEST_METHOD"] == "POST" else text(name, 0, size)
    time.sleep(pause)
    start_response("200 OK", headed(name, body, form))
    return parts_of(body, form)


async def looped(scope, receive, send):
    if scope["type"] == "lifespan":
        raise NotImplementedError("nothing to begin or to end")
    name, size, form, pause = asked(scope["path"])
    body = await read(receive)
    if body is None:
        return
    if scope["method"] != "POST":
        body = text(name, 0, size)
    await asyncio.sleep(pause)
    headers = [(key.lower().encode(), value.encode()) for key, value in headed(name, body, form)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    parts = list(parts_of(body, form)) or [b""]
    for number, part in enumerate(parts, 1):
        await send({"type": "http.response.body", "body": part, "more_body": number < len(parts)})


async def read(receive):
    """The whole body; None where its client has left."""
    parts = []
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            return None
        parts.append(event["body"])
        if not event["more_body"]:
            return b"".join(parts)
