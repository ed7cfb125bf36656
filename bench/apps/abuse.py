"""The application of the limits report: `app` for WSGI, `asgi_app` for ASGI. Beside the routes of `hello` it does harm.

    /sleep               never ends by itself
    /spin                computes without end
    /allocate            takes 1 GiB each second, two of them
    /leak                keeps 5 MiB for ever
    /crash               reads what is not there, in native code

The first two end when nobody can be waiting any more, so that a server without limits can be stopped.
"""

from __future__ import annotations

import asyncio
import ctypes
import time
from typing import Any

import hello

FOR_EVER = 60.0  # seconds
BLOCK = 16 << 20  # bytes
PER_SECOND = 64  # blocks
LEAK = 5 << 20  # bytes
kept: list[bytes] = []


def spin() -> None:
    """Compute."""
    until = time.monotonic() + FOR_EVER
    while time.monotonic() < until:
        pass


def allocate() -> None:
    """Take memory and write to it, at a steady rate."""
    began = time.monotonic()
    taken = []
    for number in range(1, 2 * PER_SECOND + 1):
        taken.append(b"x" * BLOCK)
        time.sleep(max(0.0, began + number / PER_SECOND - time.monotonic()))


HARM = {
    "/sleep": lambda: time.sleep(FOR_EVER),
    "/spin": spin,
    "/allocate": allocate,
    "/leak": lambda: kept.append(b"x" * LEAK),
    "/crash": lambda: ctypes.string_at(0),
}


def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """The routes for WSGI."""
    HARM.get(environ["PATH_INFO"], lambda: None)()
    return hello.app(environ, start_response)


async def asgi_app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The routes for ASGI; a sleep awaits, everything else holds the loop as it would in life."""
    path = scope.get("path", "")
    if path == "/sleep":
        await asyncio.sleep(FOR_EVER)
    else:
        HARM.get(path, lambda: None)()
    await hello.asgi_app(scope, receive, send)
