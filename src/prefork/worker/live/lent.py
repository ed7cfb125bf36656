"""What a websocket worker needs and the application's environment may not have: a framing library, a faster event loop.

The library is the application's own where it has one, and otherwise that of Prefork's environment, which is lent: this one package
becomes importable here and nothing else of that environment. Never done in another kind of worker.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import sys
from typing import Any, NamedTuple

from prefork.worker.packages import lend
from prefork.worker.traces import sentence

WINDOW, MEMORY = 12, 5  # zlib's: with them a message takes 32 KiB while it is compressed


class Missing(Exception):
    """There is no framing library for this interpreter; the sentence says why, and what to do."""


class Framing(NamedTuple):
    """What is used of the library. Its log is silent: what happens to connections is told in the server's own.

    `deflate` compresses each message by itself (RFC 7692), so that a connection at rest takes no memory for it.
    """

    handshake: Any
    request: Any
    headers: Any
    text: Any
    binary: Any
    continuation: Any
    frame: Any
    protocol: Any
    server: Any
    opened: Any
    deflate: Any
    logger: logging.Logger


def framing(package: str) -> Framing:
    """The library; `package` is the directory of the one that can be lent. Raises Missing."""
    try:
        return imported(package)
    except Exception as error:
        python = ".".join(map(str, sys.version_info[:2]))
        raise Missing(
            f"the websockets library cannot be used with the application's Python {python} ({sentence(error)}); "
            "install one that can in the application's environment (pip install websockets, version 11 or later)"
        ) from error


def imported(package: str) -> Framing:
    """The parts of the library. Raises whatever its import raises."""
    if importlib.util.find_spec("websockets") is None:
        lend("websockets", package)
    from websockets.datastructures import Headers
    from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
    from websockets.frames import Frame, Opcode
    from websockets.http11 import Request
    from websockets.protocol import Protocol, Side, State
    from websockets.server import ServerProtocol

    logger = logging.getLogger("prefork.websockets")
    logger.disabled = True
    return Framing(
        handshake=ServerProtocol,
        request=Request,
        headers=Headers,
        text=Opcode.TEXT,
        binary=Opcode.BINARY,
        continuation=Opcode.CONT,
        frame=Frame,
        protocol=Protocol,
        server=Side.SERVER,
        opened=State.OPEN,
        deflate=ServerPerMessageDeflateFactory(
            server_no_context_takeover=True,
            client_no_context_takeover=True,
            server_max_window_bits=WINDOW,
            compress_settings={"memLevel": MEMORY},
        ),
        logger=logger,
    )


def event_loop() -> asyncio.AbstractEventLoop:
    """A new loop: uvloop's where the application's environment has it."""
    try:
        from uvloop import new_event_loop
    except ImportError:
        return asyncio.new_event_loop()
    made: asyncio.AbstractEventLoop = new_event_loop()
    return made
