"""Which connections are lent to which workers, and when they come home.

A connection is lent to the worker that has just answered on it. It comes home when its worker says so, when that is inside a
request of somebody else while something arrives (`relief.py`), when it leaves, and when it is dead. A request that a worker has
found on a loan and is still inside a moment later becomes an exchange like any other (`adoption.py`).
"""

from __future__ import annotations

import resource
import time
from typing import TYPE_CHECKING, Protocol

from prefork.dispatcher.adoption import Adoption
from prefork.dispatcher.attendance import Attendance
from prefork.dispatcher.buffered import MOST as MOST_BUFFERED
from prefork.dispatcher.fairness import LONG, MOMENT
from prefork.dispatcher.loan import Loan
from prefork.dispatcher.loans import ENOUGH, Loans
from prefork.dispatcher.loop_loans import LoopLoans
from prefork.dispatcher.newcomers import Newcomers
from prefork.dispatcher.receipts import Receipts
from prefork.dispatcher.relief import Relief
from prefork.dispatcher.terms import lends, patterns
from prefork.dispatcher.workers import SCARCE
from prefork.lending import Terms
from prefork.scoreboard import ALLOWED, LOAN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefork.dispatcher.connection import Connection
    from prefork.dispatcher.exchange import Exchange
    from prefork.dispatcher.loops import EventLoop
    from prefork.dispatcher.options import Options
    from prefork.dispatcher.traffic import Traffic
    from prefork.dispatcher.workers import Worker

SAMPLE = 16  # of so many connections one is lent where loans do not pay: otherwise nobody would know when they do
PAUSE = 0.1  # seconds in which nothing is lent after a request has waited too long
MOST = 1024  # connections that one worker has on loan, each with a descriptor of the worker's
SHARE = 2  # one descriptor in so many that the worker may have at all is for loans: the others are its application's


class Loop(Protocol):
    """What the lender needs of the event loop."""

    def attend(self, worker: Worker) -> None:
        """Tell once when there is something to read on a worker's loans and the worker does not wait for it."""

    def hear_out(self, worker: Worker) -> None:
        """Hear what a worker has said."""

    def hear_loans(self, loop: EventLoop) -> None:
        """Hear what an event loop has said of its loans."""

    def tell_master(self, kind: str, worker: Worker) -> None:
        """Send the master a word about a worker."""

    def part(self, worker: Worker) -> None:
        """A retiring worker has nothing any more: let it go."""


