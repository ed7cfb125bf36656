"""What the places of a worker have in common: the loop, the application, how its tasks begin, which clients are let go.

What happens to one request is its place's; here is only what is cheaper for many of them, or must be one for all.
"""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import sys
from typing import TYPE_CHECKING, Any, Callable

from prefork.worker.asgi.watch import Watch
from prefork.worker.offspring import family
from prefork.worker.output import complain

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from prefork.messages import Request
    from prefork.worker.asgi.borrowing import LoopBorrower
    from prefork.worker.asgi.call import Call
    from prefork.worker.asgi.lifespan import App
    from prefork.worker.asgi.lodge import Lodge
    from prefork.worker.asgi.place import Place
    from prefork.worker.http import Means


class Shared:
    """`limit` is how many requests the worker serves before it asks for a replacement, `counted` numbers them from 1; `allowed` is
    how long one may take (nanoseconds, 0: no limit). `expired(request, seconds, task)` tells of one that has taken longer.
    `lodge` has the WebSockets, as soon as `open_lodge` was called for the first one; `watch` is there since the first body that was
    still coming.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        app: App,
        state: dict[str, Any],
        means: Means,
        buffer: bytearray,
        limit: int,
        counted: Iterator[int],
        allowed: int,
        expired: Callable[[Request, float, asyncio.Task[None]], None],
        open_lodge: Callable[[], Lodge],
    ) -> None:
        self.loop = loop
        self.app = app
        self.state = state
        self.means = means
        self.buffer = buffer
        self.limit = limit
        self.counted = counted
        self.allowed = allowed
        self.expired = expired
        self.open_lodge = open_lodge
        self.lodge: Lodge | None = None
        self.watch: Watch | None = None
        self.places: list[Place] = []
        self.borrower: LoopBorrower | None = None
        self.answered: list[tuple[Place, Call]] = []  # in this turn
        self.lacks = False  # a descriptor for a request, which was said
        self.eager = sys.version_info >= (3, 12)  # tasks take their first step at once: who waits for nothing needs no turn
        self.begin: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]] = self._begin if self.eager else loop.create_task

    def _begin(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Have a task do this."""
        if sys.version_info >= (3, 12) and self.loop.get_task_factory() is None:
            return asyncio.Task(coroutine, loop=self.loop, eager_start=True)
        return self.loop.create_task(coroutine)

    def descriptors(self) -> list[int]:
        """Those of clients, but for loans."""
        own = [place.client.fileno() for place in self.places if place.client]
        return own + self.lodge.descriptors() if self.lodge else own

    def watching(self) -> Watch:
        """What tells of bytes of bodies."""
        self.watch = self.watch or Watch(self.loop)
        return self.watch

    def agree(self, message: bytes, descriptors: list[int]) -> None:
        """Read what is lent from now on, on the terms of a message; nobody does where this interpreter has no parser for it."""
        if self.borrower is None and self.means.borrow and descriptors:  # they come once
            # It needs that parser, and so is imported where there is one.
            from prefork.worker.asgi.borrowing import LoopBorrower

            epoll, memory, last = descriptors
            wire = socket.socket(fileno=last)
            try:
                self.borrower = LoopBorrower(self, epoll, memory, wire)
                family.withhold(self.borrower.descriptors, self.borrower.shared)
            except OSError:  # the kernel lacks something
                wire.detach()
        if self.borrower:
            self.borrower.agree(message)
        else:
            for descriptor in descriptors:
                os.close(descriptor)

    def lack(self) -> None:
        """There is no descriptor left. This worker is replaced, so it says that once."""
        if not self.lacks:
            self.lacks = True
            most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
            complain(f"prefork: worker {os.getpid()} has all of its {most} files open, and none for a request; it is replaced\n")

    def note_answered(self, place: Place, call: Call) -> None:
        """An application has sent its whole answer. Most return then, and one message says all: look in the next turn."""
        if not self.answered:
            self.loop.call_soon(self._let_clients_go)
        self.answered.append((place, call))

    def _let_clients_go(self) -> None:
        answered, self.answered = self.answered, []
        for place, call in answered:
            place.let_client_go(call)
