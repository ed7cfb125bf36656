"""A connection of each thread to a store elsewhere: made at the first use, after the fork, and made again when it has broken.

A store that has just failed is left alone for a moment: without that, each request would wait for its time limit, one after the
other, and hold a worker for so long.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import Callable, Generic, Protocol, TypeVar

from prefork.sessions.store import Unavailable
from prefork.sessions.stores.outage import Outage

PATIENCE = 2.0  # seconds that a connection, or one command, may take
PAUSE = 1.0  # seconds that a store is left alone after a failure


class Closable(Protocol):
    """What can be closed."""

    def close(self) -> None:
        """End it."""


C = TypeVar("C", bound=Closable)
T = TypeVar("T")


class Held(Generic[C]):
    """A connection and the process that made it. It ends with whatever holds it, such as a thread."""

    def __init__(self, connection: C) -> None:
        self.connection = connection
        self.pid = os.getpid()

    def __del__(self) -> None:
        if self.pid == os.getpid():  # in another process, closing it would say goodbye in this one's name
            with contextlib.suppress(Exception):
                self.connection.close()


class Link(Generic[C]):
    """`connect` makes a connection; `broken` are the exceptions after which it is of no use."""

    def __init__(self, name: str, connect: Callable[[], C], broken: tuple[type[Exception], ...]) -> None:
        self.outage = Outage(name)
        self.connect = connect
        self.broken = broken
        self.own = threading.local()

    def use(self, work: Callable[[C], T]) -> T:
        """What `work` gives, which may be called a second time: on a new connection, where the old one had broken unnoticed.

        Raises Unavailable.
        """
        if self.outage.reason and time.monotonic() - self.outage.failed_at < PAUSE:
            raise Unavailable(self.outage.reason)
        held: Held[C] | None = getattr(self.own, "held", None)
        if held is not None and held.pid == os.getpid():
            try:
                return work(held.connection)
            except self.broken:
                self.own.held = None
        try:
            self.own.held = held = Held(self.connect())
            found = work(held.connection)
        except self.broken as error:
            self.own.held = None
            self.outage.fail(str(error).strip())
        self.outage.over()
        return found
