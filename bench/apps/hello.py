"""The application that every server runs: `app` for WSGI, `asgi_app` for ASGI, answering the same routes.

    /                    hello world
    /work?ms=2           waits so long, as a query would
    /hold?seconds=1      holds its worker, as a call that does not return would
    /burn?ms=5           computes for so long a time of a processor
    /json                2 KiB of JSON
    /page                64 KiB
    /download            10 MiB
    /upload              reads the body
    /boot                when this process imported the application, by the monotonic clock

It imports nothing that a server does not need anyway. `BENCH_IMPORT_SECONDS` makes its import slow.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any
from urllib.parse import parse_qs

time.sleep(float(os.environ.get("BENCH_IMPORT_SECONDS", "0")))
BOOTED = time.monotonic()
BLOCK = 65536  # bytes
ANSWERS = {
    "/json": b'{"records": [' + b", ".join(b'{"id": %04d, "name": "Partner %04d"}' % (each, each) for each in range(54)) + b"]}\n",
    "/page": b"x" * BLOCK,
    "/download": b"x" * (10 << 20),
}
HELLO = b"Hello, world!\n"


def number(query: str, name: str) -> float:
    """The number that the query string gives `name`."""
    return float(parse_qs(query)[name][0])


def burn(milliseconds: float) -> None:
    """Compute, until this thread has had a processor for so long."""
    end = time.thread_time() + milliseconds / 1000
    while time.thread_time() < end:
        pass


def body(path: str) -> bytes:
    """What a route says once it has done its waiting."""
    return f"{BOOTED:.6f}".encode() if path == "/boot" else ANSWERS.get(path, HELLO)


def head(text: bytes) -> list[tuple[str, str]]:
    """The two headers of every answer."""
    return [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))]


def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """The routes for WSGI."""
    path = environ["PATH_INFO"]
    if path == "/work":
        time.sleep(number(environ["QUERY_STRING"], "ms") / 1000)
    elif path == "/hold":
        time.sleep(number(environ["QUERY_STRING"], "seconds"))
    elif path == "/burn":
        burn(number(environ["QUERY_STRING"], "ms"))
    elif path == "/upload":
        while environ["wsgi.input"].read(BLOCK):
            pass
    text = body(path)
    start_response("200 OK", head(text))
    return [text]


async def asgi_app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The routes for ASGI; `/work` awaits, `/hold` and `/burn` block the loop."""
    if scope["type"] != "http":
        return
    query = scope["query_string"].decode()
    if scope["path"] == "/work":
        await asyncio.sleep(number(query, "ms") / 1000)
    elif scope["path"] == "/hold":
        time.sleep(number(query, "seconds"))  # noqa: ASYNC251 blocking is the point: a held worker
    elif scope["path"] == "/burn":
        burn(number(query, "ms"))
    elif scope["path"] == "/upload":
        while (await receive()).get("more_body"):
            pass
    text = body(scope["path"])
    headers = [(name.lower().encode(), value.encode()) for name, value in head(text)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text})
