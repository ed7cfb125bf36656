"""What waits for a client to read it: bytes in memory, and parts of files.

Bytes are sent by the loop, parts of files by a thread, because reading them may wait for a disk. Never both at once.
"""

from __future__ import annotations

import os
import socket
import threading
from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, cast

from prefork.messages import DONTWAIT

if TYPE_CHECKING:
    from collections.abc import Callable

JOINED = 1 << 16  # small parts are joined up to this size: an application may write byte by byte
SLICE = 1 << 18  # bytes of a file that are read at once
SHARE = 1 << 22  # bytes of a file that a thread sends before others have their turn
TURN = 16  # parts sent by the loop before others have their turn
DONTWAIT_MORE = DONTWAIT | int(socket.MSG_MORE)  # what follows is sent with it, as far as there is room in a segment

BUFFERS = threading.local()  # one for each thread, made once: memory that is new for each slice costs more than reading it


class Extent:
    """A part of a file, whose descriptor it owns. `growing`: the file is an answer's spool, and more may follow behind the end."""

    __slots__ = ("descriptor", "end", "growing", "offset")

    def __init__(self, descriptor: int, offset: int, count: int, *, growing: bool = False) -> None:
        self.descriptor = descriptor
        self.offset = offset
        self.end = offset + count
        self.growing = growing

    def goes_on(self, other: Extent) -> bool:
        """Whether the other one is the next part of the same spool."""
        return self.growing and other.growing and other.offset == self.end

    def discard(self) -> None:
        """Let go of the file."""
        os.close(self.descriptor)


class Sent(NamedTuple):
    """What a thread has sent of a file: the number of bytes, and whether the socket is full."""

    size: int
    full: bool


class Flow(Enum):
    """Why `flush` has come back."""

    EMPTY = auto()  # all is sent
    MORE = auto()  # the socket is full, or others are waiting
    FILE = auto()  # the first part is of a file, for a thread to `carry`


class Outbox:
    """Parts in the order in which the client gets them. `held` counts their bytes in memory."""

    __slots__ = ("held", "parts")

    def __init__(self) -> None:
        self.parts: list[bytes | Extent] = []
        self.held = 0

    def __bool__(self) -> bool:
        return bool(self.parts)

    def add(self, part: bytes | Extent) -> None:
        """Put a part behind the others."""
        last = self.parts[-1] if self.parts else None
        if isinstance(part, Extent):
            if isinstance(last, Extent) and last.goes_on(part):
                last.end = part.end
                part.discard()
            else:
                self.parts.append(part)
            return
        self.held += len(part)
        if isinstance(last, bytes) and len(last) + len(part) <= JOINED:
            self.parts[-1] = last + part
        else:
            self.parts.append(part)

    def flush(self, client: socket.socket) -> Flow:
        """Send bytes as far as the socket takes them, a turn's worth of them at the most. Raises OSError when it never will."""
        for _ in range(TURN):
            if not self.parts:
                return Flow.EMPTY
            first = self.parts[0]
            if isinstance(first, Extent):
                return Flow.FILE
            try:
                taken = client.send(first, DONTWAIT_MORE if len(self.parts) > 1 else DONTWAIT)
            except BlockingIOError:
                break
            self.held -= taken
            if taken < len(first):
                self.parts[0] = first[taken:]
                break
            del self.parts[0]
        return Flow.MORE if self.parts else Flow.EMPTY

    def carrying(self, client: socket.socket) -> Callable[[], Sent]:
        """What a thread is to do about the first part, which is of a file."""
        first = self.parts[0]
        assert isinstance(first, Extent)
        return partial(carry, client, first.descriptor, first.offset, min(first.end, first.offset + SHARE))

    def sent(self, count: int) -> None:
        """A thread has sent so many bytes of the first part, an Extent."""
        first = self.parts[0]
        assert isinstance(first, Extent)
        first.offset += count
        if first.offset >= first.end:
            first.discard()
            del self.parts[0]

    def clear(self) -> None:
        """Forget everything."""
        for part in self.parts:
            if isinstance(part, Extent):
                part.discard()
        self.parts.clear()
        self.held = 0


def slice_buffer() -> memoryview:
    """This thread's memory for slices."""
    if not hasattr(BUFFERS, "slice"):
        BUFFERS.slice = memoryview(bytearray(SLICE))
    return cast("memoryview", BUFFERS.slice)


def carry(client: socket.socket, descriptor: int, offset: int, end: int) -> Sent:
    """Send a file from `offset` to `end` as far as the socket takes it. For a thread.

    Raises OSError when the client has gone or the disk fails, EOFError when the file has become shorter.
    """
    buffer = slice_buffer()
    start = offset
    while offset < end:
        size = os.preadv(descriptor, [buffer[: end - offset]], offset)
        if not size:
            raise EOFError("a file has become shorter while it was sent")
        try:
            taken = client.send(buffer[:size], DONTWAIT)
        except BlockingIOError:
            return Sent(offset - start, full=True)
        offset += taken
        if taken < size:
            return Sent(offset - start, full=True)
    return Sent(offset - start, full=False)
