"""What workers leave receipts of: requests that they have found on loans and answered, entered into all accounts."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from prefork.dispatcher.exchange import Exchange
from prefork.http.head import Head
from prefork.http.proxies import Origin
from prefork.lending import ASKS_REPLACEMENT, ENDS_BROKEN, LASTS, LOANED, OLD_HTTP, unpack_asked, unpack_receipts
from prefork.messages import Ending

if TYPE_CHECKING:
    from prefork.dispatcher.connection import Connection
    from prefork.dispatcher.lender import Loop
    from prefork.dispatcher.loans import Loans
    from prefork.dispatcher.traffic import Traffic
    from prefork.dispatcher.workers import Worker
    from prefork.lending import Receipt

KNOWN = 512  # heads that are told of again and again, up to this size (bytes)
LONGEST_KNOWN = 1024


class Receipts:
    """Enters them, in the order in which they were left."""

    def __init__(self, loop: Loop, traffic: Traffic) -> None:
        self.loop = loop
        self.traffic = traffic
        self.heads: dict[tuple[bytes, bool], tuple[Head, str]] = {}

    def drain(self, worker: Worker) -> None:
        """Enter what a worker has answered."""
        loans = worker.loans
        assert loans
        try:
            for receipt in loans.collect():
                self._enter(worker, loans, receipt)
        except struct.error:  # something else in the worker writes to its memory
            self.loop.tell_master("faulty", worker)

    def enter(self, worker: Worker, data: bytes) -> None:
        """Enter one that there was no room for, after those that had come before. Raises struct.error."""
        loans = worker.loans
        assert loans
        for receipt in unpack_receipts(data):
            self._enter(worker, loans, receipt)

    def _enter(self, worker: Worker, loans: Loans, receipt: Receipt) -> None:
        loans.number = receipt.number
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
        self.traffic.enter(self._entered(receipt, loans.prefix, connection), worker, ending)
        if connection.answered_on_loan(ending):
            return
        if receipt.key in loans.lent:
            loans.release(receipt.key)
        else:
            loans.forget(receipt.key)
        self.loop.home(connection)
        connection.ended_on_loan(ending)

    def _entered(self, receipt: Receipt, prefix: str, connection: Connection) -> Exchange:
        """A request that has been answered, as far as accounts need it."""
        head, trace = self._head(receipt)
        began = receipt.began / 1e9
        origin = Origin((receipt.client.decode("latin-1"), 0), "http", head.headers)
        exchange = Exchange(connection, head, origin, b"", 0, began - receipt.wait / 1e9)
        exchange.number = receipt.number
        exchange.request_id = receipt.request_id.decode("latin-1") or f"{prefix}-{receipt.number - LOANED}"
        exchange.assigned, exchange.deliveries = began, 1
        exchange.service = receipt.service / 1e9
        exchange.lane = self.traffic.lanes.rest
        exchange.trace = trace
        return exchange

    def _head(self, receipt: Receipt) -> tuple[Head, str]:
        """The head that a receipt tells of, as far as accounts need it, and the trace that it belongs to."""
        mark = receipt.asked, bool(receipt.flags & OLD_HTTP)
        found = self.heads.get(mark)
        if found is None:
            asked = unpack_asked(receipt.asked)
            headers = [(b"referer", asked.referer), (b"user-agent", asked.agent)]
            head = Head(asked.method.decode("latin-1"), asked.target, "1.0" if mark[1] else "1.1", headers, 0, True, False)
            found = head, asked.trace.decode("latin-1")
            if len(mark[0]) <= LONGEST_KNOWN:
                if len(self.heads) >= KNOWN:
                    self.heads.clear()
                self.heads[mark] = found
        return found


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
