"""How much of an answer is out, by what the client's socket has taken: what a worker's death means depends on it.

The socket counts the bytes of everybody who shares it; so those of earlier answers are subtracted, and those that a worker hands
on, which the dispatcher sends, are told from those that it sent itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.kernel import bytes_taken

if TYPE_CHECKING:
    import socket


class Tally:
    """The bytes of a connection's answers. A number is None where only a worker knew it: a unix socket does not count."""

    __slots__ = ("direct", "handed", "socket", "written")

    def __init__(self, client: socket.SocketType) -> None:
        self.socket = client
        self.written = 0  # bytes that the socket has taken from anybody, before the present answer
        self.direct: int | None = 0  # bytes of the present answer that its worker has sent before it handed on others,
        self.handed = 0  # and the bytes of those

    def hand_on(self, size: int) -> None:
        """The worker has handed on so many bytes of the present answer, and sends no further ones itself."""
        if not self.handed:
            self.direct = self.out()
        self.handed += size

    def take_back(self) -> None:
        """What was handed on is no part of any answer."""
        self.direct = self.handed = 0

    def end(self, size: int) -> None:
        """The present answer is complete, with so many bytes; they need not be out yet."""
        self.written += size
        self.direct = self.handed = 0

    def out(self) -> int | None:
        """How many bytes of the present answer the socket has taken."""
        taken = bytes_taken(self.socket)
        return None if taken is None else taken - self.written

    def given(self) -> int | None:
        """How many bytes of the present answer its worker has got rid of, to the socket or to us."""
        if not self.handed:
            return self.out()
        return None if self.direct is None else self.direct + self.handed
