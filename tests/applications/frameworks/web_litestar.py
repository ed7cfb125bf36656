"""Litestar: the same again."""

import os
from collections.abc import AsyncIterator
from typing import Annotated, Any

from litestar import Litestar, get, post
from litestar.background_tasks import BackgroundTask
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import File, Response, Stream
from notes import PART, block, end, facts, linger, note


@get("/said/{rest:path}")
async def said(rest: str, q: list[str]) -> dict[str, object]:
    return {"path": str(rest).lstrip("/"), "q": q, "pid": os.getpid()}


@get("/stream")
async def stream(parts: int, trace: str) -> Stream:
    async def made() -> AsyncIterator[bytes]:
        try:
            left = parts
            while left:
                yield PART
                left -= 1
        finally:
            note(trace, "closed")

    return Stream(made())


@get("/file")
async def file(path: str) -> File:
    return File(path=path)


@post("/upload", status_code=200, sync_to_thread=False)
def upload(data: Annotated[dict[str, Any], Body(media_type=RequestEncodingType.MULTI_PART)]) -> dict[str, object]:
    return {**facts(data["file"].file), "title": data["title"]}


@get("/later")
async def later(trace: str) -> Response[dict[str, int]]:
    return Response({"pid": os.getpid()}, background=BackgroundTask(end, trace))


@get("/threaded", sync_to_thread=True)
def threaded(until: str) -> dict[str, int]:
    block(until)
    return {"pid": os.getpid()}


@get("/waiting")
async def waiting(until: str) -> dict[str, int]:
    await linger(until)
    return {"pid": os.getpid()}


@get("/torn")
async def torn() -> None:
    raise LookupError("torn")


app = Litestar([said, stream, file, upload, later, threaded, waiting, torn], request_max_body_size=None)
