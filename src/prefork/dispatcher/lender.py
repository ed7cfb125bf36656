"""Which connections are lent to which workers, and when they come home.

A connection is lent to the worker that has just answered on it. It comes home when its worker says so, when that is inside a
request of somebody else while something arrives, when it leaves, and when it is dead. A request that a worker has found on a loan
and is still inside a moment later becomes an exchange like any other (`adopt`): queue, limits and verdict know it from then on.
"""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING, Protocol

from prefork.dispatcher.exchange import Exchange
from prefork.dispatcher.loans import INSIDE, Loans
from prefork.dispatcher.receipts import ending_of, entered
from prefork.dispatcher.states import State
from prefork.dispatcher.terms import lends, patterns
from prefork.http.head import END_OF_HEAD, Refused
from prefork.http.identity import Identity
from prefork.lending import (
    BACK,
    DECLINED,
    HOME,
    LOANED,
    NEWS,
    OWNED,
    Terms,
    unpack_declined,
    unpack_return,
)
from prefork.scoreboard import ALLOWED, BEGUN_AT, DONE, LOAN, RECEIVED, REVOKED, TAKEN

if TYPE_CHECKING:
    from prefork.dispatcher.connection import Connection
    from prefork.dispatcher.options import Options
    from prefork.dispatcher.traffic import Traffic
    from prefork.dispatcher.workers import Worker
    from prefork.lending import Receipt, Return

WORDS = frozenset((BACK, OWNED, HOME, NEWS, DECLINED))
MOMENT = 0.001  # seconds that a worker may be inside a request before its other connections are looked after
PATIENCE = 0.02  # seconds that a worker in no request may leave unread what it was told of
PRESSURE = 0.02  # seconds that a request has waited for a worker when loans begin to be unfair to it
PAUSE = 0.1  # seconds in which nothing is lent then
MOST = 1024  # connections that one worker has on loan


class Loop(Protocol):
    """What the lender needs of the event loop."""

    def lent(self, connection: Connection) -> None:
        """Nobody here is told of a connection any more."""

    def home(self, connection: Connection) -> None:
        """It is watched as before."""

    def attend(self, worker: Worker) -> None:
        """Tell once when there is something to read on a worker's loans and the worker does not wait for it."""

    def hear_out(self, worker: Worker) -> None:
        """Hear what a worker has said."""

    def tell_master(self, kind: str, worker: Worker) -> None:
        """Send the master a word about a worker."""

    def part(self, worker: Worker) -> None:
        """A retiring worker has nothing any more: let it go."""


