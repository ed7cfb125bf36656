"""Starlette's ways of answering over HTTP, each at a route of its own; the others' routes are the same."""

import hashlib
import os
from collections.abc import AsyncIterator

from notes import PART, block, end, facts, linger, note
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, StreamingResponse
from starlette.routing import Route


async def said(request: Request) -> JSONResponse:
    return JSONResponse({"path": request.path_params["rest"], "q": request.query_params.getlist("q"), "pid": os.getpid()})


async def stream(request: Request) -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        try:
            left = int(request.query_params["parts"])
            while left:
                yield PART
                left -= 1
        finally:
            note(request.query_params["trace"], "closed")

    return StreamingResponse(parts())


async def file(request: Request) -> FileResponse:
    return FileResponse(request.query_params["path"])


async def upload(request: Request) -> JSONResponse:
    async with request.form() as form:
        return JSONResponse({**facts(form["file"].file), "title": form["title"]})


async def poured(request: Request) -> JSONResponse:
    digest, parts = hashlib.sha256(), 0
    try:
        async for part in request.stream():
            if not parts:
                note(request.query_params["trace"], "began")
            digest.update(part)
            parts += 1
    except ClientDisconnect:
        note(request.query_params["trace"], "left")
        raise
    return JSONResponse({"digest": digest.hexdigest(), "parts": parts})


async def later(request: Request) -> JSONResponse:
    trace = request.query_params["trace"]

    return JSONResponse({"pid": os.getpid()}, background=BackgroundTask(end, trace))


def threaded(request: Request) -> JSONResponse:
    block(request.query_params["until"])
    return JSONResponse({"pid": os.getpid()})


async def waiting(request: Request) -> JSONResponse:
    await linger(request.query_params["until"])
    return JSONResponse({"pid": os.getpid()})


async def torn(request: Request) -> None:
    raise LookupError("torn")


routes = (said, stream, file, upload, poured, later, threaded, waiting, torn)
paths = {"said": "/said/{rest:path}"}
app = Starlette(routes=[Route(paths.get(each.__name__, f"/{each.__name__}"), each, methods=["GET", "POST"]) for each in routes])
