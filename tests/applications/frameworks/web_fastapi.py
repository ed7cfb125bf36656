"""FastAPI: the same, with dependencies, models and a lifespan."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import BackgroundTasks, Depends, FastAPI, Form, Query, Request, UploadFile
from fastapi.responses import FileResponse, StreamingResponse
from notes import PART, block, end, facts, linger, note
from pydantic import BaseModel


class Said(BaseModel):
    path: str
    q: list[str]
    pid: int


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, object]]:
    yield {"pid": os.getpid()}


app = FastAPI(lifespan=lifespan)


async def pid(request: Request) -> AsyncIterator[int]:
    yield request.state.pid


@app.get("/said/{rest:path}")
async def said(rest: str, q: Annotated[list[str], Query()], pid: Annotated[int, Depends(pid)]) -> Said:
    return Said(path=rest, q=q, pid=pid)


@app.get("/stream")
@app.head("/stream")
async def stream(parts: int, trace: str) -> StreamingResponse:
    async def made() -> AsyncIterator[bytes]:
        try:
            left = parts
            while left:
                yield PART
                left -= 1
        finally:
            note(trace, "closed")

    return StreamingResponse(made())


@app.get("/file")
async def file(path: str) -> FileResponse:
    return FileResponse(path)


@app.post("/upload")
def upload(file: UploadFile, title: Annotated[str, Form()]) -> dict[str, object]:
    return {**facts(file.file), "title": title}


@app.get("/later")
async def later(trace: str, tasks: BackgroundTasks) -> dict[str, int]:
    tasks.add_task(end, trace)
    return {"pid": os.getpid()}


@app.get("/threaded")
def threaded(until: str) -> dict[str, int]:
    block(until)
    return {"pid": os.getpid()}


@app.get("/waiting")
async def waiting(until: str) -> dict[str, int]:
    await linger(until)
    return {"pid": os.getpid()}


@app.get("/torn")
async def torn() -> None:
    raise LookupError("torn")
