"""What workers leave receipts of: requests that they have found on loans and answered, entered into all accounts."""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING

from prefork.dispatcher.exchange import Exchange
from prefork.http.head import Head
from prefork.http.proxies import Origin
from prefork.lending import ASKS_REPLACEMENT, ENDS_BROKEN, LASTS, LOANED, OLD_HTTP, place_of, unpack_asked, unpack_receipts
from prefork.lines import asking, more
from prefork.lines import told as told_line
from prefork.messages import Ending

if TYPE_CHECKING:
    from prefork.dispatcher.connection import Connection
    from prefork.dispatcher.lender import Loop
    from prefork.dispatcher.loans import Loans
    from prefork.dispatcher.traffic import Traffic
    from prefork.dispatcher.workers import Worker
    from prefork.lending import Receipt

try:
    from prefork.dispatcher.entries import Entries
except ImportError:  # we run from source
    Entries = None  # type: ignore[assignment,misc]

KNOWN = 512  # heads that are told of again and again, up to this size (bytes)
LONGEST_KNOWN = 1024


class Told:
    """What receipts tell of a head. `asking` follows the client in its access line, and `more` ends it, where they are our own."""

    def __init__(self, receipt: Receipt) -> None:
        asked = unpack_asked(receipt.asked)
        headers = [(b"referer", asked.referer), (b"user-agent", asked.agent)]
        version = "1.0" if receipt.flags & OLD_HTTP else "1.1"
        self.head = Head(asked.method.decode("latin-1"), asked.target, version, headers, 0, True, False)
        self.trace = asked.trace.decode("latin-1")
        self.asking = asking("", self.head.method, asked.target.decode("latin-1"))
        self.more = more(0, 0.0, self.trace, "")


class Receipts:
    """Enters them, in the order in which they were left. `known` is what was told before."""

    def __init__(self, loop: Loop, traffic: Traffic) -> None:
        self.loop = loop
        self.traffic = traffic
        self.known: dict[tuple[bytes, int], Told] = {}
        self.entries = None if Entries is None else Entries(self)

    def drain(self, worker: Worker) -> None:
        """Enter what a worker has answered."""
        loans = worker.loans
        assert loans
        try:
            if self.entries is None:
                if receipts := loans.collect():
                    self.traffic.settlement.settle()  # what has ended before
                    self._enter_all(worker, loans, receipts)
            elif pieces := loans.till.take():
                self.traffic.settlement.settle()
                self.entries.enter(worker, loans, pieces)
        except struct.error:  # something else in the worker writes to its memory
            self.loop.tell_master("faulty", worker)

    def enter(self, worker: Worker, data: bytes) -> None:
        """Enter those in a piece of memory. Raises struct.error."""
        assert worker.loans
        self._enter_all(worker, worker.loans, unpack_receipts(data))

    def _enter_all(self, worker: Worker, loans: Loans, receipts: list[Receipt]) -> None:
        now = time.monotonic()
        for receipt in receipts:
            loans.heard(receipt.number)
            place = self._place(worker, receipt.number)
            if place.has(receipt.number):
                self._end(place, receipt)
            elif (connection := loans.find(receipt.key)) is not None:
                loans.read[receipt.key] += receipt.size
                self.traffic.accounts.pace.spared()
                self._account(worker, loans.prefix, connection, receipt)
                assert connection.loan
                connection.loan.answered(receipt.sent, now)
                if not receipt.flags & LASTS:
                    self.end(loans, connection, receipt.flags & ENDS_BROKEN != 0)

    def _place(self, worker: Worker, number: int) -> Worker:
        """Whose request that is: of a loop, the place's that it was read for."""
        if worker.loop is None:
            return worker
        place = self.traffic.workers.get(worker.loop.number + place_of(number))
        return place if place and place.loop is worker.loop else worker

    def _end(self, worker: Worker, receipt: Receipt) -> None:
        """Its request has become an exchange meanwhile."""
        exchange = worker.exchange
        assert exchange
        exchange.arrived = exchange.assigned - receipt.wait / 1e9
        exchange.service = receipt.service / 1e9
        self.traffic.ended(worker, ending_of(receipt))
        self.traffic.settlement.settle()  # before the receipts behind this one

    def end(self, loans: Loans, connection: Connection, broken: bool) -> None:
        """The last request of a connection is answered; `broken` as in an `Ending`."""
        loans.release(connection.descriptor)
        assert connection.loan
        connection.loan.end(broken)

    def _account(self, worker: Worker, prefix: str, connection: Connection, receipt: Receipt) -> None:
        flags, status, _, _, number, wait, began, service, sent, cpu, queries, sql, client, request_id, tag, asked = receipt
        told = self._told(receipt, (asked, flags & OLD_HTTP))
        head, traffic = told.head, self.traffic
        waited, took = wait / 1e9, service / 1e9
        traffic.accounts.found(traffic.lanes.rest, head.method, head.target, worker, receipt)
        if flags & ASKS_REPLACEMENT:
            traffic.wear(worker)
        traffic.answers.count(status)
        if not traffic.answers.logs(status, head.target):
            return
        address = client.decode("latin-1")
        name = request_id.decode("latin-1") or f"{prefix}-{number - LOANED}"
        if traffic.journal.writes_own:
            end = more(queries, sql / 1e9, told.trace, tag.decode(errors="replace")) if queries or tag else told.more
            words = told_line(address + told.asking, status, sent, waited, took, cpu / 1e9, worker.name, name, end)
            traffic.journal.answered(words)
        else:
            exchange = Exchange(connection, head, Origin((address, 0), "http", head.headers), b"", 0, began / 1e9 - waited)
            exchange.request_id, exchange.trace = name, told.trace
            exchange.assigned, exchange.deliveries = began / 1e9, 1
            exchange.service = took
            traffic.journal.note(exchange.entry(status, sent, worker.name, ending_of(receipt)))

    def _told(self, receipt: Receipt, mark: tuple[bytes, int]) -> Told:
        """What a receipt tells of its head; most have been told before."""
        told = self.known.get(mark)
        if told is None:
            told = Told(receipt)
            if len(receipt.asked) <= LONGEST_KNOWN:
                if len(self.known) >= KNOWN:
                    self.known.clear()
                self.known[mark] = told
        return told


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
