"""What has come for a worker that is inside something else: another one has it, or the one line of all.

The workers that it is about are looked at a moment later, until they have gone on.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prefork.dispatcher.fairness import LONG, MOMENT, shorter
from prefork.dispatcher.loans import ENOUGH
from prefork.lending import LOANED
from prefork.meters import clock_of, state_of
from prefork.scoreboard import BEGUN_AT, CPU_AT, LOAN

if TYPE_CHECKING:
    from prefork.dispatcher.adoption import Adoption
    from prefork.dispatcher.connection import Connection
    from prefork.dispatcher.lender import Loop
    from prefork.dispatcher.loans import Loans
    from prefork.dispatcher.receipts import Receipts
    from prefork.dispatcher.traffic import Traffic
    from prefork.dispatcher.workers import Worker

PATIENCE = 0.02  # seconds that a worker in no request may leave unread what it was told of, and unanswered what it was asked
HALF = MOMENT / 2  # seconds between two looks at the same worker


class Relief:
    """`doubtful` are the workers to be looked at again in a moment."""

    def __init__(self, loop: Loop, traffic: Traffic, receipts: Receipts, adoption: Adoption) -> None:
        self.loop = loop
        self.traffic = traffic
        self.receipts = receipts
        self.adoption = adoption
        self.doubtful: set[Worker] = set()
        self.looked_at = 0.0

    def stirred(self, worker: Worker) -> None:
        """There is something to read on a loan, and its worker does not wait for it."""
        assert worker.loans
        worker.loans.stirred_at = time.monotonic()
        self.doubtful.add(worker)
        self.relieve(worker, worker.loans.stirred_at)

    def look(self) -> None:
        """See how the doubtful workers get on."""
        now = time.monotonic()
        if now - self.looked_at < HALF:
            return
        self.looked_at = now
        for worker in list(self.doubtful):
            self.relieve(worker, now)
            if worker in self.doubtful:  # else its last words have let it go
                self._look(worker, now)

    def _look(self, worker: Worker, now: float) -> None:
        loans = worker.loans
        if loans is None:
            self.doubtful.discard(worker)
            return
        given = worker.after or worker.exchange
        waits = given is not None and loans.slot.progress().number != given.number
        stirred = loans.stirred_at > 0 and now - loans.stirred_at >= MOMENT
        if stirred:
            loans.stirred_at = 0.0
        if (stirred or loans.coming) and loans.moves(now) >= PATIENCE and not loans.inside() and loans.forgotten():
            self._seize(worker, loans)
            if worker not in self.doubtful:
                return  # its last words have let it go
        if stirred:
            self.loop.attend(worker)
        answers = bool(loans.coming) and loans.moves(now) < PATIENCE
        if not (waits or loans.stirred_at or answers):
            self.doubtful.discard(worker)

    def _seize(self, worker: Worker, loans: Loans) -> None:
        """Nothing is read of what has come: the worker has been stopped, or has no processor."""
        halted = loans.halt()
        self.loop.hear_out(worker)  # it may have given some back before, with what it had read of them
        self.receipts.drain(worker)
        for connection in loans.free(halted):
            self.bring_home(worker, connection, recall=False)
        if worker.retiring and worker.exchange is None and worker in self.doubtful:
            self.traffic.assignments.free(worker)  # nobody waits for its answer any more

    def relieve(self, worker: Worker, now: float) -> None:
        """Take home what a worker inside a request cannot read, where another worker is idle or this one takes its time."""
        loans = worker.loans
        progress = loans.inside() if loans else None
        if loans is None or progress is None:
            return
        # What has come on the connection of this very request is its client's next one, and nobody's before this one has ended.
        own = loans.find(worker.slot.words[LOAN]) if progress.number > LOANED else None
        long = takes_its_time(worker, now)
        others = [other for other in self.traffic.queue.idle if other is not worker]
        if not (long or others):
            return  # there is no better place for what waits here, so nobody need count it
        line = [connection for connection in loans.readable(-1 if long else ENOUGH) if connection is not own]
        room = room_beside(len(line) + 1, others) if line or long else 0
        if long and progress.number > LOANED:
            self.adoption.adopt(worker)
            if room or now - worker.slot.words[BEGUN_AT] / 1e9 > LONG:
                self.adoption.revoke(worker, progress.number)
        line = line if long else line[:room]
        if long:  # of what was recalled it hears nothing more: nobody need wait until it says so
            line += [connection for connection in loans.coming.values() if connection is not own]
        if not line or worker.paused:
            return  # one whose client reads slowly is to say no more for now, and so nothing can be taken from it
        # What it has said and answered before belongs to the connections as well: some of them it may have given back.
        self.loop.hear_out(worker)
        self.receipts.drain(worker)
        for connection in line:
            lent, on_loan = connection.descriptor in loans.lent, loans.find(connection.descriptor) is connection
            if on_loan and not worker.paused and loans.take(connection, progress.number):
                if lent:
                    self.traffic.accounts.pace.fetch()
                self.bring_home(worker, connection, recall=lent)

    def bring_home(self, worker: Worker, connection: Connection, recall: bool = True) -> None:
        """A connection is no longer a worker's to read; with `recall` the worker has yet to hear it."""
        assert worker.loans
        worker.loans.forget(connection.descriptor)
        if recall:
            worker.loans.recall([connection.descriptor])
        assert connection.loan
        connection.loan.come_home()


def room_beside(line: int, others: list[Worker]) -> int:
    """How many requests had better leave a worker's line now: one for each of the others that has nothing to do, or far less."""
    return sum(shorter(line, other.line(max(1, line // 2))) for other in others)


def takes_its_time(worker: Worker, now: float) -> bool:
    """Whether a worker computes or waits for something inside its request. One that only lacks a processor will not be long."""
    words = worker.slot.words
    spent = now - words[BEGUN_AT] / 1e9
    if spent <= MOMENT or spent > LONG:
        return spent > LONG
    return processor_time(worker.pid) - words[CPU_AT] > MOMENT * 1e9 or state_of(worker.pid) != "R"


def processor_time(pid: int) -> int:
    """The processor time of a process in nanoseconds; 0 of one that is dead."""
    try:
        return time.clock_gettime_ns(clock_of(pid))
    except OSError:
        return 0
