"""What waits for a client to read it: bytes in memory, and anonymous files that workers have filled."""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING

from prefork.messages import DONTWAIT

if TYPE_CHECKING:
    import socket

SLICE = 1 << 18  # bytes of a file sent at once
JOINED = 1 << 16  # small parts are joined up to this size: an application may write byte by byte
IN_MEMORY = 1 << 20  # a file up to this size is read at once, so that one that writes in pieces does not use up the descriptors


class Rest:
    """Bytes of an answer in an anonymous file, read by offset because the position is shared with its writer."""

    __slots__ = ("descriptor", "offset", "size")

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.offset = 0
        self.size = os.fstat(descriptor).st_size

    def discard(self) -> None:
        """Let go of the file."""
        os.close(self.descriptor)


def taken_in(rest: Rest) -> bytes | Rest:
    """A rest as bytes where it is small."""
    if rest.size > IN_MEMORY:
        return rest
    data = os.pread(rest.descriptor, rest.size, 0)
    rest.discard()
    return data


class Outbox:
    """Parts in the order in which the client gets them; `size` counts their bytes."""

    __slots__ = ("parts", "size")

    def __init__(self) -> None:
        self.parts: deque[bytes | Rest] = deque()
        self.size = 0

    def __bool__(self) -> bool:
        return bool(self.parts)

    def add(self, part: bytes | Rest) -> None:
        """Put a part behind the others."""
        self.size += part.size if isinstance(part, Rest) else len(part)
        last = self.parts[-1] if self.parts else None
        if isinstance(last, bytes) and isinstance(part, bytes) and len(last) + len(part) <= JOINED:
            self.parts[-1] = last + part
        else:
            self.parts.append(part)

    def send(self, client: socket.socket) -> int:
        """Send what the socket takes of the first part and return its number of bytes.

        Raises BlockingIOError when it takes nothing now, OSError when it never will, EOFError when a file has been cut by its
        writer, so that the rest will never come.
        """
        first = self.parts[0]
        data = os.pread(first.descriptor, SLICE, first.offset) if isinstance(first, Rest) else first
        if not data:
            raise EOFError
        taken = client.send(data, DONTWAIT)
        self.size -= taken
        if isinstance(first, Rest):
            first.offset += taken
            if first.offset >= first.size:
                first.discard()
                self.parts.popleft()
        elif taken < len(first):
            self.parts[0] = first[taken:]
        else:
            self.parts.popleft()
        return taken

    def clear(self) -> None:
        """Forget everything."""
        for part in self.parts:
            if isinstance(part, Rest):
                part.discard()
        self.parts.clear()
        self.size = 0
