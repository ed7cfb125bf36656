"""Decodes a chunked body. llhttp does the grammar; trailers are read and thrown away. No sockets here."""

from __future__ import annotations

import httptools

from prefork.http.head import Refused

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
LONGEST_LINE = 256  # a chunk's size with its extensions: real ones have under 20 bytes
LONGEST_TRAILERS = 8192


class Chunks:
    """One chunked body: feed bytes, take the decoded ones."""

    def __init__(self) -> None:
        self.decoded: list[bytes] = []
        self.done = False
        self.overhead = 0  # bytes since the last data: chunk lines or trailers
        self.parser = httptools.HttpRequestParser(self)
        self.parser.feed_data(HEAD)

    def on_body(self, data: bytes) -> None:  # noqa: D102
        self.decoded.append(data)

    def on_message_complete(self) -> None:  # noqa: D102
        self.done = True

    def feed(self, data: bytes) -> bytes:
        """Take received bytes; returns what follows the body's end (nothing until `done`). Raises Refused.

        The parser is fed line by line, because it tells the body's end but not its place, and what follows is another request.
        """
        while data and not self.done:
            # Up to the next line's end or all there is: a body can end only at a line's end.
            cut = data.find(b"\n") + 1 or len(data)
            before = len(self.decoded)
            try:
                self.parser.feed_data(data[:cut])
            except httptools.HttpParserError as error:
                raise Refused(400, f"the chunked body is broken: {str(error).rstrip('.').lower()}") from None
            self.overhead = 0 if len(self.decoded) > before else self.overhead + cut
            if self.overhead > LONGEST_LINE + LONGEST_TRAILERS:
                raise Refused(400, "the chunked body has too long lines or trailers")
            data = data[cut:]
        return data

    def take(self) -> bytes:
        """The bytes decoded since the last call."""
        block = b"".join(self.decoded)
        self.decoded.clear()
        return block
