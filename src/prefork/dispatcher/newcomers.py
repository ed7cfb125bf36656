"""Connections that are lent before their first request: many a client opens one for each, and so does a proxy that keeps none."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prefork.dispatcher.loan import Loan
from prefork.dispatcher.loans import ENOUGH
from prefork.http.head import END_OF_HEAD
from prefork.http.paths import Paths
from prefork.lending import ROOM
from prefork.messages import PEEK

if TYPE_CHECKING:
    from prefork.dispatcher.connection import Connection
    from prefork.dispatcher.lender import Lender
    from prefork.dispatcher.loans import Loans
    from prefork.dispatcher.traffic import Traffic
    from prefork.dispatcher.workers import Worker

UPGRADE = b"\r\nupgrade:"


class Newcomers:
    """Gives them to `readers`, which have said that they can read requests; `count` of them have been offered."""

    def __init__(self, lender: Lender, traffic: Traffic) -> None:
        self.lender = lender
        self.traffic = traffic
        self.readers: list[Worker] = []
        self.count = 0

    def apply(self, elsewhere: tuple[str, ...]) -> None:
        """Lend none whose request is at these paths from now on."""
        self.is_elsewhere = Paths([elsewhere]).find

    def enlist(self, worker: Worker) -> bool:
        """A worker has said that it can read requests. False where it makes no sense to say that."""
        if worker.loop or worker in self.readers:
            return False
        self.readers.append(worker)
        return True

    def forget(self, worker: Worker) -> None:
        """A worker is gone."""
        if worker in self.readers:
            self.readers.remove(worker)

    def lend(self, connection: Connection) -> bool:
        """Lend a new connection to the worker with the shortest line, where its request is here and any worker may answer it. False
        where it is to be read here.
        """
        self.count += 1
        if connection.unix or self.traffic.answers.closing or not self.lender.lends(self.count):
            return False
        now = time.monotonic()
        worker = self.traffic.queue.idle.freest() or self._shorter()
        if worker is None or worker.loans is None or worker.loans.lingers(now):
            return False
        self.lender.receipts.drain(worker)  # which says what connections before this one have ended
        if not (
            self._stays(worker) and self._may_have(worker, worker.loans, connection.descriptor) and self._is_for_any(connection)
        ):
            return False
        try:
            worker.loans.introduce(connection, now)
        except OSError:
            return False  # it is gone, or does not hear
        connection.loan = Loan(connection, worker)
        worker.loans.lend(connection, new=True)
        return True

    def _shorter(self) -> Worker | None:
        """Of two workers that have a request, other ones each time, the one with the shorter line."""
        readers = self.readers
        pair = [readers[(self.count + each) % len(readers)] for each in (0, 1)] if readers else []
        return min(filter(self._stays, pair), key=lambda worker: worker.line(ENOUGH), default=None)

    def _stays(self, worker: Worker) -> bool:
        """Whether a worker reads requests, and is to do so on."""
        return worker in self.readers and not (worker.retiring or worker.condemned or worker.worn or worker.paused)

    def _may_have(self, worker: Worker, loans: Loans, key: int) -> bool:
        """Whether a worker has room for one more, and nothing of an earlier connection under this key."""
        given = [exchange for exchange in (worker.exchange, worker.after) if exchange and exchange.connection.descriptor == key]
        return self.lender.has_room(loans) and not (given or loans.recalls(key))

    def _is_for_any(self, connection: Connection) -> bool:
        """Whether a whole request is here and nothing else, without a body, that any worker may be given."""
        try:
            data = connection.socket.recv(ROOM, PEEK)
        except OSError:
            return False
        head, end, rest = data.partition(END_OF_HEAD)
        if not end or rest or UPGRADE in head.lower():
            return False
        target = head.partition(b" HTTP/")[0].partition(b" ")[2]
        return self.is_elsewhere(target) is None
