"""What waits for a client to read it: bytes in memory, and parts of files.

Bytes are sent by the loop, parts of files by a thread, because reading them may wait for a disk. Never both at once.
"""

from __future__ import annotations

import os
from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from prefork.dispatcher.disk import SHARE, slice_buffer
from prefork.messages import DONTWAIT, DONTWAIT_MORE

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

JOINED = 1 << 16  # small parts are joined up to this size: an application may write byte by byte
TURN = 16  # parts sent by the loop before others have their turn


class Extent:
    """A part of a file, whose descriptor it owns, from some `place`.

    `growing`: the file is an answer's spool, and more may follow behind the end.
    """

    __slots__ = ("descriptor", "end", "growing", "offset", "place")

    def __init__(self, descriptor: int, offset: int, count: int, place: str = "", *, growing: bool = False) -> None:
        self.descriptor = descriptor
        self.offset = offset
        self.end = offset + count
        self.growing = growing
        self.place = place

    def __len__(self) -> int:
        return self.end - self.offset

    def goes_on(self, other: Extent) -> bool:
        """Whether the other one is the next part of the same spool."""
        return self.growing and other.growing and other.offset == self.end


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
    """Parts in the order in which the client gets them. `held` counts their bytes in memory; `discard` lets go of a file."""

    __slots__ = ("discard", "held", "parts")

    def __init__(self, discard: Callable[[Extent], None]) -> None:
        self.discard = discard
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
                self.discard(part)
            else:
                self.parts.append(part)
            return
        self.held += len(part)
        if isinstance(last, bytes) and len(last) + len(part) <= JOINED:
            self.parts[-1] = last + part
        else:
            self.parts.append(part)

    def flush(self, client: socket.SocketType) -> Flow:
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

    def first(self) -> Extent:
        """The first part, which is of a file."""
        first = self.parts[0]
        assert isinstance(first, Extent)
        return first

    def carrying(self, client: socket.SocketType) -> Callable[[], Sent]:
        """What a thread is to do about the first part, which is of a file."""
        first = self.first()
        return partial(carry, client, first.descriptor, first.offset, min(first.end, first.offset + SHARE))

    def sent(self, count: int) -> None:
        """A thread has sent so many bytes of the first part, which is of a file."""
        first = self.first()
        first.offset += count
        if first.offset >= first.end:
            del self.parts[0]
            self.discard(first)

    def clear(self) -> None:
        """Forget everything."""
        for part in self.parts:
            if isinstance(part, Extent):
                self.discard(part)
        self.parts.clear()
        self.held = 0


def carry(client: socket.SocketType, descriptor: int, offset: int, end: int) -> Sent:
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
