"""What workers leave receipts of: requests that they have found on loans and answered, entered into all accounts."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from prefork.dispatcher.exchange import Exchange
from prefork.http.head import Head
from prefork.http.proxies import Origin
from prefork.lending import ASKS_REPLACEMENT, ENDS_BROKEN, LASTS, OLD_HTTP
from prefork.messages import Ending

if TYPE_CHECKING:
    from prefork.dispatcher.connection import Connection
    from prefork.dispatcher.lender import Loop
    from prefork.dispatcher.loans import Loans
    from prefork.dispatcher.traffic import Traffic
    from prefork.dispatcher.workers import Worker
    from prefork.lending import Receipt


class Receipts:
    """Enters them, in the order in which they were left."""

    def __init__(self, loop: Loop, traffic: Traffic) -> None:
        self.loop = loop
        self.traffic = traffic

    def drain(self, worker: Worker) -> None:
        """Enter what a worker has answered."""
        loans = worker.loans
        assert loans
        try:
            receipts = loans.collect()
        except struct.error:  # something else in the worker writes to its pipe
            self.loop.tell_master("faulty", worker)
            return
        for receipt in receipts:
            self._enter(worker, loans, receipt)

    def _enter(self, worker: Worker, loans: Loans, receipt: Receipt) -> None:
        loans.heard(receipt.number)
        ending = ending_of(receipt)
        if worker.has(receipt.number):
            assert worker.exchange
            worker.exchange.arrived = worker.exchange.assigned - receipt.wait / 1e9
            worker.exchange.service = receipt.service / 1e9
            self.traffic.ended(worker, ending)
            return
        connection = loans.find(receipt.key)
        if connection is None:
            return
        loans.read[receipt.key] += receipt.size
        self.traffic.accounts.pace.spared()
        self.traffic.enter(entered(receipt, connection, self.traffic.lanes.rest), worker, ending)
        if connection.answered_on_loan(ending):
            return
        if receipt.key in loans.lent:
            loans.release(receipt.key)
        else:
            loans.forget(receipt.key)
        self.loop.home(connection)
        connection.ended_on_loan(ending)


def entered(receipt: Receipt, connection: Connection, lane: int) -> Exchange:
    """A request that has been answered, as far as accounts need it."""
    headers = [(b"referer", receipt.referer), (b"user-agent", receipt.agent)]
    version = "1.0" if receipt.flags & OLD_HTTP else "1.1"
    head = Head(receipt.method.decode("latin-1"), receipt.target, version, headers, 0, True, False)
    origin = Origin((receipt.client.decode("latin-1"), 0), "http", headers)
    began = receipt.began / 1e9
    exchange = Exchange(connection, head, origin, b"", 0, began - receipt.wait / 1e9)
    exchange.number = receipt.number
    exchange.request_id = receipt.request_id.decode("latin-1")
    exchange.assigned, exchange.deliveries = began, 1
    exchange.service = receipt.service / 1e9
    exchange.lane = lane
    exchange.trace = receipt.trace.decode("latin-1")
    return exchange


def ending_of(receipt: Receipt) -> Ending:
    """What an ending would have said."""
    flags = receipt.flags
    return Ending(
        receipt.number,
        receipt.status,
        receipt.sent,
        receipt.cpu,
        keep=bool(flags & LASTS),
        worn=bool(flags & ASKS_REPLACEMENT),
        broken=bool(flags & ENDS_BROKEN),
        queries=receipt.queries,
        sql=receipt.sql,
        tag=receipt.tag.decode(errors="replace"),
    )
