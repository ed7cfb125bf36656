"""What has come for a worker that is inside something else: another one has it, or the one line of all.

The workers that it is about are looked at a moment later, until they have gone on.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prefork.lending import LOANED
from prefork.scoreboard import BEGUN_AT, LOAN

if TYPE_CHECKING:
    from prefork.dispatcher.adoption import Adoption
    from prefork.dispatcher.connection import Connection
    from prefork.dispatcher.lender import Loop
    from prefork.dispatcher.loans import Loans
    from prefork.dispatcher.receipts import Receipts
    from prefork.dispatcher.traffic import Traffic
    from prefork.dispatcher.workers import Worker

MOMENT = 0.001  # seconds that a worker may be inside a request before its other connections are looked after
PATIENCE = 0.02  # seconds that a worker in no request may leave unread what it was told of
LONG = 0.02  # seconds inside a request after which what was given to its worker meanwhile goes to another one


class Relief:
    """`doubtful` are the workers to be looked at again in a moment."""

    def __init__(self, loop: Loop, traffic: Traffic, receipts: Receipts, adoption: Adoption) -> None:
        self.loop = loop
        self.traffic = traffic
        self.receipts = receipts
        self.adoption = adoption
        self.doubtful: set[Worker] = set()

    def stirred(self, worker: Worker) -> None:
        """There is something to read on a loan, and its worker does not wait for it."""
        assert worker.loans
        worker.loans.stirred_at = time.monotonic()
        self.doubtful.add(worker)
        self.relieve(worker, worker.loans.stirred_at)

    def look(self) -> None:
        """See how the doubtful workers get on."""
        now = time.monotonic()
        for worker in list(self.doubtful):
            self.relieve(worker, now)
            self._look(worker, now)

    def _look(self, worker: Worker, now: float) -> None:
        loans = worker.loans
        if loans is None:
            self.doubtful.discard(worker)
            return
        given = worker.after or worker.exchange
        waits = given is not None and loans.slot.progress().number != given.number
        if loans.stirred_at and now - loans.stirred_at >= MOMENT:
            loans.stirred_at = 0.0
            if loans.moves(now) >= PATIENCE and not loans.inside() and loans.forgotten():
                self._seize(worker, loans)
            self.loop.attend(worker)
        if not waits and not loans.stirred_at:
            self.doubtful.discard(worker)

    def _seize(self, worker: Worker, loans: Loans) -> None:
        """Nothing is read of what has come: the worker has been stopped, or has no processor."""
        halted = loans.halt()
        self.receipts.drain(worker)
        for connection in loans.free(halted):
            self.bring_home(worker, connection, recall=False)

    def relieve(self, worker: Worker, now: float) -> None:
        """Take home what a worker inside a request cannot read, where another worker is idle or this one takes its time."""
        loans = worker.loans
        progress = loans.inside() if loans else None
        if loans is None or progress is None:
            return
        spent = now - worker.slot.words[BEGUN_AT] / 1e9
        long = spent > MOMENT
        resting = sum(worker is not other and other.rests() for other in self.traffic.queue.idle)
        if long and progress.number > LOANED:
            self.adoption.adopt(worker)
            if resting or spent > LONG:
                self.adoption.revoke(worker, progress.number)
        if not long and not resting:
            return
        self.receipts.drain(worker)  # what it has answered before belongs to the connections as well
        # What has come on the connection of this very request is its client's next one, and nobody's before this one has ended.
        own = loans.find(worker.slot.words[LOAN]) if progress.number > LOANED else None
        others = [connection for connection in loans.readable() if connection is not own][: None if long else resting]
        for connection in others:
            if loans.take(connection, progress.number):
                self.bring_home(worker, connection)

    def bring_home(self, worker: Worker, connection: Connection, recall: bool = True) -> None:
        """A connection is no longer a worker's to read; with `recall` the worker has yet to hear it."""
        assert worker.loans
        worker.loans.forget(connection.descriptor)
        if recall:
            worker.loans.recall([connection.descriptor])
        self.loop.home(connection)
        connection.come_home()
