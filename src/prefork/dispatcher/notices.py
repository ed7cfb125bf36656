"""What workers say of their loans: a connection goes back, a request is OWNED, what was recalled is let go.

Each has its meaning after the receipts before it, which lie in the memory. Which connections are lent is decided by `lender`.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from prefork.dispatcher.loop_loans import LoopLoans
from prefork.lending import ABLE, BACK, DECLINED, HOME, NEWS, OWNED, unpack_declined, unpack_return

if TYPE_CHECKING:
    from prefork.dispatcher.loans import Loans
    from prefork.dispatcher.traffic import Traffic
    from prefork.dispatcher.workers import Worker
    from prefork.lending import Return

KINDS = frozenset((BACK, OWNED, HOME, NEWS, DECLINED, ABLE))


class Notices:
    """Takes them, one at a time; False is for what makes no sense."""

    def __init__(self, traffic: Traffic) -> None:
        self.traffic = traffic
        self.lender = traffic.lender
        self.receipts = self.lender.receipts
        self.adoption = self.lender.adoption

    def take(self, worker: Worker, message: bytes) -> bool:
        """A word of a worker about its loans."""
        if worker.loans is None:
            return False
        if message[0] == ABLE:
            return self.lender.newcomers.enlist(worker)
        try:
            return self._take(worker, worker.loans, message)
        except struct.error:
            return False

    def _take(self, worker: Worker, loans: Loans, message: bytes) -> bool:
        kind = message[0]
        if kind in {BACK, OWNED}:
            return self._returned(worker, loans, unpack_return(message))
        if kind == DECLINED:
            self._declined(worker, unpack_declined(message))
            return True
        self.receipts.drain(worker)
        if kind == NEWS and worker.loop:
            self.traffic.assignments.serve()
        elif kind == HOME:
            return self._let_go(worker, loans)
        return True

    def _declined(self, worker: Worker, number: int) -> None:
        self.receipts.drain(worker)  # what it was inside has ended before
        if worker.has(number):
            exchange, worker.exchange = worker.exchange, None
            assert exchange
            self.adoption.again(worker, exchange)
        elif worker.after and worker.after.number == number:
            exchange, worker.after = worker.after, None
            self.adoption.again(worker, exchange)

    def _let_go(self, worker: Worker, loans: Loans) -> bool:
        if not loans.recalled:
            return False
        if worker.loop and worker.loop.loans:
            self.lender.attendance.hear_owned(worker.loop.loans)
        for connection in loans.came_home():
            self.lender.relief.bring_home(worker, connection, recall=False)
        for each in list(worker.loop.places) if worker.loop else [worker]:
            self._part(each)
        return True

    def _returned(self, worker: Worker, loans: Loans, returned: Return) -> bool:
        self.receipts.drain(worker)
        if returned.kind == OWNED and worker.after and loans.find(returned.key):
            return False  # it is inside another one that is OWNED: nobody is inside two
        if isinstance(loans, LoopLoans) and returned.kind == OWNED:
            loans.own(worker, returned.number)
            if returned.key in loans.lent:  # else it was recalled, however soon it would have been done
                self.traffic.accounts.pace.fetch()
        loans.heard(returned.number)
        connection = loans.release(returned.key)
        if connection is None:
            return True
        assert connection.loan
        if returned.kind == BACK:
            connection.loan.come_home(returned.data)
        else:
            self.adoption.own(worker, connection, returned.number, returned.data)
        return True

    def _part(self, worker: Worker) -> None:
        here = self.traffic.worker(worker.number) is worker  # its last receipt may have let it go already
        if here and worker.retiring and worker.exchange is None and not worker.finishing and not self.lender.owes(worker):
            self.traffic.queue.forget(worker)
            self.traffic.loop.part(worker)
