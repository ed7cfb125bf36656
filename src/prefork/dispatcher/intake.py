"""Receives a request's body: counted or chunked, in memory while it is small, in an anonymous file when it is not."""

from __future__ import annotations

import os

from prefork.http.chunks import Chunks
from prefork.http.head import Refused
from prefork.messages import INLINE


class Intake:
    """The body of one request. `length` is what Content-Length says, None for chunks; more than `most` bytes are Refused."""

    __slots__ = ("chunks", "descriptor", "left", "most", "parts", "size")

    def __init__(self, length: int | None, most: int) -> None:
        if length is not None and length > most:
            raise Refused(413, f"the body has {length} bytes, {most} are allowed (max_body_size)")
        self.most = most
        self.chunks = Chunks() if length is None else None
        self.left = length or 0
        self.parts: list[bytes] = []
        self.size = 0
        self.descriptor = -1

    def feed(self, data: bytes) -> bytes:
        """Take received bytes; returns those that follow the body. Raises Refused, OSError when there is no room."""
        if self.chunks:
            rest = self.chunks.feed(data)
            self._keep(self.chunks.take())
            return rest
        self._keep(data[: self.left])
        rest = data[self.left :]
        self.left = max(0, self.left - len(data))
        return rest

    def complete(self) -> bool:
        """Whether the whole body is here."""
        return self.chunks.done if self.chunks else self.left == 0

    def take(self) -> bytes | int:
        """The whole body, or the descriptor of its file, which is the caller's from now on."""
        if self.descriptor < 0:
            return b"".join(self.parts)
        descriptor, self.descriptor = self.descriptor, -1
        return descriptor

    def discard(self) -> None:
        """Let go of everything."""
        self.parts.clear()
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def _keep(self, data: bytes) -> None:
        self.size += len(data)
        if self.size > self.most:
            raise Refused(413, f"the body has more than {self.most} bytes (max_body_size)")
        if self.size <= INLINE:
            self.parts.append(data)
            return
        if self.descriptor < 0:
            self.descriptor = os.memfd_create("prefork-body", os.MFD_CLOEXEC)
            data = b"".join(self.parts) + data
            self.parts.clear()
        view = memoryview(data)
        while view:
            view = view[os.write(self.descriptor, view) :]
