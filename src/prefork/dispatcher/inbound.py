"""What a client has sent and nobody has understood yet. Bytes go in, heads come out, one at a time. No socket, no clock."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from prefork.http.head import END_OF_HEAD, TOKEN, Refused

if TYPE_CHECKING:
    from prefork.http.head import Head
    from prefork.http.repertoire import Repertoire

BLOCK = 65536  # bytes received at once
TURN = 16  # blocks received before others have their turn
BEGINNINGS = frozenset(byte for byte in range(256) if TOKEN.match(bytes((byte,))))  # of a method
EMPTY_LINES = re.compile(rb"\A(?:\r\n)+")


class Inbound:
    """Several requests may be in `buffer`, one behind the other."""

    __slots__ = ("buffer", "scanned")

    def __init__(self) -> None:
        self.buffer = b""
        self.scanned = 0  # bytes that are known to hold no end of a head

    def add(self, data: bytes) -> None:
        """Put received bytes behind the others."""
        self.buffer = self.buffer + data if self.buffer else data

    def take(self) -> bytes:
        """All bytes, which are somebody else's from now on."""
        data, self.buffer = self.buffer, b""
        return data

    def cut(self, size: int) -> bytes:
        """The next so many bytes, of those that are here: a body."""
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def begins(self) -> bool:
        """Whether a head has begun, behind the empty lines that may stand before it (RFC 9112, 2.2)."""
        if self.buffer.startswith(b"\r\n"):
            self.buffer = EMPTY_LINES.sub(b"", self.buffer)
        self.scanned = 0
        return self.buffer not in (b"", b"\r")  # no set, which would hash the whole buffer

    def head(self, reader: Repertoire, most: int) -> Head | None:
        """The next head, of at most so many bytes; None when it is not complete. Raises Refused; nothing is left then."""
        buffer = self.take()
        if buffer[0] not in BEGINNINGS:  # its end might never come
            raise Refused(400, "it does not begin with a method: this is no HTTP, but perhaps TLS")
        end = buffer.find(END_OF_HEAD, self.scanned) + 4
        if end > most or (end < 4 and len(buffer) > most):
            raise Refused(431, "the head is too large (max_header_size)")
        if end < 4:
            self.buffer, self.scanned = buffer, max(0, len(buffer) - 3)
            return None
        head = reader.read(buffer[:end])
        self.buffer = buffer[end:]
        return head
