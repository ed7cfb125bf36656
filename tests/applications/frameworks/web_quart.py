"""Quart: the same again."""

import os
from collections.abc import AsyncIterator

from notes import PART, block, end, facts, linger, note
from quart import Quart, request, send_file
from quart.utils import run_sync

app = Quart(__name__)
app.config["RESPONSE_TIMEOUT"] = None


@app.get("/said/<path:rest>")
async def said(rest: str) -> dict[str, object]:
    return {"path": rest, "q": request.args.getlist("q"), "pid": os.getpid()}


@app.get("/stream")
async def stream() -> object:
    left, trace = int(request.args["parts"]), request.args["trace"]

    async def made(left: int) -> AsyncIterator[bytes]:
        try:
            while left:
                yield PART
                left -= 1
        finally:
            note(trace, "closed")

    return made(left)


@app.get("/file")
async def file() -> object:
    return await send_file(request.args["path"])


@app.post("/upload")
async def upload() -> dict[str, object]:
    form, files = await request.form, await request.files
    return {**facts(files["file"]), "title": form["title"]}


@app.get("/later")
async def later() -> dict[str, int]:
    trace = request.args["trace"]

    app.add_background_task(end, trace)
    return {"pid": os.getpid()}


@app.get("/threaded")
async def threaded() -> dict[str, int]:
    await run_sync(block)(request.args["until"])
    return {"pid": os.getpid()}


@app.get("/waiting")
async def waiting() -> dict[str, int]:
    await linger(request.args["until"])
    return {"pid": os.getpid()}


@app.get("/torn")
async def torn() -> None:
    raise LookupError("torn")
