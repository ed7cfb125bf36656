"""What Odoo's loop for a WebSocket waits with, in place of sockets and selectors: nothing waits, and no descriptor is spent."""

from __future__ import annotations

import selectors
import socket
from abc import ABC, abstractmethod
from typing import NamedTuple


class Idle(BaseException):  # not an Exception: those end Odoo's connection
    """Nothing more has happened; `later`: something has, which cannot be done now."""

    def __init__(self, later: bool = False) -> None:
        super().__init__()
        self.later = later


class Wire(ABC):
    """What stands for a client's socket."""

    @abstractmethod
    def happened(self) -> list[Ready]:
        """What has happened to it: that it can be read, or that there is something else to look at. Raises Idle."""

    @property
    def readable(self) -> list[Ready]:
        """That it can be read."""
        return [(Key(self), selectors.EVENT_READ)]


class Key(NamedTuple):
    """What a selector says of a socket."""

    fileobj: Wire


Ready = tuple[Key, int]


class Unused:
    """Stands where Odoo opens a pair of sockets for each connection, to wake its loop with."""

    def fileno(self) -> int:
        """None."""
        return -1

    def send(self, data: bytes) -> int:
        """Nobody is woken by it."""
        return len(data)

    def recv(self, size: int) -> bytes:  # noqa: ARG002 - a socket's
        """Nothing has been sent."""
        return b""

    def close(self) -> None:
        """Nothing is open."""


class Selector:
    """Stands where Odoo's loop waits: tells at once what has happened to the connection."""

    def __init__(self) -> None:
        self.wire: Wire | None = None

    def register(self, what: object, events: int) -> None:  # noqa: ARG002 - a selector's
        """Of what it would wait for only the client matters."""
        if isinstance(what, Wire):
            self.wire = what

    def unregister(self, what: object) -> None:
        """Nothing is kept of it."""

    def select(self, timeout: float | None = None) -> list[Ready]:  # noqa: ARG002 - a selector's
        """What has happened. Raises Idle instead of waiting."""
        assert self.wire
        return self.wire.happened()

    def close(self) -> None:
        """Nothing is open."""


class Sockets:
    """What Odoo's module uses of `socket`."""

    SHUT_WR = socket.SHUT_WR

    @staticmethod
    def socketpair() -> tuple[Unused, Unused]:
        """Two that do nothing."""
        return Unused(), Unused()


class Selectors:
    """What it uses of `selectors`."""

    EVENT_READ = selectors.EVENT_READ
    DefaultSelector = PollSelector = Selector