class Lender:
    """Nothing is lent before `resumes` (monotonic seconds). `holders` have what is lent, one for each worker or loop, with how many
    that may be.
    """

    def __init__(self, loop: Loop, traffic: Traffic) -> None:
        self.loop = loop
        self.traffic = traffic
        self.pace = traffic.accounts.pace
        self.receipts = Receipts(loop, traffic)
        self.adoption = Adoption(loop, traffic, self.receipts)
        self.relief = Relief(loop, traffic, self.receipts, self.adoption)
        self.attendance = Attendance(loop, traffic, self.receipts, self.relief)
        self.newcomers = Newcomers(self, traffic)
        self.holders: dict[Loans, int] = {}
        self.resumes = 0.0
        self.presses = 0.0  # when it may be looked again whether lines are unfair (monotonic seconds)
        self.waiting = 0  # requests in the one line, as event loops know it
        self.on = False

    def apply(self, options: Options) -> None:
        """Use these settings from now on: what is lent on others comes home."""
        self.on = lends(options)
        self.elsewhere = tuple(patterns(options))
        self.newcomers.apply(self.elsewhere)
        self.largest_head = options.max_header_size
        self.largest_body = min(MOST_BUFFERED, options.max_body_size)
        self.trusted = options.trusted_proxies if options.proxy_mode else None
        for worker in self.traffic.workers.values():
            self.furnish(worker)

    # Lending.

    def furnish(self, worker: Worker) -> None:
        """Tell a worker on which terms it is lent connections."""
        if worker.loans:
            self.recall(worker)
        if not self.on or (worker.loop and worker is not worker.loop.places[0]):
            return
        if worker.loans is None:
            try:
                self._open(worker)
            except OSError:
                return  # no descriptors are left, or no file may have a byte: its requests are handed over
            self.loop.attend(worker)
        assert worker.loans
        first = bool(worker.loans.shared)
        try:
            largest = 0 if worker.loop else self.largest_body  # an event loop waits for no body
            worker.loans.offer(Terms(self.adoption.prefix(worker), self.elsewhere, self.largest_head, self.trusted, largest))
        except ConnectionError:
            pass  # it is dead, or has a loop that reads nothing and has closed what it would hear this by
        except OSError as error:
            if not (first and error.errno in SCARCE):  # else its requests are handed over; but nobody reads on terms of before
                self.loop.tell_master("faulty", worker)

    def _open(self, worker: Worker) -> None:
        """Share with a worker what loans need; its loop has that for all places. Raises OSError."""
        most = min(MOST, resource.prlimit(worker.pid, resource.RLIMIT_NOFILE)[0] // SHARE)
        if worker.loop is None:
            worker.loans = Loans(worker.slot, worker.wire)
            self.holders[worker.loans] = most
            return
        worker.loop.loans = LoopLoans(worker.loop)
        self.holders[worker.loop.loans] = most
        for place in worker.loop.places:
            place.loans = worker.loop.loans

    def forget(self, worker: Worker) -> None:
        """A worker is gone, or a place of one: nothing is lent to it any more."""
        self.relief.doubtful.discard(worker)
        self.newcomers.forget(worker)
        if worker.loans:
            self.holders.pop(worker.loans, None)

    def _borrowers(self) -> Iterator[Worker]:
        """The workers that loans can be with; of those with an event loop one place."""
        for worker in list(self.traffic.workers.values()):
            if worker.loans and (worker.loop is None or worker is worker.loop.places[0]):
                yield worker

    def lends(self, number: int) -> bool:
        """Whether anything is lent now: where loans do not pay, with one request or connection in so many, by their numbers."""
        return self.on and time.monotonic() >= self.resumes and (self.pace.pays or number % SAMPLE == 0)

    def has_room(self, loans: Loans) -> bool:
        """Whether one more may be lent with these."""
        return not (loans.unsaid or loans.halted or loans.faulty) and len(loans.lent) < self.holders.get(loans, 0)

    def offers(self, worker: Worker, exchange: Exchange) -> bool:
        """Whether a worker may have a connection on loan after this request, which it is about to be given."""
        loans, connection = worker.loans, exchange.connection
        return (
            loans is not None
            and self.lends(exchange.number)
            and self.has_room(loans)
            and not (worker.loop and (exchange.inflow or exchange.converses))
            # Words about loans overtake those on a place's pair: one that recalls the key's last holder is not to meet its next.
            and not (worker.loop and (loans.recalls(connection.descriptor) or worker.loop.may_keep(connection.descriptor)))
            and connection.tally.written > 0  # it has been used before, and may well be used again
            and connection.peer[0] != ""
        )

    def give_way(self) -> None:
        """Have event loops leave free places to what waits in the one line, for as long as something does."""
        loops = [loans for loans in self.holders if isinstance(loans, LoopLoans)]
        waiting = self.traffic.queue.pressing() if loops else 0
        if waiting or self.waiting:
            self.waiting = waiting
            for loans in loops:
                loans.give_way(waiting)

    def kept(self, worker: Worker, connection: Connection) -> None:
        """A worker has answered and kept the connection's socket: lend it, if nothing has come between."""
        loans = worker.loans
        assert loans
        staying = self.on and not (worker.retiring or worker.condemned or worker.worn or self.traffic.answers.closing)
        if not staying or loans.halted or time.monotonic() < self.resumes or not connection.lendable():
            loans.recall([connection.descriptor])
            return
        worker.slot.words[ALLOWED] = 0
        connection.loan = Loan(connection, worker)
        loans.lend(connection)

    def press(self, wait: float, now: float) -> None:
        """A request has waited for some time. Where that is longer than fair, all others wait with it from now on, in one line, and
        no worker has a line of its own.

        Among many connections each request waits so long, and to count long lines takes longer than to hand one over. So they are
        counted where they matter, and the less often the longer they are.
        """
        if not self.on or wait <= LONG or now < self.presses:
            return
        waiting = self.traffic.queue.length + 1
        if not self.pace.unfair(wait, waiting, 1):
            return  # however long the lines of workers are
        lines = sum(loans.line(MOST) for loans in self.holders)
        self.presses = now + MOMENT * max(1.0, lines / ENOUGH)
        if self.pace.unfair(wait, waiting, lines):
            pressed, self.resumes = now < self.resumes, now + PAUSE
            if not pressed:
                for worker in self._borrowers():
                    self.recall(worker)

    # What happens meanwhile.

    def given(self, worker: Worker, exchange: Exchange) -> None:
        """A worker was given a request. One with loans may have found another one by itself at the same moment."""
        self.press(exchange.assigned - exchange.arrived, exchange.assigned)
        if worker.loans and worker.loans.lent and worker.loop is None:
            self.relief.doubtful.add(worker)

    # Coming home.

    def recall(self, worker: Worker) -> None:
        """Have a worker let all its connections go; they are home when it has answered, or is seen to take its time."""
        if worker.loans:
            worker.loans.recall_all()
            self._expect(worker)

    def _expect(self, worker: Worker) -> None:
        if worker.loop:
            self.attendance.recalled(worker.loop)
        else:
            self.relief.doubtful.add(worker)

    def dismiss(self, worker: Worker) -> None:
        """The same of one that is to get nothing more; what an event loop need not be asked for is home at once."""
        if worker.loop:
            self.attendance.dismiss(worker.loop)
        self.recall(worker)

    def fetch(self, loan: Loan) -> None:
        """Have one connection come home, which its worker may be reading."""
        loans, key = loan.worker.loans, loan.connection.descriptor
        assert loans
        if key in loans.lent:
            loans.stop(key)
            loans.recall([key])
            self._expect(loan.worker)

    def drop(self, loan: Loan) -> None:
        """A connection is about to be closed, whatever its worker does."""
        worker, key = loan.worker, loan.connection.descriptor
        if worker.loans:
            self.receipts.drain(worker)
            for each in worker.loop.places if worker.loop else ():
                if each.slot.words[LOAN] == key and self.adoption.adopt(each):
                    return
            worker.loans.release(key)
            worker.loans.recall([key])

    def owes(self, worker: Worker) -> bool:
        """Whether connections of ours are still a worker's to read."""
        return worker.loans is not None and bool(worker.loans.coming or worker.loans.lent)

    def bury(self, worker: Worker) -> None:
        """A worker is dead and has said all it said: its connections are home, with what it had read and not begun."""
        if worker.loans and worker.loop is None:
            self._inherit([worker], worker.loans)
        self.forget(worker)
        if worker.after:  # what it was given meanwhile it has never seen
            after, worker.after = worker.after, None
            self.adoption.again(worker, after)

    def bury_loop(self, loop: EventLoop) -> None:
        """The same for an event loop, before its places are buried."""
        if loop.loans:
            self._inherit(loop.places, loop.loans)

    def _inherit(self, workers: list[Worker], loans: Loans) -> None:
        self.receipts.drain(workers[0])
        for worker in workers:
            self.adoption.inherit(worker, loans)
        for key in [*loans.lent, *loans.coming]:
            connection = loans.release(key)
            assert connection
            assert connection.loan
            connection.loan.come_home()

    def tick(self, now: float) -> None:
        """Look after all loans now and then, whatever happens."""
        oldest = self.traffic.queue.oldest()
        if oldest is not None:
            self.press(now - oldest, now)
        for worker in self._borrowers():
            loans = worker.loans
            assert loans
            loans.say()
            self.receipts.drain(worker)
            if loans.faulty:
                self.loop.tell_master("faulty", worker)
            if worker.loop:
                if loans.coming:
                    self._expect(worker)
                continue
            self.relief.relieve(worker, now)
            if worker not in self.relief.doubtful and loans.moves(now) > 0 and not loans.inside() and loans.forgotten():
                self.relief.stirred(worker)
