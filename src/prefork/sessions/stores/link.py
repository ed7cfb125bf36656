"""A connection of each thread to a store elsewhere: made at the first use, after the fork, and made again when it has broken.

A store that has just failed is left alone for a moment: without that, each request would wait for its time limit, one after the
other, and hold a worker for so long.
"""

from __future__ import annotations

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


class Link(Generic[C]):
    """`connect` makes a connection; `broken` are the exceptions after which it is of no use."""

    def __init__(self, name: str, connect: Callable[[], C], broken: tuple[type[Exception], ...]) -> None:
        self.name = name
        self.connect = connect
        self.broken = broken
        self.own = threading.local()
        self.failed_at = float("-inf")
        self.reason = ""

    def use(self, work: Callable[[C], T]) -> T:
        """What `work` gives, which may be called a second time: on a new connection, where the old one had broken unnoticed.

        Raises Unavailable.
        """
        if self.reason and time.monotonic() - self.failed_at < PAUSE:
            raise Unavailable(self.reason)
        connection: C | None = getattr(self.own, "connection", None)
        if connection is not None and self.own.pid == os.getpid():
            try:
                return work(connection)
            except self.broken:
                self._drop(connection)
        try:
            found = self._recovered(work(self._new()))
        except self.broken as error:
            if (connection := getattr(self.own, "connection", None)) is not None:
                self._drop(connection)
            self._fail(str(error).strip())
        return found

    def _new(self) -> C:
        self.own.connection = None  # of another process: closing it here could say goodbye in that one's name
        self.own.connection = made = self.connect()
        self.own.pid = os.getpid()
        return made

    def _drop(self, connection: C) -> None:
        self.own.connection = None
        try:
            connection.close()
        except self.broken:
            pass

    def _fail(self, reason: str) -> NoReturn:
        if not self.reason:
            complain(f"prefork: sessions are not available, {self.name}: {reason}\n")
        self.reason, self.failed_at = reason, time.monotonic()
        raise Unavailable(reason)

    def _recovered(self, found: T) -> T:
        if self.reason:
            complain(f"prefork: sessions are available again, {self.name}\n")
        self.reason = ""
        return found
