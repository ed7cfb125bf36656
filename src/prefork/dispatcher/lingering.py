"""A client that has its last answer and may still be sending, until it closes.

Closing while bytes are unread answers them with a reset, which can overtake the answer. A client that sends before it reads is to
be told all the same, but nobody sends for ever.
"""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

from prefork.dispatcher.inbound import BLOCK, TURN
from prefork.messages import DONTWAIT

if TYPE_CHECKING:
    from prefork.dispatcher.connection import Connection

WITHOUT_A_BYTE = 2.0  # seconds
IN_ALL = 30.0  # seconds
BYTES = 64 << 20


class Lingering:
    """Reads what nobody wants, `left` bytes of it at the most and not after `until` (monotonic seconds)."""

    __slots__ = ("connection", "left", "until")

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.until = time.monotonic() + IN_ALL
        self.left = BYTES

    def begin(self) -> None:
        """Have the client hear that this was all."""
        self.connection.shut(socket.SHUT_WR)
        self.connection.watch()
        self._wait()
        self.ignore()

    def ignore(self) -> None:
        """Let go of what has come, and close when it was the last, or too much."""
        connection = self.connection
        for _ in range(TURN):
            try:
                size = len(connection.socket.recv(BLOCK, DONTWAIT))
            except BlockingIOError:
                return
            except OSError:
                size = 0
            self.left -= size
            if not size or self.left < 0:
                connection.close()
                return
            self._wait()
        connection.loop.again(connection)

    def _wait(self) -> None:
        self.connection.deadline = min(time.monotonic() + WITHOUT_A_BYTE, self.until)
