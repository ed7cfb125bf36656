"""HTTP connections whose `timeout` is that of the whole exchange: a peer that sends a byte now and then holds nobody for ever.

The library's own timeout begins anew with each byte. Connecting takes as long at the most for each address of a name.
"""

from __future__ import annotations

import http.client
import io
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket


class Deadline:
    """A moment (monotonic seconds), and what is left of the time until then."""

    def __init__(self, timeout: float) -> None:
        self.moment = time.monotonic() + timeout

    def keep(self, wire: socket.socket) -> None:
        """Have the next call of a socket end by then. Raises TimeoutError where it has passed."""
        left = self.moment - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        wire.settimeout(left)


class Wire:
    """A connected socket, as far as `http.client` uses one."""

    def __init__(self, wire: socket.socket, deadline: Deadline) -> None:
        self.wire, self.deadline = wire, deadline

    def sendall(self, data: bytes) -> None:
        """Send all of it. Raises OSError."""
        rest = memoryview(data)
        while rest:
            self.deadline.keep(self.wire)
            rest = rest[self.wire.send(rest) :]

    def makefile(self, _mode: str) -> io.BufferedReader:
        """What comes, to be read."""
        return io.BufferedReader(Incoming(self.wire, self.deadline))

    def close(self) -> None:
        """Close it, as soon as nobody reads it any more."""
        self.wire.close()


class Incoming(io.RawIOBase):
    """What comes by a socket, which stays open as long as this does."""

    def __init__(self, wire: socket.socket, deadline: Deadline) -> None:
        self.wire, self.deadline = wire, deadline
        self.bytes = wire.makefile("rb", buffering=0)

    def readable(self) -> bool:
        """It can be read."""
        return True

    def readinto(self, room: Any) -> int | None:
        """Some of it. Raises OSError."""
        self.deadline.keep(self.wire)
        return self.bytes.readinto(room)

    def close(self) -> None:
        """Read no more."""
        self.bytes.close()
        super().close()


class Connection(http.client.HTTPConnection):
    """To a server without TLS."""

    def connect(self) -> None:
        """Connect. Raises OSError."""
        bound(self, super().connect)


class SafeConnection(http.client.HTTPSConnection):
    """To one with TLS."""

    def connect(self) -> None:
        """Connect. Raises OSError."""
        bound(self, super().connect)


def bound(connection: http.client.HTTPConnection, connect: Any) -> None:
    """Connect, within what the connection has for all that follows, too."""
    assert connection.timeout
    deadline = Deadline(connection.timeout)
    connect()
    assert connection.sock
    connection.sock = Wire(connection.sock, deadline)
