"""The way of an answer's rest where nothing may wait: what the pair does not take is kept here until the dispatcher reads on.

An application that writes more of an answer waits for that (`drained`), so that a slow client slows its own request down and no
other. What an application writes last is spooled as other answers are, so that it holds nobody.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from typing import TYPE_CHECKING

from prefork.messages import DONTWAIT, send
from prefork.scoreboard import WAITING_SINCE
from prefork.worker.rest import IN_MEMORY, Rest

if TYPE_CHECKING:
    import socket

    from prefork.scoreboard import Slot
    from prefork.worker.asgi.stopwatch import Stopwatch

PAUSE = 0.05  # seconds until what the kernel does not hand on is tried again


class Backlog(Rest):
    """`whole`: what is handed on now is the last of its answer. `unsaid` are messages with descriptors of our own. `waits` runs
    while an application waits for them to be taken.
    """

    __slots__ = ("emptied", "loop", "unsaid", "waits", "whole")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, pair: socket.socket, slot: Slot, directory: int, most: int, waits: Stopwatch
    ) -> None:
        super().__init__(pair, slot, directory, most)
        self.loop = loop
        self.waits = waits
        self.whole = False
        self.unsaid: deque[tuple[bytes, list[int]]] = deque()
        self.emptied: asyncio.Future[None] | None = None

    def patience(self, size: int) -> float:  # noqa: ARG002 - that of any rest
        """None: the loop has other clients."""
        return 0.0

    def hand_on(self, data: memoryview) -> None:
        """Give bytes to the dispatcher. Raises OSError when it has gone."""
        if self.in_memory + len(data) <= IN_MEMORY:
            self.in_memory += len(data)
        elif self.whole and self._spool(data):
            return
        self._say(data)

    def tell(self, message: bytes, descriptors: tuple[int, ...] = ()) -> None:
        """Send the dispatcher a message, or keep it for later. Raises OSError when it has gone."""
        if self.owner:
            self.disown()
        if not self.unsaid:
            try:
                send(self.pair, message, descriptors, DONTWAIT)
                return
            except BlockingIOError:
                self.slot[WAITING_SINCE] = time.monotonic_ns()
                self.loop.add_writer(self.pair.fileno(), self._go_on)
        self.unsaid.append((message, [os.dup(descriptor) for descriptor in descriptors]))

    def _go_on(self) -> None:
        """The pair takes messages again."""
        try:
            while self.unsaid:
                message, descriptors = self.unsaid[0]
                send(self.pair, message, descriptors, DONTWAIT)
                self._drop_first()
        except ConnectionError:  # the dispatcher has gone, and with it the way to the client
            while self.unsaid:
                self._drop_first()
        except BlockingIOError:  # there is no room after all
            self.loop.add_writer(self.pair.fileno(), self._go_on)
            return
        except OSError:  # too many descriptors are on their way to others; the pair has room, and would say so again at once
            self.loop.remove_writer(self.pair.fileno())
            self.loop.call_later(PAUSE, self._go_on)
            return
        self.slot[WAITING_SINCE] = 0
        self.loop.remove_writer(self.pair.fileno())
        if self.emptied and not self.emptied.done():
            self.emptied.set_result(None)

    def _drop_first(self) -> None:
        for descriptor in self.unsaid.popleft()[1]:
            os.close(descriptor)

    async def drained(self) -> None:
        """Wait until the dispatcher has taken everything."""
        with self.waits:
            while self.unsaid:
                if self.emptied is None or self.emptied.done():
                    self.emptied = self.loop.create_future()
                await asyncio.wait({self.emptied})  # who waits may be cancelled without the others
