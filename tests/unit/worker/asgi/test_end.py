"""The end of a loop: what an application has left on it has its time, and no more."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from prefork.worker.asgi import serve
from prefork.worker.asgi.lifespan import Lifespan

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LEFT: list[Any] = []


async def lingering(ended: list[str], seconds: float) -> AsyncIterator[int]:
    """Takes its time to end."""
    try:
        yield 1
    finally:
        await asyncio.sleep(seconds)
        ended.append("generator")


async def begun(ended: list[str], seconds: float) -> None:
    """Leave one that has begun, and a task."""

    async def waits() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("task")

    LEFT[:] = [lingering(ended, seconds), asyncio.ensure_future(waits())]
    async for _ in LEFT[0]:
        break


@pytest.mark.parametrize(("seconds", "expected"), [(0, ["task", "generator"]), (3600, ["task"])])
def test_what_is_left_is_ended_and_waited_for_no_longer_than_agreed(
    monkeypatch: pytest.MonkeyPatch, seconds: float, expected: list[str]
) -> None:
    monkeypatch.setattr(serve, "END_WITHIN", 0.05)
    ended: list[str] = []
    loop = asyncio.new_event_loop()
    loop.run_until_complete(begun(ended, seconds))
    serve.end(loop, Lifespan(lambda *_: asyncio.sleep(0)))
    assert ended == expected
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.run_until_complete(asyncio.sleep(0))
    LEFT.clear()
    loop.close()
