"""The beginning and the end of an ASGI application in a worker (ASGI's lifespan protocol 2.0), on the loop that runs.

An application need not know the protocol: it raises or returns then, and is served all the same. One that says that it cannot start
makes its worker fail to get ready.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

from prefork.worker.app import Refused
from prefork.worker.output import complain
from prefork.worker.traces import trace

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Message = dict[str, Any]
    App = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]

STARTUP, SHUTDOWN = "startup", "shutdown"


class LifespanFailed(Refused):
    """The application has said that it cannot start, or end; the sentence quotes it."""


class Lifespan:
    """`state` is what the application has left for its requests while it started: each of them gets a copy."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.state: dict[str, Any] = {}
        self.heard = False  # the application knows the protocol
        self.task: asyncio.Task[None] | None = None

    async def start(self) -> dict[str, Any]:
        """Have the application start; returns `state`. Raises LifespanFailed."""
        self.events: asyncio.Queue[Message] = asyncio.Queue()
        self.answers: dict[str, asyncio.Future[str]] = {}
        self.task = asyncio.get_running_loop().create_task(self._run())
        await self._ask(STARTUP)
        return self.state

    async def stop(self, within: float) -> None:
        """Have it end, in so many seconds at the most: then it is cancelled, and given as long again. Raises LifespanFailed."""
        if self.task is None or self.task.done():
            return
        try:
            await asyncio.wait_for(self._ask(SHUTDOWN), within)
            await asyncio.wait({self.task}, timeout=within)
        except asyncio.TimeoutError:
            raise LifespanFailed(f"the application has not answered lifespan.shutdown in {within:g} s") from None
        finally:
            self.task.cancel()
            await asyncio.wait({self.task}, timeout=within)

    async def _ask(self, step: str) -> None:
        """Send an event, and wait for its answer or for the end of the application's call."""
        assert self.task
        answer = self.answers[step] = asyncio.get_running_loop().create_future()
        self.events.put_nowait({"type": f"lifespan.{step}"})
        await asyncio.wait({answer, self.task}, return_when=asyncio.FIRST_COMPLETED)
        if answer.done() and (failure := answer.result()):
            raise LifespanFailed(failure)

    async def _run(self) -> None:
        try:
            await self.app(self._scope(), self._receive, self._send)
        except Exception as error:  # noqa: BLE001 - it need not know the protocol; the others' faults are told
            if self.heard:
                complain(f"prefork: the application's lifespan ended in worker {os.getpid()}:\n{trace(error)}")

    def _scope(self) -> Message:
        return {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}

    async def _receive(self) -> Message:
        self.heard = True
        return await self.events.get()

    async def _send(self, message: Message) -> None:
        step, _, outcome = message["type"].removeprefix("lifespan.").partition(".")
        answer = self.answers.get(step)
        if outcome not in {"complete", "failed"} or answer is None or answer.done():
            raise RuntimeError(f"the application sent {message['type']}, which nobody has asked for")
        answer.set_result("" if outcome == "complete" else said(message))


def said(message: Message) -> str:
    """What the application says of its failure, as a sentence; frameworks send a whole traceback."""
    lines = message.get("message", "").strip().splitlines()
    if len(lines) > 1:
        complain("prefork: {} in worker {}:\n{}\n".format(message["type"], os.getpid(), "\n".join(lines)))
    return f"{message['type']}: {lines[-1]}" if lines else str(message["type"])
