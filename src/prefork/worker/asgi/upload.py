"""A body whose client still sends it: the application reads it from the client's socket, as fast as it wants.

Nothing behind the body is read here, for the next request begins there. What the application does not read waits in the kernel, and
then with the client, who is slowed down by that and by nothing else.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from prefork.http.chunks import Chunks, Garbled
from prefork.messages import DONTWAIT, PEEK, Inflow

if TYPE_CHECKING:
    import socket

    from prefork.worker.asgi.stopwatch import Stopwatch
    from prefork.worker.asgi.watch import Watch

BLOCK = 1 << 16  # bytes that the application gets at a time
TURN = 1 << 20  # bytes after which others have their turn, however fast they come
SKIMMED = 4  # blocks of a body that nobody wants, of those that have come already


class CutShort(Exception):
    """There is no more of a body, and it has not ended; `status` is what its client is to be told."""

    def __init__(self, status: int) -> None:
        super().__init__("the body was cut short")
        self.status = status


class Upload:
    """One body. `beginning` is what came with the request, `ended` whether the application has been given the last of it. `waits`
    runs while the application waits for more.
    """

    __slots__ = (
        "beginning", "chunks", "client", "cut", "ended", "expects", "left", "most", "patience", "silent", "size", "turn", "waiting",
        "waits", "watch",
    )  # fmt: skip

    def __init__(self, inflow: Inflow, beginning: bytes, client: socket.SocketType, watch: Watch, waits: Stopwatch) -> None:
        self.left, self.most, patience, self.expects = inflow
        self.patience = int(patience * 1e9)
        self.client = client
        self.watch = watch
        self.waits = waits
        self.chunks = Chunks() if self.left is None else None
        self.beginning = beginning
        self.size = 0  # bytes of it that came in chunks
        if self.chunks:
            self.chunks.feed(beginning)  # the dispatcher has seen that these are some, and not the last
            self.beginning = self.chunks.take()
            self.size = len(self.beginning)
        self.turn = 0  # bytes since others had their turn
        self.ended = False
        self.cut: CutShort | None = None
        self.waiting: list[asyncio.Future[None]] = []
        self.silent = 0  # since when somebody waits (monotonic nanoseconds)

    async def part(self) -> bytes:
        """The next part; it is empty only where the body has ended. Raises CutShort."""
        if self.turn > TURN:
            self.turn = 0
            await asyncio.sleep(0)
        while not self.ended:
            try:
                part = self._take()
            except BlockingIOError:
                await self._more()
                continue
            if part:
                return part
        return b""

    def skim(self) -> bool:
        """Read what has come, though not much of it; whether that was all there is."""
        try:
            for _ in range(SKIMMED):
                if self.ended:
                    break
                self._take()
        except (BlockingIOError, CutShort):
            pass
        return self.ended

    def look(self, now: int) -> None:
        """End a silence that is too long. Monotonic nanoseconds."""
        if self.waiting and now - self.silent > self.patience:
            self._cut(408)

    def close(self) -> None:
        """Read no more of it. To be called before the socket is closed."""
        self._cut(400)
        self.watch.forget(self.client.fileno())

    def _take(self) -> bytes:
        """What has come, if it is anything but framing. Raises BlockingIOError where nothing has, CutShort."""
        if self.cut:
            raise self.cut
        if self.beginning:
            part, self.beginning = self.beginning, b""
            return part
        try:
            return self._decoded(self.chunks) if self.chunks else self._counted()
        except BlockingIOError:
            raise
        except (OSError, EOFError, Garbled):
            self._cut(400)
        except OverflowError:
            self._cut(413)
        assert self.cut
        raise self.cut

    def _counted(self) -> bytes:
        assert self.left
        part = self._receive(min(BLOCK, self.left), DONTWAIT)
        self.turn += len(part)
        self.left -= len(part)
        self.ended = self.left == 0
        return part

    def _decoded(self, chunks: Chunks) -> bytes:
        data = self._receive(BLOCK, PEEK)  # only decoding tells where the body ends
        size = len(data) - len(chunks.feed(data))
        self.turn += size  # with what frames it, which may be most of it, and takes longer
        while size:
            size -= len(self._receive(size, DONTWAIT))
        part = chunks.take()
        self.size += len(part)
        if self.size > self.most:
            raise OverflowError
        self.ended = chunks.done
        return part

    def _receive(self, size: int, flags: int) -> bytes:
        data = self.client.recv(size, flags)
        if not data:
            raise EOFError
        return data

    async def _more(self) -> None:
        """Wait until something has come, or it is clear that nothing will."""
        if not self.waiting:
            self.silent = time.monotonic_ns()
            self.watch.once(self.client.fileno(), self._wake)
        waiter = asyncio.get_running_loop().create_future()
        self.waiting.append(waiter)
        with self.waits:
            await waiter

    def _wake(self) -> None:
        waiting, self.waiting = self.waiting, []
        for waiter in waiting:
            if not waiter.done():  # who waited may have been cancelled
                waiter.set_result(None)

    def _cut(self, status: int) -> None:
        self.cut = self.cut or CutShort(status)
        self._wake()
