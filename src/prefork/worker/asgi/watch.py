"""Tells when something has come on a client's socket, once for each time that somebody asks.

The loop itself is never told of these sockets: uvloop would make them non-blocking, for all who share them. It watches the one
epoll that is here instead.
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from typing import Callable

ONCE = select.EPOLLIN | select.EPOLLONESHOT


class Watch:
    """Descriptors that are watched, and whom to call."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.epoll = select.epoll()
        self.callbacks: dict[int, Callable[[], None]] = {}
        loop.add_reader(self.epoll.fileno(), self._tell)

    def once(self, descriptor: int, callback: Callable[[], None]) -> None:
        """Call when there is something to read, or the end of it."""
        if descriptor in self.callbacks:
            self.epoll.modify(descriptor, ONCE)
        else:
            self.epoll.register(descriptor, ONCE)
        self.callbacks[descriptor] = callback

    def _tell(self) -> None:
        for descriptor, _ in self.epoll.poll(0):
            if descriptor in self.callbacks:  # the one before may have ended it
                self.callbacks[descriptor]()

    def forget(self, descriptor: int) -> None:
        """Not to be watched any more. To be said before its close: the dispatcher's copy would keep the registration alive."""
        if self.callbacks.pop(descriptor, None):
            self.epoll.unregister(descriptor)

    def close(self) -> None:
        """Watch nothing any more."""
        self.loop.remove_reader(self.epoll.fileno())
        self.epoll.close()