class Lender:
    """`doubtful` are the workers to be looked at again in a moment; nothing is lent before `resumes` (monotonic seconds)."""

    def __init__(self, loop: Loop, traffic: Traffic) -> None:
        self.loop = loop
        self.traffic = traffic
        self.doubtful: set[Worker] = set()
        self.resumes = 0.0
        self.on = False

    def apply(self, options: Options) -> None:
        """Use these settings from now on: what is lent on others comes home."""
        self.on = lends(options)
        self.elsewhere = tuple(patterns(options))
        self.largest_head = options.max_header_size
        self.trusted = options.trusted_proxies if options.proxy_mode else None
        for worker in self.traffic.workers.values():
            self.furnish(worker)

    # Lending.

    def furnish(self, worker: Worker) -> None:
        """Tell a worker on which terms it is lent connections."""
        if worker.loans:
            self.recall(worker)
        if not self.on or worker.loop:
            return
        if worker.loans is None:
            try:
                worker.loans = Loans(worker.slot, worker.wire)
            except OSError:
                return  # no descriptors are left, or no file may have a byte: its requests are handed over
            self.loop.attend(worker)
        try:
            worker.loans.offer(Terms(self._prefix(worker), self.elsewhere, self.largest_head, self.trusted))
        except OSError:
            self.loop.tell_master("faulty", worker)  # which is what it is, unless it is dead

    def offers(self, worker: Worker, exchange: Exchange) -> bool:
        """Whether a worker may have a connection on loan after this request, which it is about to be given."""
        loans, connection = worker.loans, exchange.connection
        return (
            self.on
            and loans is not None
            and time.monotonic() >= self.resumes
            and not (loans.unsaid or loans.halted)
            and len(loans.lent) < MOST
            and connection.tally.written > 0  # it has been used before, and may well be used again
            and connection.peer[0] != ""
        )

    def kept(self, worker: Worker, connection: Connection) -> None:
        """A worker has answered and kept the connection's socket: lend it, if nothing has come between."""
        loans = worker.loans
        assert loans
        staying = self.on and not (worker.retiring or worker.condemned or worker.worn or self.traffic.answers.closing)
        if not staying or loans.halted or time.monotonic() < self.resumes or not connection.rests():
            loans.recall([connection.descriptor])
            return
        worker.slot.words[ALLOWED] = 0
        self.loop.lent(connection)
        connection.lend(worker)
        loans.lend(connection)

    def press(self, now: float) -> None:
        """A request has waited long: all others wait with it from now on, in one line, and no worker has a line of its own."""
        pressed, self.resumes = now < self.resumes, now + PAUSE
        if self.on and not pressed:
            for worker in self.traffic.workers.values():
                self.recall(worker)

    # What happens meanwhile.

    def stirred(self, worker: Worker) -> None:
        """There is something to read on a loan, and its worker does not wait for it."""
        assert worker.loans
        worker.loans.stirred_at = time.monotonic()
        self.doubtful.add(worker)
        self._relieve(worker, worker.loans.stirred_at)

    def given(self, worker: Worker, exchange: Exchange) -> None:
        """A worker was given a request. One with loans may have found another one by itself at the same moment."""
        if exchange.assigned - exchange.arrived > PRESSURE:
            self.press(exchange.assigned)
        if worker.loans and worker.loans.lent:
            self.doubtful.add(worker)

    def look(self) -> None:
        """See how the doubtful workers get on."""
        now = time.monotonic()
        for worker in list(self.doubtful):
            self._relieve(worker, now)
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
        self.drain(worker)
        for connection in loans.free(halted):
            self._bring_home(worker, connection, recall=False)

    def _relieve(self, worker: Worker, now: float) -> None:
        """Take home what a worker inside a request cannot read, where another worker is idle or this one takes its time."""
        loans = worker.loans
        progress = loans.inside() if loans else None
        if loans is None or progress is None:
            return
        spent = now - worker.slot.words[BEGUN_AT] / 1e9
        long = spent > MOMENT
        resting = sum(worker is not other and self.rests(other) for other in self.traffic.queue.idle)
        if long and progress.number > LOANED:
            self.adopt(worker)
            if resting or spent > PRESSURE:
                self._revoke(worker, progress.number)
        if not long and not resting:
            return
        self.drain(worker)  # what it has answered before belongs to the connections as well
        # What has come on the connection of this very request is its client's next one, and nobody's before this one has ended.
        own = loans.find(worker.slot.words[LOAN]) if progress.number > LOANED else None
        others = [connection for connection in loans.readable() if connection is not own][: None if long else resting]
        for connection in others:
            if loans.take(connection, progress.number):
                self._bring_home(worker, connection)

    def rests(self, worker: Worker) -> bool:
        """Whether an idle worker is really so, and not inside a request that it has found on a loan."""
        return worker.loans is None or worker.loans.inside() is None

    def adopt(self, worker: Worker) -> bool:
        """Make an exchange of the request that a worker is inside, which it has found on a loan. False: it is in none by now."""
        loans = worker.loans
        if loans is None:
            return False
        progress, words = loans.slot.progress(), worker.slot.words
        if progress.number <= LOANED or progress.state not in INSIDE or self._has(worker, progress.number):
            return False
        # What it has said about the requests before this one is on its way: without it one of them would seem to wait for it.
        self.loop.hear_out(worker)
        self.drain(worker)
        connection, data = loans.find(words[LOAN]), loans.memory[: words[TAKEN]]
        if connection is None or worker.paused or self._has(worker, progress.number):
            return False
        if not loans.take(connection, progress.number):
            return False
        self._own(worker, connection, progress.number, data)
        loans.recall([connection.descriptor])  # and with its answer we hear of the end
        return True

    def _own(self, worker: Worker, connection: Connection, number: int, data: bytes) -> None:
        """The request of a connection that is home is an exchange, and its worker's."""
        exchange = self._exchange(worker, connection, number, data)
        self.loop.home(connection)
        connection.owned(exchange)
        exchange.worker = worker
        worker.after, worker.exchange = worker.exchange, exchange
        if worker.after is None and worker in self.traffic.queue.idle:
            self.traffic.queue.occupy(worker, exchange)

    def _has(self, worker: Worker, number: int) -> bool:
        return worker.exchange is not None and worker.exchange.number == number

    def _revoke(self, worker: Worker, number: int) -> None:
        """Have another worker take the request that was given to one that is inside another one, `number`."""
        after = worker.after
        if after is None or not self._has(worker, number):
            return
        worker.slot.words[REVOKED] = after.number
        progress = worker.slot.progress()
        if progress.number == number and progress.state in INSIDE:  # so it has not read the message, and will decline
            worker.after = None
            self._again(worker, after)

    def _again(self, worker: Worker, exchange: Exchange) -> None:
        """A request that its worker has never seen waits again, before all others."""
        queue = self.traffic.queue
        if worker in queue.working:
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
        self.traffic.serve()

    # What workers say.

    def hear(self, worker: Worker, message: bytes) -> bool:
        """A word of a worker about its loans. False for what makes no sense."""
        if worker.loans is None:
            return False
        try:
            return self._hear(worker, worker.loans, message)
        except struct.error:
            return False

    def _hear(self, worker: Worker, loans: Loans, message: bytes) -> bool:
        kind = message[0]
        if kind in {BACK, OWNED}:
            self._returned(worker, loans, unpack_return(message))
        elif kind == DECLINED:
            number = unpack_declined(message)
            self.drain(worker)  # what it was inside has ended before
            if self._has(worker, number):
                exchange, worker.exchange = worker.exchange, None
                assert exchange
                self._again(worker, exchange)
        else:
            self.drain(worker)
            if kind == HOME:
                if not loans.recalled:
                    return False
                for connection in loans.came_home():
                    self._bring_home(worker, connection, recall=False)
                self._part(worker)
        return True

    def _returned(self, worker: Worker, loans: Loans, returned: Return) -> None:
        self.drain(worker)
        connection = loans.release(returned.key)
        if connection is None:
            return
        loans.number = returned.number if returned.kind == BACK else loans.number
        if returned.kind == BACK:
            self.loop.home(connection)
            connection.come_home(returned.data)
        else:
            self._own(worker, connection, returned.number, returned.data)

    def _bring_home(self, worker: Worker, connection: Connection, recall: bool = True) -> None:
        assert worker.loans
        worker.loans.forget(connection.descriptor)
        if recall:
            worker.loans.recall([connection.descriptor])
        self.loop.home(connection)
        connection.come_home()

    # Receipts.

    def drain(self, worker: Worker) -> None:
        """Enter what a worker has answered."""
        assert worker.loans
        try:
            receipts = worker.loans.collect()
        except struct.error:  # something else in the worker writes to its pipe
            self.loop.tell_master("faulty", worker)
            return
        for receipt in receipts:
            self._enter(worker, worker.loans, receipt)

    def _enter(self, worker: Worker, loans: Loans, receipt: Receipt) -> None:
        loans.number = receipt.number
        ending = ending_of(receipt)
        if self._has(worker, receipt.number):
            assert worker.exchange
            worker.exchange.arrived = worker.exchange.assigned - receipt.wait / 1e9
            worker.exchange.service = receipt.service / 1e9
            self.traffic.ended(worker, ending)
            return
        connection = loans.find(receipt.key)
        if connection is None:
            return
        loans.read[receipt.key] += receipt.size
        self.traffic.enter(entered(receipt, connection, self.traffic.lanes.rest), worker, ending)
        if connection.answered_on_loan(ending):
            return
        if receipt.key in loans.lent:
            loans.release(receipt.key)
        else:
            loans.forget(receipt.key)
        self.loop.home(connection)
        connection.ended_on_loan(ending)

    def _exchange(self, worker: Worker, connection: Connection, number: int, data: bytes) -> Exchange:
        """The request that a worker has read. Raises Refused for what none of ours would have read as one."""
        end = data.find(END_OF_HEAD) + 4
        head = self.traffic.reader.read(data[:end])
        origin = self.traffic.origin(connection.peer, head.headers)
        began = worker.slot.words[BEGUN_AT] / 1e9
        exchange = Exchange(connection, head, origin, data[end:], len(data) - end, began)
        exchange.number, exchange.lane = number, self.traffic.lanes.rest
        identity = Identity(self._prefix(worker))
        identity.made = number - LOANED - 1
        exchange.request_id = identity.of(origin.headers)
        exchange.deliveries = 1
        self.traffic.ledger.arrived(exchange.lane)
        self.traffic.ledger.waited(exchange.lane, 0.0)
        return exchange

    def _prefix(self, worker: Worker) -> str:
        return f"{self.traffic.identity.prefix}.{worker.number}.{worker.pid}"

    # Coming home.

    def recall(self, worker: Worker) -> None:
        """Have a worker let all its connections go; they are home when it has answered."""
        if worker.loans:
            worker.loans.recall_all()

    def fetch(self, connection: Connection) -> None:
        """Have one connection come home, which its worker may be reading."""
        worker = connection.borrower
        assert worker
        assert worker.loans
        if connection.descriptor in worker.loans.lent:
            worker.loans.stop(connection.descriptor)
            worker.loans.recall([connection.descriptor])

    def drop(self, connection: Connection) -> None:
        """A connection is about to be closed, whatever its worker does."""
        worker = connection.borrower
        if worker and worker.loans:
            self.drain(worker)
            worker.loans.release(connection.descriptor)
            worker.loans.recall([connection.descriptor])

    def owes(self, worker: Worker) -> bool:
        """Whether connections of ours are still a worker's to read."""
        return worker.loans is not None and bool(worker.loans.coming or worker.loans.lent)

    def _part(self, worker: Worker) -> None:
        here = self.traffic.worker(worker.number) is worker  # its last receipt may have let it go already
        if here and worker.retiring and worker.exchange is None and not worker.finishing and not self.owes(worker):
            self.traffic.queue.forget(worker)
            self.loop.part(worker)

    def bury(self, worker: Worker) -> None:
        """A worker is dead and has said all it said: its connections are home, with what it had read and not begun."""
        loans = worker.loans
        if loans is None:
            return
        self.doubtful.discard(worker)
        self.drain(worker)
        self._inherit(worker, loans)
        for key in [*loans.lent, *loans.coming]:
            connection = loans.release(key)
            assert connection
            self.loop.home(connection)
            connection.come_home()
        if worker.after:  # what it was given meanwhile it has never seen
            after, worker.after = worker.after, None
            self._again(worker, after)

    def _inherit(self, worker: Worker, loans: Loans) -> None:
        """Take over the request that a dead worker has left on a loan, if there is one."""
        progress, words = loans.slot.progress(), worker.slot.words
        if progress.number <= LOANED or progress.number == loans.number or self._has(worker, progress.number):
            return
        connection = loans.find(words[LOAN])
        if connection is None:
            return
        size = words[TAKEN] or loans.unaccounted(connection)
        data = loans.memory[:size]
        if not data or (progress.state == DONE and not words[TAKEN]):
            return
        loans.release(connection.descriptor)
        if progress.state == RECEIVED:
            self.loop.home(connection)
            connection.come_home(data)
            return
        try:
            self._own(worker, connection, progress.number, data)
        except Refused:  # the application has written into our memory: what it was, nobody knows
            connection.cut()

    def tick(self, now: float) -> None:
        """Look after all loans now and then, whatever happens."""
        oldest = self.traffic.queue.oldest()
        if oldest is not None and now - oldest > PRESSURE:
            self.press(now)
        for worker in list(self.traffic.workers.values()):
            loans = worker.loans
            if loans is None:
                continue
            loans.say()
            self.drain(worker)
            self._relieve(worker, now)
            if worker not in self.doubtful and loans.moves(now) > 0 and not loans.inside() and loans.forgotten():
                self.stirred(worker)
