"""One client's socket in the loop: what arrives is read when there is something, what it does not take waits, up to a bound.

The dispatcher has let go of it, so nobody else reads or writes. Each call says MSG_DONTWAIT all the same: until the acknowledgement
has arrived there are two owners, and the flag would be the other's, too.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from prefork.kernel import reset
from prefork.messages import DONTWAIT
from prefork.worker.client import no_stream

if TYPE_CHECKING:
    from typing import Callable

BLOCK = 16384  # bytes read at once: what one client can have looked at before others have their turn


class Wire:
    """`heard(data)` is called with what arrives, empty bytes at the end. `waiting` is what the socket has not taken yet, `moved` is
    set whenever it has taken some of that.
    """

    __slots__ = ("descriptor", "eased", "ended", "heard", "loop", "moved", "socket", "waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop, descriptor: int, heard: Callable[[bytes], None]) -> None:
        self.loop = loop
        self.socket = socket.SocketType(fileno=no_stream(descriptor))
        self.descriptor = self.socket.fileno()
        if self.socket.gettimeout() is not None:
            self.socket.settimeout(None)  # an application's socket.setdefaulttimeout() is not meant for us
        self.heard = heard
        self.waiting: bytes | bytearray = b""
        self.eased: asyncio.Future[None] | None = None  # when the socket has taken some of it, for those who wait for that
        self.moved = False
        self.ended = False  # nothing is sent behind what waits

    @property
    def closed(self) -> bool:
        """Whether it has been let go of."""
        return self.socket.fileno() < 0

    def listen(self) -> None:
        """Read from now on, unless it is closed."""
        if not self.closed:
            self.loop.add_reader(self.descriptor, self._read)

    def pause(self) -> None:
        """Read nothing for the time being: the client has to wait."""
        if not self.closed:
            self.loop.remove_reader(self.descriptor)

    def _read(self) -> None:
        try:
            data = self.socket.recv(BLOCK, DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.heard(data)

    def send(self, data: bytes) -> None:
        """Send, or have it wait behind what waits already. A client that has gone is noticed by reading."""
        if self.waiting:
            self.waiting += data
            return
        sent = self._sent(data)
        if sent < len(data):
            self.waiting = bytearray(data[sent:])
            self.loop.add_writer(self.descriptor, self._flush)

    async def taken(self, most: int) -> None:
        """Wait until no more than so many bytes wait, or the connection is closed."""
        while len(self.waiting) > most:
            if self.eased is None:
                self.eased = self.loop.create_future()
            await asyncio.wait((self.eased,))  # several may wait: none of them may cancel it

    def end(self) -> None:
        """Send nothing more: the client sees the end behind what waits."""
        self.ended = True
        if not self.waiting:
            self._shut(socket.SHUT_WR)

    def reset(self) -> None:
        """Have the client see a broken connection."""
        if not self.closed:
            reset(self.socket)

    def close(self) -> None:
        """Let go of the socket at once. The application's own forks may hold copies."""
        if self.closed:
            return  # its number may be another connection's by now
        self.loop.remove_reader(self.descriptor)
        self.loop.remove_writer(self.descriptor)
        self.waiting = b""
        self._ease()
        self._shut(socket.SHUT_RDWR)
        self.socket.close()

    def _flush(self) -> None:
        assert isinstance(self.waiting, bytearray)
        self.moved = True
        del self.waiting[: self._sent(self.waiting)]
        self._ease()
        if not self.waiting:
            self.waiting = b""
            self.loop.remove_writer(self.descriptor)
            if self.ended:
                self._shut(socket.SHUT_WR)

    def _ease(self) -> None:
        if self.eased:
            self.eased.set_result(None)
            self.eased = None

    def _sent(self, data: bytes | bytearray) -> int:
        try:
            return self.socket.send(data, DONTWAIT)
        except BlockingIOError:
            return 0
        except OSError:
            self.listen()  # where nobody does there would be no end
            return len(data)

    def _shut(self, how: int) -> None:
        try:
            self.socket.shutdown(how)
        except OSError:
            pass
