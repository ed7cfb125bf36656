"""An instance live: its status as server-sent events, for as long as somebody listens."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from prefork.console.access import AsViewer, recognise
from prefork.console.api.paging import InstanceId
from prefork.console.desk import AtDesk, Desk
from prefork.console.problems import ProblemError
from prefork.instances.local import Denied, Local, Unreachable
from prefork.instances.roles import VIEWER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

router = APIRouter(tags=["usage"])
MOST_STREAMS = 64
EVENT_STREAM = "text/event-stream"
SCHEMA = {"type": "object", "properties": {"event": {"enum": ["status", "unreachable"]}, "data": {"type": "string"}}}


@router.get(
    "/instances/{instance_id}/events",
    response_class=StreamingResponse,
    responses={
        200: {"content": {EVENT_STREAM: {"itemSchema": SCHEMA}}, "description": "`status` or `unreachable`, JSON in `data`."}
    },
)
async def follow(
    request: Request,
    desk: AtDesk,
    _visitor: AsViewer,
    instance_id: InstanceId,
    every: Annotated[float, Query(ge=0.5, le=60, description="Seconds between two events.")] = 2.0,
    count: Annotated[int | None, Query(ge=1, le=1000, description="End after so many events.")] = None,
) -> StreamingResponse:
    """The server's status again and again: requests, queue, what each worker is doing."""
    server = await run_in_threadpool(desk.server, instance_id)
    if desk.streams >= MOST_STREAMS:
        raise ProblemError(429, f"{MOST_STREAMS} event streams are open already; close one", "rate-limit", {"Retry-After": "10"})

    def seen() -> str | None:
        """The next event, while the one who listens may still see it: logins and tokens end, and so do rights."""
        found = recognise(request, desk)
        return event(server) if found and found.may(VIEWER, instance_id) else None

    return StreamingResponse(events(request, desk, seen, every, count), media_type=EVENT_STREAM)


async def events(
    request: Request, desk: Desk, seen: Callable[[], str | None], every: float, count: int | None
) -> AsyncIterator[str]:
    """The stream."""
    desk.streams += 1
    try:
        sent = 0
        while not await request.is_disconnected():
            said = await run_in_threadpool(seen)
            if said is None:
                return
            yield said
            sent += 1
            if sent == count:
                return
            await asyncio.sleep(every)
    finally:
        desk.streams -= 1


def event(server: Local) -> str:
    """One event."""
    try:
        return f"event: status\ndata: {json.dumps(server.status())}\n\n"
    except (Unreachable, Denied) as error:
        return f"event: unreachable\ndata: {json.dumps({'error': str(error)})}\n\n"
