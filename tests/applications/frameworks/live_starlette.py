"""Starlette: the same as FastAPI's, of its own parts."""

import os
from collections.abc import AsyncIterator

import anyio
from notes import note
from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket


class Chat(WebSocketEndpoint):
    encoding = "json"

    async def on_connect(self, websocket: WebSocket) -> None:
        await websocket.accept(subprotocol="chat" if "chat" in websocket.scope["subprotocols"] else None)

    async def on_receive(self, websocket: WebSocket, data: object) -> None:
        await websocket.send_json({"room": websocket.path_params["room"], "said": data, "pid": os.getpid()})

    async def on_disconnect(self, websocket: WebSocket, close_code: int) -> None:
        if trace := websocket.query_params.get("trace"):
            note(trace, "left")


async def denied(websocket: WebSocket) -> None:
    await websocket.close(code=1008)


async def ticks(request: Request) -> StreamingResponse:
    async def parts() -> AsyncIterator[str]:
        try:
            while True:
                yield f"data: {os.getpid()}\n\n"
                await anyio.sleep(0.05)
        finally:
            if trace := request.query_params.get("trace"):
                note(trace, "left")

    return StreamingResponse(parts(), media_type="text/event-stream")


app = Starlette(routes=[WebSocketRoute("/chat/{room}", Chat), WebSocketRoute("/denied", denied), Route("/events/ticks", ticks)])
