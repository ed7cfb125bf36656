"""Decodes a chunked body (RFC 9112, 7.1). Trailers are checked and thrown away. No sockets here.

Not llhttp's decoder: that one tells neither where a body ends nor what follows it, which is another request. Runs inside the
application's interpreter too: standard library only, Python 3.9+.
"""

from __future__ import annotations

import re

TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
SIZE = re.compile(rb'([0-9A-Fa-f]{1,15})(?:;%b(?:=(?:%b|"[\t !#-\[\]-~]*"))?)*\r\n\Z' % (TOKEN, TOKEN))
NEXT = re.compile(rb"\r\n([0-9A-Fa-f]{1,15})\r\n")  # the end of a chunk, and the size of another one without extensions
TRAILER = re.compile(rb"(%b):[\t -~\x80-\xff]*\r\n\Z" % TOKEN)
NEVER_TRAILERS = frozenset((b"content-length", b"transfer-encoding", b"host"))  # RFC 9110, 6.5.1: what frames and routes
LONGEST_LINE = 256  # bytes of a chunk's size with its extensions: real ones have under 100
LONGEST_TRAILERS = 8192


class Garbled(Exception):
    """What was to be a chunked body is none; the sentence says why."""


class Chunks:
    """One chunked body: feed bytes, take the decoded ones."""

    def __init__(self) -> None:
        self.decoded: list[bytes] = []
        self.done = False
        self.left = 0  # bytes of the present chunk that are still to come
        self.line = b""  # as far as it has come
        self.room = LONGEST_LINE  # bytes that the present line, or all trailers, may still have
        self.understand = self._size  # the present line

    def feed(self, data: bytes) -> bytes:
        """Take received bytes; returns what follows the body's end (nothing until `done`). Raises Garbled."""
        start = 0
        while start < len(data) and not self.done:
            if self.left:
                block = data[start : start + self.left]
                self.decoded.append(block)
                self.left -= len(block)
                start += len(block)
                if not self.left and (following := NEXT.match(data, start)) and (size := int(following[1], 16)):
                    # As lines they take three times as long, and whoever sends a byte in each chunk holds up all others with that.
                    self.left, start = size, following.end()
            else:
                start = self._line(data, start)
        return data[start:]

    def take(self) -> bytes:
        """The bytes decoded since the last call."""
        block = b"".join(self.decoded)
        self.decoded.clear()
        return block

    def _line(self, data: bytes, start: int) -> int:
        """Read a line as far as it has come; returns where it ends in `data`."""
        end = data.find(b"\n", start, start + self.room) + 1 or len(data)
        self.room -= end - start
        if self.room < 0:
            raise Garbled("the chunked body has too long lines or trailers")
        self.line += data[start:end]
        if self.line.endswith(b"\n"):
            line, self.line = self.line, b""
            self.understand(line)
        return end

    def _size(self, line: bytes) -> None:
        size = SIZE.match(line)
        if not size:
            raise Garbled("the chunked body is broken: a chunk does not begin with its size")
        self.left = int(size[1], 16)
        self.understand, self.room = (self._end, 2) if self.left else (self._trailer, LONGEST_TRAILERS)

    def _end(self, line: bytes) -> None:
        if line != b"\r\n":
            raise Garbled("the chunked body is broken: a chunk is not as long as it says")
        self.understand, self.room = self._size, LONGEST_LINE

    def _trailer(self, line: bytes) -> None:
        if line == b"\r\n":
            self.done = True
        elif not (trailer := TRAILER.match(line)):
            raise Garbled("the chunked body is broken: its trailers are no headers")
        elif trailer[1].lower() in NEVER_TRAILERS:
            raise Garbled(f"the chunked body is broken: {trailer[1].decode()} is no trailer")
