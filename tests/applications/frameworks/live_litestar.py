"""Litestar: the same again."""

import asyncio
import os
from collections.abc import AsyncIterator

from litestar import Litestar, WebSocket, get, websocket
from litestar.exceptions import WebSocketDisconnect
from litestar.response import ServerSentEvent
from notes import note


@websocket("/chat/{room:str}")
async def chat(socket: WebSocket, room: str, trace: str = "") -> None:
    await socket.accept(subprotocols="chat" if "chat" in socket.scope["subprotocols"] else None)
    try:
        while True:
            said = await socket.receive_json()
            await socket.send_json({"room": room, "said": said, "pid": os.getpid()})
    except WebSocketDisconnect:
        if trace:
            note(trace, "left")


@websocket("/denied")
async def denied(socket: WebSocket) -> None:
    await socket.close(code=1008)


@get("/events/ticks")
async def ticks(trace: str = "") -> ServerSentEvent:
    async def parts() -> AsyncIterator[str]:
        try:
            while True:
                yield str(os.getpid())
                await asyncio.sleep(0.05)
        finally:
            if trace:
                note(trace, "left")

    return ServerSentEvent(parts())


app = Litestar([chat, denied, ticks])
