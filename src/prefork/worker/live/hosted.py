"""The application of ASGI in the loop of a websocket worker: its beginning and end, and a task of it for each connection.

What it raises ends its connection, and nothing else.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any, Protocol

from prefork.worker.asgi.call import is_of_leaving
from prefork.worker.asgi.lifespan import Lifespan, LifespanFailed
from prefork.worker.offspring import family
from prefork.worker.output import complain
from prefork.worker.traces import trace

if TYPE_CHECKING:
    from typing import Callable

    from prefork.worker.asgi.lifespan import App, Message

END_WITHIN = 2.0  # seconds that tasks have to end when their clients have gone, and then the application as a whole


class Guest(Protocol):
    """A connection that the application speaks with."""

    client: tuple[str, str]

    @property
    def ending(self) -> bool:
        """Whether it is about to end, whatever the application does."""

    async def next_event(self) -> Message:
        """What has happened: the application's `receive`."""

    async def obey(self, event: Message) -> None:
        """Do what the application wishes: its `send`. Raises ClientGone; RuntimeError where that cannot be wished now."""

    def finished(self, failed: bool) -> None:
        """The application has returned, or has `failed`."""


class Hosted:
    """`lifespan` is the application's where it has begun already; `tasks` are those of its calls."""

    def __init__(self, loop: asyncio.AbstractEventLoop, app: App, lifespan: Lifespan | None = None) -> None:
        self.loop = loop
        self.app = app
        self.lifespan = lifespan or Lifespan(app)
        self.tasks: dict[Guest, asyncio.Task[None]] = {}

    @property
    def state(self) -> dict[str, Any]:
        """What the application has prepared for its requests."""
        return self.lifespan.state

    def start(self) -> None:
        """Have the application start. Raises LifespanFailed."""
        self.loop.run_until_complete(self.lifespan.start())

    def serve(self, guest: Guest, scope: Message, finished: Callable[[bool], None]) -> None:
        """Have the application serve a connection; `finished` is the guest's."""
        task = self.tasks[guest] = self.loop.create_task(self._serve(guest, scope, finished))
        task.add_done_callback(lambda _: self.tasks.pop(guest))

    async def _serve(self, guest: Guest, scope: Message, finished: Callable[[bool], None]) -> None:
        failed = True
        try:
            await self.app(scope, guest.next_event, guest.obey)
            failed = False
        except BaseException as error:  # noqa: BLE001 - SystemExit in a view must not end the worker either
            family.end(error)
            if not (is_of_leaving(error) or (guest.ending and isinstance(error, asyncio.CancelledError))):
                path = ascii(scope["path"])[1:-1]
                complain(f"prefork: {scope['type']} {path} ({guest.client[1]}) raised in worker {os.getpid()}:\n{trace(error)}")
        finished(failed)

    async def outlast(self) -> None:
        """The clients have gone: let their tasks end, and cancel those that do not."""
        await self._outlast(END_WITHIN)
        for task in self.tasks.values():
            task.cancel()
        await self._outlast(END_WITHIN)

    async def stop(self) -> None:
        """The same, and then have the application end."""
        await self.outlast()
        try:
            await self.lifespan.stop(END_WITHIN)
        except LifespanFailed as error:
            complain(f"prefork: worker {os.getpid()} leaves, but {error}\n")

    async def _outlast(self, seconds: float) -> None:
        if self.tasks:
            await asyncio.wait(list(self.tasks.values()), timeout=seconds)
