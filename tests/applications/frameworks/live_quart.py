"""Quart: the same again."""

import asyncio
import os
from collections.abc import AsyncIterator

from notes import note
from quart import Quart, make_response, request, websocket

app = Quart(__name__)


@app.websocket("/chat/<room>")
async def chat(room: str) -> None:
    await websocket.accept(subprotocol="chat" if "chat" in websocket.requested_subprotocols else None)
    try:
        while True:
            said = await websocket.receive_json()
            await websocket.send_json({"room": room, "said": said, "pid": os.getpid()})
    finally:
        if trace := websocket.args.get("trace"):
            note(trace, "left")


@app.websocket("/denied")
async def denied() -> tuple[str, int]:
    return "not you", 403


@app.get("/events/ticks")
async def ticks() -> object:
    trace = request.args.get("trace")

    async def parts() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"data: %d\n\n" % os.getpid()
                await asyncio.sleep(0.05)
        finally:
            if trace:
                note(trace, "left")

    response = await make_response(parts(), {"Content-Type": "text/event-stream"})
    response.timeout = None
    return response
