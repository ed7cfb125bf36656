"""Receives a request's body: counted or chunked, in memory while it is small, in a file without a name when it is not.

The rest of a large counted body goes from the socket straight to its file, in a thread: nobody needs to look at it.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from prefork import spool
from prefork.dispatcher.disk import SHARE, slice_buffer
from prefork.http.chunks import Chunks, Garbled
from prefork.http.head import Refused
from prefork.messages import DONTWAIT, INLINE

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

MOST_PARTS = 512  # in one writev; Linux takes 1,024


class Intake:
    """The body of one request. `length` is what Content-Length says, None for chunks; `most` bytes are allowed."""

    __slots__ = ("chunks", "descriptor", "left", "most", "parts", "size", "written")

    def __init__(self, length: int | None, most: int) -> None:
        self.most = most
        self.chunks = Chunks() if length is None else None
        self.left = length or 0
        self.parts: list[bytes] = []
        self.size = 0
        self.written = 0
        self.descriptor = -1

    @property
    def unwritten(self) -> int:
        """How many bytes a thread is to `write` before the body can be taken; none of a small one."""
        return self.size - self.written if self.size > INLINE else 0

    @property
    def plain(self) -> bool:
        """Whether what is still to come is so many bytes, and many of them: for a thread to `draw`."""
        return self.chunks is None and self.left > INLINE

    def expect(self) -> None:
        """Nothing of it has been taken yet. Raises Refused where more is announced than is allowed."""
        if self.left > self.most:
            raise Refused(413, f"the body has {self.left} bytes, {self.most} are allowed (max_body_size)")

    def feed(self, data: bytes) -> bytes:
        """Take received bytes; returns those that follow the body. Raises Refused."""
        if self.chunks:
            try:
                rest = self.chunks.feed(data)
            except Garbled as garbled:
                raise Refused(400, str(garbled)) from None
            self._keep(self.chunks.take())
            return rest
        self._keep(data[: self.left])
        rest = data[self.left :]
        self.left = max(0, self.left - len(data))
        return rest

    def complete(self) -> bool:
        """Whether the whole body has been received."""
        return self.chunks.done if self.chunks else self.left == 0

    def write(self, directory: int) -> None:
        """Write what is unwritten to a file below `directory` (a descriptor). For a thread, while nobody feeds. Raises OSError."""
        if self.descriptor < 0:
            self.descriptor = spool.create(directory)
        while self.parts:
            batch = self.parts[:MOST_PARTS]
            taken = os.writev(self.descriptor, batch)
            self.written += taken
            if taken < sum(map(len, batch)):
                self.parts[: len(batch)] = [b"".join(batch)[taken:]]
            else:
                del self.parts[: len(batch)]

    def draw(self, client: socket.SocketType, directory: int) -> bool:
        """Write what is unwritten, and what the socket has of a `plain` body, a share of it at the most. For a thread, as `write`.

        False when the client has gone. Raises OSError when the disk fails.
        """
        self.write(directory)
        buffer, end = slice_buffer(), max(0, self.left - SHARE)
        while self.left > end:
            try:
                count = client.recv_into(buffer[: self.left - end], 0, DONTWAIT)
            except BlockingIOError:
                return True
            except OSError:
                return False
            if not count:
                return False
            written = 0
            while written < count:
                written += os.write(self.descriptor, buffer[written:count])
            self.left -= count
            self.size += count
            self.written += count
        return True

    def errand(self, client: socket.SocketType, directory: int) -> Callable[[], bool | None]:
        """What a thread is to do about it now."""
        return partial(self.draw, client, directory) if self.plain else partial(self.write, directory)

    def take(self) -> bytes | int:
        """The whole body, or the descriptor of its file, which is the caller's from now on."""
        assert not self.unwritten
        if self.descriptor < 0:
            return b"".join(self.parts)
        descriptor, self.descriptor = self.descriptor, -1
        return descriptor

    def discard(self, close: Callable[[int], None]) -> None:
        """Let go of everything; `close` does so with the file."""
        self.parts.clear()
        if self.descriptor >= 0:
            close(self.descriptor)
            self.descriptor = -1

    def _keep(self, data: bytes) -> None:
        if not data:
            return
        self.size += len(data)
        if self.size > self.most:
            raise Refused(413, f"the body has more than {self.most} bytes (max_body_size)")
        self.parts.append(data)
