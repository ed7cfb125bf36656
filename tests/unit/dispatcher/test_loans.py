"""Who may read a connection on loan when: a model with real epolls and sockets, whose steps come in any order."""

from __future__ import annotations

import os
import select

import pytest
from hypothesis import settings
from hypothesis.stateful import initialize, invariant, precondition, rule
from tests.unit.dispatcher.lent import CLIENTS, STEPS, WHICH, Clients

from prefork.dispatcher.loans import Loans
from prefork.kernel import accept_barriers
from prefork.lending import LOANED, NEW, RECALL, unpack_new, unpack_recall
from prefork.messages import CLOEXEC_DONTWAIT, inbox, pair, receive
from prefork.scoreboard import BEGUN, DONE, HALTED, LOAN, RECEIVED, REQUEST, Scoreboard, pack_progress

CYCLE = 6  # steps from inside a request to inside the next one
SLOT = Scoreboard.create().slot(0)


class Lending(Clients):
    """A worker's steps are those of `worker/borrowing.py`, one at a time, and the dispatcher may do anything between any two.

    `hand` is what the worker has heard of and not noted yet, `number` the request that it is in.
    """

    @initialize()
    def open(self) -> None:
        """Nothing is lent, and the worker waits."""
        accept_barriers()
        SLOT.clear()
        self.wire, self.pair = pair()
        self.loans = Loans(SLOT, self.wire)
        self.buffer = inbox()
        self.come()
        self.number = 0
        self.hand: int | None = None
        self.noted: tuple[int, int] | None = None  # what is about to be read, and what the slot said before
        self.may: tuple[int, int] | None = None  # the same, once it has seen that it may
        self.inside = self.answered = False
        self.receipts: list[int] = []
        self.lend()

    # The dispatcher.

    @rule()
    def lend(self) -> None:
        """Lend what is home; the worker has kept the sockets, after requests on them were handed over."""
        self.hear()  # what was recalled before is let go before a request is handed over
        if self.loans.halted:
            return
        for place in range(CLIENTS):
            connection = self.connection(place)
            if connection.descriptor in self.home and not self.loans.recalled:
                self.home.remove(connection.descriptor)
                self.kept.add(connection.descriptor)
                self.loans.lend(connection)

    @rule(place=WHICH)
    def lend_new(self, place: int) -> None:
        """Lend what is home to a worker that has yet to get it, whatever that is about."""
        connection = self.connection(place)
        key = connection.descriptor
        if key in self.home and not self.loans.halted and not self.loans.recalls(key):
            self.home.remove(key)
            self.loans.introduce(connection, 0.0)
            self.loans.lend(connection, new=True)

    @rule(place=WHICH, steps=STEPS)
    def take(self, place: int, steps: int) -> None:
        """Take one home from a worker that is inside the request of another one, and may go on meanwhile."""
        self.go_inside()
        if not self.inside:
            return
        number, own = LOANED + self.number, SLOT[LOAN]
        self.work(steps)
        connection = self.connection(place)
        key = connection.descriptor
        self.drain()
        if key != own and key in self.loans.lent and self.loans.take(connection, number):
            self.loans.recall([key])
            self.home.add(key)

    @precondition(lambda self: self.loans.lent)
    @rule(steps=STEPS)
    def seize(self, steps: int) -> None:
        """Take home what a worker that seems to have stopped will not read; it may go on meanwhile."""
        halted = self.loans.halt()
        self.work(steps)
        self.drain()
        for connection in self.loans.free(halted):
            self.loans.forget(connection.descriptor)
            self.home.add(connection.descriptor)

    def drain(self) -> None:
        """Hear of what the worker has answered."""
        for number in self.receipts:
            self.loans.heard(number)
        self.receipts.clear()

    # The worker.

    def go_inside(self) -> None:
        """Take the steps to a request, if it may get one."""
        self.keep_busy()
        for _ in range(CYCLE):
            if self.inside:
                break
            self.step()

    def step(self) -> None:
        if self.answered:
            self.account()
        elif self.inside:
            self.end()
        elif self.may is not None:
            self.read_it(*self.may)
        elif self.noted is not None:
            self.look_whether_it_may(*self.noted)
        elif self.hand is not None:
            self.note(self.hand)
        else:
            self.wait()

    def wait(self) -> None:
        """Hear of one connection, or of the pair."""
        found = self.loans.epoll.poll(0, 1)
        if found:
            self.hand = found[0][0]
        else:
            self.hear()

    def note(self, key: int) -> None:
        """Say in the slot which connection is about to be read."""
        self.hand = None
        if key not in self.kept:
            self.hear()
        else:
            self.noted = key, SLOT[REQUEST]
            SLOT[LOAN] = key
            SLOT[REQUEST] = pack_progress(LOANED + self.number + 1, RECEIVED)

    def look_whether_it_may(self, key: int, before: int) -> None:
        """It may have been forbidden."""
        self.noted = None
        if SLOT[HALTED]:
            SLOT[REQUEST] = before
        else:
            self.may = key, before

    def read_it(self, key: int, before: int) -> None:
        """Read what there is, if there is anything."""
        assert key not in self.home, "both of them read the same connection"
        self.may, held = None, self.read
        self.take_all(key)
        if self.read == held:
            SLOT[REQUEST] = before
            return
        self.number += 1
        SLOT[REQUEST] = pack_progress(LOANED + self.number, BEGUN)
        self.inside = True

    def end(self) -> None:
        SLOT[REQUEST] = pack_progress(LOANED + self.number, DONE)
        self.inside, self.answered = False, True

    def account(self) -> None:
        """Leave a receipt."""
        self.answered = False
        self.receipts.append(LOANED + self.number)

    def hear(self) -> None:
        """Hear all that was said, between two requests: have what is new, let go what is recalled and say so."""
        if self.inside or self.answered or self.may or self.noted or self.hand is not None:
            return
        while select.select([self.pair], [], [], 0)[0]:
            message, descriptors = receive(self.pair, self.buffer, CLOEXEC_DONTWAIT)
            for descriptor in descriptors:
                os.close(descriptor)
            if message.startswith(NEW):
                self.kept.add(unpack_new(message).key)
                continue
            assert message.startswith(RECALL)
            self.kept -= set(unpack_recall(message))
            for connection in self.loans.came_home():
                self.home.add(connection.descriptor)

    # What always holds.

    @invariant()
    def what_is_answered_on_is_not_home(self) -> None:
        assert not (self.inside or self.answered) or SLOT[LOAN] not in self.home

    def teardown(self) -> None:
        if hasattr(self, "ends"):
            self.leave(self.wire, self.pair)


TestLending = pytest.mark.timeout(300)(Lending.TestCase)  # it has 20,000 steps, each with a few system calls
TestLending.settings = settings(max_examples=500, stateful_step_count=40)
