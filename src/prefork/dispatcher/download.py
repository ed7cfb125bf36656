"""An answer that its client has yet to read, from when somebody else than its worker has to send it until all of it is out.

What a worker sends itself needs none of this. While a thread sends a part of a file nothing is sent here; who is slow has
`body_timeout` for each piece, and holds no worker.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prefork.dispatcher.outbox import Flow, Outbox, Sent
from prefork.dispatcher.states import WRITABLE, State

if TYPE_CHECKING:
    from prefork.dispatcher.connection import Connection


class Download:
    """What waits of one answer is in its `outbox`."""

    __slots__ = ("connection", "outbox")

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.outbox = Outbox(connection.traffic.disks.discard)

    def flush(self) -> None:
        """Send what the socket takes; parts of files are a thread's errand."""
        connection, outbox = self.connection, self.outbox
        if connection.errand:
            return
        held = outbox.held
        try:
            flow = outbox.flush(connection.socket)
        except OSError:
            connection.close()
            return
        if outbox.held < held:
            self._eased()
        if flow is Flow.FILE:
            file = outbox.first()
            disk, job = connection.traffic.disks.of(file), outbox.carrying(connection.socket)
            connection.send_on_errand(disk, job, self._carried, file.place)
        elif flow is Flow.MORE:
            connection.loop.watch(connection, WRITABLE)  # tells at once when there is room already
        else:
            connection.read_up()

    def _carried(self, outcome: Sent | Exception) -> None:
        """A thread has sent a part of a file."""
        connection = self.connection
        if connection.state is State.CLOSED:
            return
        if isinstance(outcome, (OSError, EOFError)):
            connection.cut()  # the client has gone, or cannot have the rest
        elif isinstance(outcome, Exception):
            raise outcome
        else:
            self.outbox.sent(outcome.size)
            if outcome.size:
                self._eased()
            if outcome.full:
                connection.loop.watch(connection, WRITABLE)
            else:
                self.flush()
                connection.proceed()

    def wait(self) -> None:
        """The client has its time for the next piece."""
        self.connection.deadline = time.monotonic() + self.connection.traffic.options.body_timeout

    def _eased(self) -> None:
        connection = self.connection
        if self.outbox or connection.state is State.FLUSHING:
            self.wait()
        else:
            connection.deadline = float("inf")  # it has read everything, the worker is to write more
        connection.traffic.relieved(connection)
