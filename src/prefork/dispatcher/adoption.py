"""Requests that workers have found on loans by themselves, where they become exchanges like any other, and what was given to
such a worker meanwhile and has to go to another one.

Queue, limits and verdict know them from then on.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prefork.dispatcher.exchange import Exchange
from prefork.dispatcher.loans import INSIDE
from prefork.dispatcher.states import State
from prefork.http.head import END_OF_HEAD, Refused
from prefork.http.identity import Identity
from prefork.kernel import await_any
from prefork.lending import LOANED
from prefork.messages import Inflow
from prefork.scoreboard import BEGUN_AT, DONE, LOAN, RECEIVED, REVOKED, TAKEN

if TYPE_CHECKING:
    from prefork.dispatcher.connection import Connection
    from prefork.dispatcher.lender import Loop
    from prefork.dispatcher.loans import Loans
    from prefork.dispatcher.receipts import Receipts
    from prefork.dispatcher.traffic import Traffic
    from prefork.dispatcher.workers import Worker


class Adoption:
    """Makes exchanges of them, from the memory that both processes have."""

    def __init__(self, loop: Loop, traffic: Traffic, receipts: Receipts) -> None:
        self.loop = loop
        self.traffic = traffic
        self.receipts = receipts

    def adopt(self, worker: Worker) -> bool:
        """Make an exchange of the request that a worker is inside, which it has found on a loan. False: it is in none by now."""
        loans = worker.loans
        if loans is None:
            return False
        progress, words = worker.slot.progress(), worker.slot.words
        if progress.number <= LOANED or progress.state not in INSIDE or worker.has(progress.number):
            return False
        if progress.number == loans.last_heard(worker):
            return False  # it goes on behind its answer, and its connection, or another one with the same key, is no longer its own
        # What it has said about the requests before this one is on its way: without it one of them would seem to wait for it.
        self.loop.hear_out(worker)
        self.receipts.drain(worker)
        connection, data = loans.find(words[LOAN]), loans.bytes_of(worker, words[TAKEN])
        if connection is None or worker.paused or worker.after or worker.has(progress.number):
            return False
        if not loans.take(connection, progress.number, worker.slot):
            return False
        self.own(worker, connection, progress.number, data)
        self.traffic.accounts.pace.fetch()
        loans.recall([connection.descriptor])  # and with its answer we hear of the end
        return True

    def own(self, worker: Worker, connection: Connection, number: int, data: bytes) -> None:
        """The request of a connection that is home is an exchange, and its worker's."""
        try:
            exchange = self._exchange(worker, connection, number, data)
        except Refused:  # the application has written into our memory: what it was, nobody knows
            connection.cut()
            return
        assert connection.loan
        connection.loan.give_way(exchange)
        exchange.worker = worker
        worker.after, worker.exchange = worker.exchange, exchange
        if worker.after is None and worker in self.traffic.queue.idle:
            self.traffic.queue.occupy(worker, exchange)

    def revoke(self, worker: Worker, number: int) -> None:
        """Have another worker take the request that was given to one that is inside another one, `number`."""
        after = worker.after
        if after is None or not worker.has(number):
            return
        worker.slot.words[REVOKED] = after.number
        progress = worker.slot.progress()
        if progress.number == number and progress.state in INSIDE:  # so it has not read the message, and will decline
            worker.after = None
            self.again(worker, after)

    def again(self, worker: Worker, exchange: Exchange) -> None:
        """A request that its worker has never seen waits again, before all others."""
        queue = self.traffic.queue
        if worker in queue.working and not worker.finishing:
            queue.release(worker)
            if worker.exchange:
                queue.occupy(worker, worker.exchange)
        exchange.worker = None
        exchange.number = self.traffic.number()  # by the old one its worker still declines it
        exchange.deliveries -= 1
        if exchange.connection.state is State.CLOSED:
            exchange.discard()
        else:
            exchange.connection.to(State.QUEUED)
            queue.wait(exchange, first=True)
            if exchange.connection.ended:  # its client has left meanwhile, and nobody is told of that again
                exchange.connection.abandon()
        self.traffic.assignments.serve()

    def _exchange(self, worker: Worker, connection: Connection, number: int, data: bytes) -> Exchange:
        """The request that a worker has read. Raises Refused for what none of ours would have read as one."""
        end = data.find(END_OF_HEAD) + 4
        head = self.traffic.reader.read(data[:end])
        origin = self.traffic.origin(connection.peer, head.headers)
        began = min(worker.slot.words[BEGUN_AT] / 1e9, time.monotonic())
        exchange = Exchange(connection, head, origin, data[end:], head.length or 0, began)
        left = exchange.length - (len(data) - end)
        if left > 0:  # the worker reads that from the socket, and so no other one can
            options = self.traffic.options
            exchange.inflow = Inflow(left, options.max_body_size, options.body_timeout, False)
        exchange.number, exchange.lane = number, self.traffic.lanes.rest
        identity = Identity(self.prefix(worker))
        identity.made = number - LOANED - 1
        exchange.request_id = identity.of(origin.headers)
        exchange.deliveries = 1
        self.traffic.accounts.arrived(exchange.lane)
        self.traffic.accounts.assigned(exchange)
        return exchange

    def prefix(self, worker: Worker) -> str:
        """What begins the ids that a worker gives to requests."""
        number = worker.loop.number if worker.loop else worker.number
        return f"{self.traffic.identity.prefix}.{number}.{worker.pid}"

    def inherit(self, worker: Worker, loans: Loans) -> None:
        """Take over the request that a dead worker has left on a loan, if there is one."""
        progress, words = worker.slot.progress(), worker.slot.words
        if progress.number <= LOANED or progress.number == loans.last_heard(worker) or worker.after or worker.has(progress.number):
            return
        connection = loans.find(words[LOAN])
        if connection is None:
            return
        size = words[TAKEN] or loans.unaccounted(connection)
        data = loans.bytes_of(worker, size)
        if not data or (progress.state == DONE and not words[TAKEN]):
            return
        loans.release(connection.descriptor)
        if progress.state == RECEIVED:
            await_any(connection.socket)  # it may have waited for the rest of a body
            assert connection.loan
            connection.loan.come_home(data)
            return
        self.own(worker, connection, progress.number, data)
