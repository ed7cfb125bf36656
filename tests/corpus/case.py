"""What a corpus entry is: bytes, what a server that cannot be deceived makes of them, and why."""

from __future__ import annotations

from typing import NamedTuple

NEXT = b"GET /next HTTP/1.1\r\nHost: next\r\n\r\n"
"""Sent behind every case on the same connection: by what becomes of it one sees where the case was taken to end."""
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: smuggled\r\n\r\n"
"""A request that would be served if its bytes were taken for one; no case of the corpus lets it."""


class Seen(NamedTuple):
    """A request as an application sees it."""

    method: str
    target: str
    body: bytes = b""


class Case(NamedTuple):
    """`sent` leads to the requests `served`, in order. Then the connection ends: with the status `refused` or, where that is 0,
    after the last answer if it `closes`. Where it does neither, the bytes behind the case are read as a new request.
    """

    sent: bytes
    served: tuple[Seen, ...]
    refused: int
    closes: bool
    why: str


def refused(sent: bytes, status: int, why: str) -> Case:
    """The first request in `sent` is answered with this status, and nothing behind it is ever read as a request."""
    return Case(sent, (), status, True, why)


def accepted(sent: bytes, *served: Seen, why: str, refused: int = 0, closes: bool = False) -> Case:
    """These requests are served."""
    return Case(sent, served, refused, closes or refused > 0, why)


def get(*lines: bytes, line: bytes = b"GET / HTTP/1.1", host: bytes = b"Host: h") -> bytes:
    """A head with these lines."""
    return b"\r\n".join((line, *((host,) if host else ()), *lines, b"", b""))


def post(*lines: bytes, body: bytes = b"", version: bytes = b"1.1") -> bytes:
    """A POST with these lines and, whatever they say, this body."""
    return get(*lines, line=b"POST /p HTTP/" + version) + body


def length(size: int) -> bytes:
    """A Content-Length."""
    return b"Content-Length: %d" % size


CHUNKED = b"Transfer-Encoding: chunked"
NO_CHUNKS = b"0\r\n\r\n"
ROOT, POSTED = Seen("GET", "/"), Seen("POST", "/p")
