"""A body that its connection awaits: from behind its head until all of it is in memory or in a file.

A body that has come with its head needs none of this. The rest of a larger one may be its worker's to read: as it comes where
that has an event loop, otherwise when it waits in the socket. While a thread writes, its connection reads nothing; who is slow has
`body_timeout` for each piece, and holds no worker.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prefork.dispatcher.buffered import WITHIN
from prefork.dispatcher.exchange import Exchange
from prefork.dispatcher.intake import Intake
from prefork.dispatcher.states import State
from prefork.http.head import Refused
from prefork.kernel import await_any, unread
from prefork.messages import DONTWAIT, INLINE, Inflow

if TYPE_CHECKING:
    from prefork.dispatcher.connection import Connection
    from prefork.http.head import Head

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Upload:
    """The body of the request with this `head`. `held` is the request, while the rest of its body waits in the socket."""

    __slots__ = ("connection", "head", "held", "intake", "kept")

    def __init__(self, connection: Connection, head: Head) -> None:
        self.connection = connection
        self.head = head
        self.intake = Intake(head.length, connection.traffic.options.max_body_size)
        self.kept = head.length is not None and head.length <= INLINE  # all of it is taken in here
        self.held: Exchange | None = None

    def begin(self) -> None:
        """Take what has come with the head. Raises Refused when too much is announced."""
        self.intake.expect()
        connection = self.connection
        if self.head.expects and not connection.inbound.buffer and not self._stream(b""):
            self._invite()
        if connection.state is State.BODY and not self.held:
            self.take(connection.inbound.take())

    def _invite(self) -> None:
        """Ask for the body. Never through the outbox, where it could come after a worker's answer."""
        connection = self.connection
        try:
            connection.tally.written += connection.socket.send(CONTINUE, DONTWAIT)
        except BlockingIOError:
            pass  # the client has yet to read its last answer; it may send the body all the same
        except OSError:
            connection.close()

    def _stream(self, beginning: bytes) -> bool:
        """Have a worker read the rest, if there is one for that when the body begins. What has come of it is `beginning`.

        False where it has none yet.
        """
        connection, head = self.connection, self.head
        if self.kept or len(beginning) > INLINE or connection.ended:
            return False
        self.kept = True
        traffic, left = connection.traffic, None if self.intake.chunks else self.intake.left
        origin = traffic.origin(connection.peer, head.headers)
        exchange = Exchange(connection, head, origin, beginning, head.length or 0, time.monotonic())
        options = traffic.options
        exchange.inflow = Inflow(left, options.max_body_size, options.body_timeout, head.expects and not beginning)
        if traffic.streaming.begin(exchange):
            connection.streamed(exchange)
            return True
        return self._hold(exchange)

    def _hold(self, exchange: Exchange) -> bool:
        """Have the rest wait in the socket, where it may, until any worker can read it. Whether it is there already."""
        connection, traffic = self.connection, self.connection.traffic
        if self.intake.chunks or connection.unix or not traffic.streaming.concerns(exchange):
            return False
        if not traffic.buffered.hold(connection.socket, self.intake.left):
            return False
        assert exchange.inflow
        exchange.inflow = exchange.inflow._replace(expects=False)  # the client is asked here
        self.held = exchange
        connection.deadline = time.monotonic() + WITHIN
        return self._submit(exchange)

    def _submit(self, exchange: Exchange) -> bool:
        """Submit the request if the rest of its body is here."""
        connection, left = self.connection, self.intake.left
        if unread(connection.socket) < left:
            return False
        self.held = None
        await_any(connection.socket)
        exchange.buffered = left
        exchange.arrived = time.monotonic()
        connection.submit(exchange)
        return True

    def leaves(self) -> bool:
        """Something has come while the rest waits in the socket: whether nothing is to be read here."""
        assert self.held
        if self._submit(self.held) or not self.connection.ended:
            return True
        self.read_on()
        return False

    def read_on(self) -> None:
        """Read the rest here after all, as it comes."""
        self._release()
        await_any(self.connection.socket)
        self._wait_for_more()

    def _release(self) -> None:
        if self.held:
            self.held = None
            self.connection.traffic.buffered.release(self.intake.left)

    def take(self, data: bytes) -> None:
        """Add received bytes; what follows the body goes back to its connection."""
        connection = self.connection
        try:
            connection.inbound.add(self.intake.feed(data))
        except Refused as refused:
            connection.refuse(refused)
            return
        self._wait_for_more()  # from now: what it takes to understand tiny chunks is no time of the client's
        if self.intake.complete():
            if self.intake.unwritten:
                self._spool()
            else:
                self._finish()
        elif data:
            self._stream(data)

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
        self._release()
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
        self.connection.complete(self.head, self.intake.take(), self.intake.size)
