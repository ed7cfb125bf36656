"""A connection of each thread to a store elsewhere: made at the first use, after the fork, and made again when it has broken.

A store that has just failed is left alone for a moment: without that, each request would wait for its time limit, one after the
other, and hold a worker for so long.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import TYPE_CHECKING, Callable, Generic, Protocol, TypeVar

from prefork.sessions.store import Unavailable
from prefork.worker.output import complain

if TYPE_CHECKING:
    from typing import NoReturn

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
        self.name = name
        self.connect = connect
        self.broken = broken
        self.own = threading.local()
        self.failed_at = 0.0
        self.reason = ""

    def use(self, work: Callable[[C], T]) -> T:
        """What `work` gives, which may be called a second time: on a new connection, where the old one had broken unnoticed.

        Raises Unavailable.
        """
        if self.reason and time.monotonic() - self.failed_at < PAUSE:
            raise Unavailable(self.reason)
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
            self._fail(str(error).strip())
        self._recover()
        return found

    def _fail(self, reason: str) -> NoReturn:
        if not self.reason:
            complain(f"prefork: sessions are not available, {self.name}: {reason}\n")
        self.reason, self.failed_at = reason, time.monotonic()
        raise Unavailable(reason)

    def _recover(self) -> None:
        if self.reason:
            complain(f"prefork: sessions are available again, {self.name}\n")
        self.reason = ""
