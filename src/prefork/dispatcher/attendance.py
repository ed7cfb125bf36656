"""Whether event loops attend to what comes on their loans: what has come for one that is held up, another one gets.

The kernel tells of each request on a loop's loans. So a loop that has had one is looked at a moment later, as long as there are
more, and only then the kernel is asked again: a busy loop costs a look per moment, however much it answers.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prefork.dispatcher.fairness import LONG, MOMENT
from prefork.dispatcher.relief import PATIENCE, processor_time
from prefork.meters import state_of

if TYPE_CHECKING:
    from prefork.dispatcher.connection import Connection
    from prefork.dispatcher.lender import Loop
    from prefork.dispatcher.loop_loans import LoopLoans
    from prefork.dispatcher.loops import EventLoop
    from prefork.dispatcher.receipts import Receipts
    from prefork.dispatcher.relief import Relief
    from prefork.dispatcher.traffic import Traffic

EVERY = 0.002  # seconds between two looks at the same loop
LATE = 0.0005  # by which the clock of a wait may be early
FULL = 0.1  # seconds for which what has come for a loop may wait there for a free place
FEW = 4  # requests that one loop may have before it more than twice those of another one


class Attendance:
    """`doubtful` are the loops that are looked at in a moment."""

    def __init__(self, loop: Loop, traffic: Traffic, receipts: Receipts, relief: Relief) -> None:
        self.loop = loop
        self.traffic = traffic
        self.receipts = receipts
        self.relief = relief
        self.doubtful: set[EventLoop] = set()
        self.looked_at = 0.0

    def stirred(self, loop: EventLoop) -> None:
        """There is something to read on a loan, and the kernel tells no more of it."""
        if loop.loans:
            self._see(loop.loans, time.monotonic())
            self.doubtful.add(loop)

    def recalled(self, loop: EventLoop) -> None:
        """Loans were recalled, and the loop has yet to answer."""
        if loop not in self.doubtful:
            self.stirred(loop)

    def look(self) -> None:
        """See how the doubtful loops get on."""
        now = time.monotonic()
        if now - self.looked_at < EVERY - LATE:
            return
        self.looked_at = now
        for loop in list(self.doubtful):
            if loop.loans and loop.places:
                self._look(loop, loop.loans, now)
            else:
                self.doubtful.discard(loop)

    def _see(self, loans: LoopLoans, now: float) -> None:
        loans.seen, loans.seen_at, loans.spent = loans.looks(), now, 0

    def _look(self, loop: EventLoop, loans: LoopLoans, now: float) -> None:
        self.receipts.drain(loop.places[0])  # a connection that has ended can be read, too, until that is entered
        if not loop.places:
            return  # its last receipt has let it go
        goes_on = loans.seen != loans.looks()
        if goes_on:
            self._see(loans, now)
        line = loans.line()
        if not line and not loans.unanswered():
            self.doubtful.discard(loop)
            self.loop.attend(loop.places[0])
        elif self._gives_way(loop, loans, now):
            self._relieve(loop, loans, sum(map(self._room, self._others(loop))))
        elif goes_on:
            self._share(loop, loans, line, now)
        elif now - loans.seen_at >= MOMENT and self._takes_its_time(loop, loans, now):
            loop.hold_up()
            self._take_recalled(loop, loans)
            if self._others(loop) or now - loans.seen_at > LONG:
                self._relieve(loop, loans, line)
            if now - loans.seen_at >= PATIENCE and loans.seen % 2:
                self._seize(loop, loans)

    def _gives_way(self, loop: EventLoop, loans: LoopLoans, now: float) -> bool:
        """Whether it does not look because all of its places are taken, or others' turn. It answers a recall all the same."""
        if loans.unanswered() or not loop.turns(time.monotonic_ns()) or now - loans.seen_at > FULL:
            return False
        return loans.gives_way or self._free(loop) <= 0

    def _free(self, loop: EventLoop) -> int:
        """How many of its places are."""
        return loop.free(len(self.traffic.queue.idle.loops.get(loop, ())))

    def _room(self, loop: EventLoop) -> int:
        """How many places it has beyond what has come for it already."""
        return max(0, self._free(loop) - (loop.loans.line() if loop.loans else 0))

    def _takes_its_time(self, loop: EventLoop, loans: LoopLoans, now: float) -> bool:
        """Whether a loop computes or waits inside a step. One that only lacks a processor will not be long."""
        if now - loans.seen_at > LONG or state_of(loop.pid) != "R":
            return True
        spent, loans.spent = loans.spent, loans.spent or processor_time(loop.pid)
        return 0 < spent < processor_time(loop.pid) - MOMENT * 5e8

    def _others(self, loop: EventLoop) -> list[EventLoop]:
        """The loops that have room for more, and take it."""
        now = time.monotonic_ns()
        return [other for other in self.traffic.queue.idle.loops if other is not loop and other.turns(now) and not other.held_up]

    def _share(self, loop: EventLoop, loans: LoopLoans, line: int, now: float) -> None:
        """Lines of loops beside each other differ at most by half, except for moments: each has its turns on the processors."""
        lines = [other.loans.line() if other.loans else 0 for other in self._others(loop)]
        if not lines or line <= 2 * min(lines) + FEW:
            loans.uneven_at = 0.0
        elif not loans.uneven_at:
            loans.uneven_at = now
        elif now - loans.uneven_at > LONG:
            loans.uneven_at = 0.0
            self._relieve(loop, loans, (line - min(lines)) // 2)

    def _relieve(self, loop: EventLoop, loans: LoopLoans, most: int) -> None:
        """Take home so much of what the loop has not read."""
        for _ in range(self._take_home(loop, loans, loans.readable()[:most])):
            self.traffic.accounts.pace.fetch()

    def dismiss(self, loop: EventLoop) -> None:
        """Take home all that can be had without a word of the loop's."""
        if loop.loans and loop.places:
            self._take_home(loop, loop.loans, list(loop.loans.lent.values()))

    def _take_home(self, loop: EventLoop, loans: LoopLoans, wanted: list[Connection]) -> int:
        """Take home which of these the loop has not read, and does not answer on; returns how many."""
        looks = loans.looks()
        answering = self._answering(loop, loans)
        taken = []
        for connection in wanted:
            key = connection.descriptor
            if key in loans.lent and key not in answering and loans.take_unread(connection, looks):
                taken.append(key)
                self.relief.bring_home(loop.places[0], connection, recall=False)
        loans.recall(taken)
        return len(taken)

    def _take_recalled(self, loop: EventLoop, loans: LoopLoans) -> None:
        """Take home what was recalled, but for what the loop answers on.

        That was out of the epoll before the loop was seen not to look: what it has not read by then, it never will.
        """
        recalled = list(loans.coming.values())
        if loans.looks() % 2:
            return
        answering = self._answering(loop, loans)
        for connection in recalled:
            if connection.descriptor in loans.coming and connection.descriptor not in answering:
                self.relief.bring_home(loop.places[0], connection, recall=False)

    def _answering(self, loop: EventLoop, loans: LoopLoans) -> set[int]:
        """The keys of the connections that a loop answers on and has not told of; what it has told of, or ended, is heard."""
        self._hear_all(loop, loans)
        found = loans.untold()
        self._hear_all(loop, loans)  # what it has ended before it was looked at is told by now
        return found

    def _hear_all(self, loop: EventLoop, loans: LoopLoans) -> None:
        self.loop.hear_loans(loop)
        self.hear_owned(loans)
        if loop.places:  # it was retiring, and what has been heard may have let it go
            self.receipts.drain(loop.places[0])

    def hear_owned(self, loans: LoopLoans) -> None:
        """Hear of which requests a loop has said that they are OWNED."""
        for worker in loans.unsaid_by():
            self.loop.hear_out(worker)

    def _seize(self, loop: EventLoop, loans: LoopLoans) -> None:
        """It was stopped while it looked, and nobody knows what it has found. All but what it has noted is home."""
        looks = loans.forbid()
        self._hear_all(loop, loans)
        noted = loans.untold()
        for key, connection in list(loans.coming.items()):
            if key not in noted and loans.looks() == looks:
                self.relief.bring_home(loop.places[0], connection, recall=False)
