"""A body that its connection awaits: from behind its head until all of it is in memory or in a file.

A body that has come with its head needs none of this, and of a large one a worker with an event loop may read the rest. While a
thread writes, its connection reads nothing; who is slow has `body_timeout` for each piece, and holds no worker.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prefork.dispatcher.intake import Intake
from prefork.dispatcher.states import State
from prefork.http.head import Refused
from prefork.messages import DONTWAIT, INLINE

if TYPE_CHECKING:
    from prefork.dispatcher.connection import Connection

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Upload:
    """The body of one request. `length` is what Content-Length says, None for chunks; too many bytes are Refused."""

    __slots__ = ("connection", "intake", "kept")

    def __init__(self, connection: Connection, length: int | None) -> None:
        self.connection = connection
        self.intake = Intake(length, connection.traffic.options.max_body_size)
        self.kept = length is not None and length <= INLINE  # all of it is taken in here

    def invite(self) -> None:
        """Ask for the body. Never through the outbox, where it could come after a worker's answer."""
        connection = self.connection
        try:
            connection.tally.written += connection.socket.send(CONTINUE, DONTWAIT)
        except BlockingIOError:
            pass  # the client has yet to read its last answer; it may send the body all the same
        except OSError:
            connection.close()

    def hand_on(self, beginning: bytes) -> bool:
        """Have a worker read the rest, if there is one for that when the body begins. What has come of it is `beginning`."""
        if self.kept or len(beginning) > INLINE:
            return False
        self.kept = True
        return self.connection.stream(beginning, None if self.intake.chunks else self.intake.left)

    def take(self, data: bytes) -> None:
        """Add received bytes; what follows the body goes back to its connection."""
        connection = self.connection
        self._wait_for_more()
        try:
            connection.inbound.add(self.intake.feed(data))
        except Refused as refused:
            connection.refuse(refused)
            return
        if self.intake.complete():
            if self.intake.unwritten:
                self._spool()
            else:
                self._finish()
        elif data:
            self.hand_on(data)

    def draw(self) -> None:
        """Have a thread take it from the socket, where what comes is so many bytes, and many of them."""
        if self.intake.plain:
            self._spool()

    def relieve(self) -> None:
        """Have what waits in memory written, when it is much."""
        if self.intake.unwritten > INLINE:
            self._spool()

    def discard(self) -> None:
        """Let go of everything."""
        self.intake.discard(self.connection.traffic.disks.spool.close)

    def _wait_for_more(self) -> None:
        self.connection.deadline = time.monotonic() + self.connection.traffic.options.body_timeout

    def _spool(self) -> None:
        """Have what has arrived of a large body written to its file, before more is read."""
        spool = self.connection.traffic.disks.spool
        self.connection.send_on_errand(spool, self.intake.errand(self.connection.socket, spool.directory), self._spooled)

    def _spooled(self, outcome: bool | OSError | None) -> None:
        connection = self.connection
        if connection.state is State.CLOSED:
            return
        if outcome is False:
            connection.close()
        elif isinstance(outcome, OSError):
            connection.traffic.no_room(outcome)
            connection.refuse(Refused(507, f"there is no room for the body: {outcome.strerror}"))
        elif self.intake.complete():
            self._finish()
            connection.proceed()
        else:
            self._wait_for_more()
            connection.catch_up()

    def _finish(self) -> None:
        self.connection.taken_in(self.intake.take(), self.intake.size)
