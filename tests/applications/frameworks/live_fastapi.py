"""FastAPI: a WebSocket, a stream of events, a table of what is connected."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from fastapi import FastAPI, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse
from notes import note


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, object]]:
    yield {"started": os.getpid()}


app = FastAPI(lifespan=lifespan)


@app.websocket("/chat/{room}")
async def chat(socket: WebSocket, room: str, trace: str = "") -> None:
    await socket.accept(subprotocol="chat" if "chat" in socket.scope["subprotocols"] else None)
    assert socket.state.started == os.getpid()
    try:
        async for said in socket.iter_json():
            await socket.send_json({"room": room, "said": said, "pid": os.getpid()})
    except WebSocketDisconnect:
        pass
    if trace:
        note(trace, "left")


@app.websocket("/denied")
async def denied(socket: WebSocket) -> None:
    await socket.close(code=1008)


@app.get("/events/ticks")
async def ticks(request: Request, trace: str = "") -> StreamingResponse:
    async def parts() -> AsyncIterator[str]:
        try:
            while True:
                yield f"data: {os.getpid()}\n\n"
                await anyio.sleep(0.05)
        finally:
            if trace:
                note(trace, "left")

    return StreamingResponse(parts(), media_type="text/event-stream")
