"""Calls about a server on another machine: who may make one is judged here, then it goes to the console there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from prefork.console.problems import ProblemError, answer
from prefork.instances.local import RELOAD_LIMIT, Unreachable
from prefork.instances.registry import OWN
from prefork.instances.remote import PLACE, Remote

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

PATIENCE = 15.0  # seconds
THERE = ("Content-Type", "If-Match")  # headers that go along
BACK = ("content-type", "etag", "retry-after")


class Elsewhere(Exception):
    """The server of a call is not on this machine."""

    def __init__(self, instance: str, remote: Remote) -> None:
        super().__init__(instance)
        self.instance = instance
        self.remote = remote


def install(app: FastAPI) -> None:
    """Have calls about servers elsewhere go there."""

    async def pass_on(request: Request, error: Exception) -> Response:
        assert isinstance(error, Elsewhere)
        return await passed_on(request, error)

    app.add_exception_handler(Elsewhere, pass_on)


async def passed_on(request: Request, call: Elsewhere) -> Response:
    """The other console's answer, with its places as they are called here."""
    # What is behind /api/v1/instances/ID, whatever that looks like: any of its letters may be written with %.
    below = "/".join(["", *request.scope["raw_path"].decode("ascii", "replace").split("/")[5:]])
    if below.startswith("/events"):
        return answer(ProblemError(501, f"{call.instance} is on another machine; follow it there, at {call.remote.url}"))
    query = f"?{request.url.query}" if request.url.query else ""
    headers = {name: request.headers[name] for name in THERE if name in request.headers}
    timeout = RELOAD_LIMIT if below == "/reload" else PATIENCE
    try:
        said = await run_in_threadpool(call.remote.ask, request.method, below + query, timeout, await request.body(), headers)
    except Unreachable as error:
        return answer(ProblemError(503, str(error), "unreachable"))
    if said.status == 401:
        return answer(
            ProblemError(503, f"the console at {call.remote.url} does not know the token; give it another one", "unreachable")
        )
    found = {name: said.headers[name] for name in BACK if name in said.headers}
    if place := said.headers.get("location"):
        found["Location"] = place.replace(PLACE, PLACE.removesuffix(OWN) + call.instance, 1)
    return Response(said.body, said.status, found)
