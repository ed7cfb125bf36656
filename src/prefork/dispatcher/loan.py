"""A connection while a worker reads it, from being lent until it is home: nobody here reads it meanwhile, or is told of it.

Who may have one, and when it has to come home, is decided by `lender`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prefork.dispatcher.states import IDLE, LENT, SERVED

if TYPE_CHECKING:
    from prefork.dispatcher.connection import Connection
    from prefork.dispatcher.exchange import Exchange
    from prefork.dispatcher.workers import Worker


class Loan:
    """Of a `connection` to a `worker`. It is over with `come_home`, `give_way` or `end`, and with the connection."""

    __slots__ = ("connection", "worker")

    def __init__(self, connection: Connection, worker: Worker) -> None:
        self.connection = connection
        self.worker = worker
        connection.loop.lent(connection)
        connection.unread = False
        connection.to(LENT, connection.deadline)

    def answered(self, sent: int, now: float) -> None:
        """Its worker has answered a request with so many bytes."""
        self.connection.tally.end(sent)
        self.connection.deadline = now + self.connection.traffic.options.keepalive_timeout

    def overdue(self) -> None:
        """Its client has asked for nothing for too long, as far as is known here."""
        self.connection.deadline = float("inf")
        self.connection.traffic.lender.fetch(self)

    def come_home(self, data: bytes = b"") -> None:
        """The connection is read here again, with bytes that its worker has read."""
        connection = self._over()
        overdue = connection.deadline == float("inf")
        connection.to(IDLE, min(connection.deadline, time.monotonic() + connection.traffic.options.keepalive_timeout))
        if data:
            connection.take(data)
        if overdue or connection.traffic.answers.closing:
            connection.dismiss()

    def give_way(self, exchange: Exchange) -> None:
        """Its worker has found a request on it, which goes on as any other."""
        connection = self._over()
        connection.to(SERVED)
        connection.exchange = exchange

    def end(self, broken: bool) -> None:
        """Its last request is answered; `broken` as in an `Ending`."""
        connection = self.connection
        connection.loan = None
        connection.broken, connection.keep = broken, False
        connection.flushed()

    def _over(self) -> Connection:
        self.connection.loop.home(self.connection)
        self.connection.loan = None
        return self.connection
