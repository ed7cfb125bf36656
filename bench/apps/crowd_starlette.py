"""Starlette: what one client says, all others hear; GET / has a short answer."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

CROWD: set[WebSocket] = set()


async def join(socket: WebSocket) -> None:
    """One client."""
    await socket.accept()
    CROWD.add(socket)
    try:
        async for said in socket.iter_text():
            for other in CROWD - {socket}:
                await other.send_text(said)
    finally:
        CROWD.discard(socket)


async def hello(_request: Request) -> PlainTextResponse:
    """What is no WebSocket."""
    return PlainTextResponse("hello")


app = Starlette(routes=[Route("/", hello), WebSocketRoute("/websocket", join)])
