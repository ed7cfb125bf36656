"""A server of the library websockets: what one client says, all others hear. `PROGRAM PORT`; GET / has a short answer."""

import asyncio
import http
import sys

import uvloop
from websockets.asyncio.server import Request, Response, ServerConnection, broadcast, serve

CROWD: set[ServerConnection] = set()


async def join(socket: ServerConnection) -> None:
    """One client."""
    CROWD.add(socket)
    try:
        async for said in socket:
            broadcast(CROWD - {socket}, said)
    finally:
        CROWD.discard(socket)


def answer(socket: ServerConnection, request: Request) -> Response | None:
    """What is no WebSocket."""
    return socket.respond(http.HTTPStatus.OK, "hello") if request.path == "/" else None


async def main() -> None:
    """Serve."""
    async with serve(join, "127.0.0.1", int(sys.argv[1]), process_request=answer):
        await asyncio.Event().wait()


uvloop.run(main())
