"""Who may read a connection on loan when: a model with real epolls and sockets, whose steps come in any order."""

from __future__ import annotations

from hypothesis import settings
from hypothesis.stateful import initialize, precondition, rule
from tests.unit.dispatcher.lent import CLIENTS, WHICH, Clients

from prefork.dispatcher.loans import Loans
from prefork.kernel import accept_barriers
from prefork.lending import LOANED, RECALL, unpack_recall
from prefork.messages import CLOEXEC_DONTWAIT, inbox, pair, receive
from prefork.scoreboard import BEGUN, DONE, HALTED, LOAN, RECEIVED, REQUEST, Scoreboard, pack_progress

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
        self.inside = False
        self.seen: tuple[int, int] | None = None
        self.lend()

    def come_home(self, key: int) -> None:
        self.home.add(key)

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

    @precondition(lambda self: self.seen is not None)
    @rule(place=WHICH)
    def take(self, place: int) -> None:
        """Take one home, if the worker is still inside the request of another one that it was seen in."""
        assert self.seen
        (number, own), connection = self.seen, self.connection(place)
        key = connection.descriptor
        if key != own and self.loans.find(key) is not None and self.loans.take(connection, number):
            self.loans.recall([key])
            self.come_home(key)

    @precondition(lambda self: self.loans.lent)
    @rule()
    def seize(self) -> None:
        """Take home what a worker that seems to have stopped will not read."""
        for connection in self.loans.free(self.loans.halt()):
            self.loans.forget(connection.descriptor)
            self.come_home(connection.descriptor)

    # The worker.

    @precondition(lambda self: self.hand is None and self.noted is None and not self.inside)
    @rule()
    def wait(self) -> None:
        """Hear of one connection, or of the pair."""
        found = self.loans.epoll.poll(0, 1)
        if found:
            self.hand = found[0][0]
        else:
            self.hear()

    @precondition(lambda self: self.hand is not None)
    @rule()
    def note(self) -> None:
        """Say in the slot which connection is about to be read."""
        assert self.hand is not None
        key, self.hand = self.hand, None
        if key in self.kept:
            self.noted = key, SLOT[REQUEST]
            SLOT[LOAN] = key
            SLOT[REQUEST] = pack_progress(LOANED + self.number + 1, RECEIVED)

    @precondition(lambda self: self.noted is not None)
    @rule()
    def read_noted(self) -> None:
        """Read it, unless that is forbidden."""
        assert self.noted
        (key, before), self.noted, held = self.noted, None, self.read
        if not SLOT[HALTED]:
            assert key not in self.home, "both of them read the same connection"
            self.take_all(key)
        if self.read == held:
            SLOT[REQUEST] = before
            return
        self.number += 1
        SLOT[REQUEST] = pack_progress(LOANED + self.number, BEGUN)
        self.inside = True
        self.seen = LOANED + self.number, key

    @precondition(lambda self: self.inside)
    @rule()
    def end(self) -> None:
        SLOT[REQUEST] = pack_progress(LOANED + self.number, DONE)
        self.loans.number = LOANED + self.number  # its receipt has come
        self.inside = False

    def hear(self) -> None:
        """Let go what is recalled, between two requests, and have the dispatcher hear the answer."""
        if self.inside or self.noted or self.hand is not None:
            return
        while self.loans.recalled:
            message, _ = receive(self.pair, self.buffer, CLOEXEC_DONTWAIT)
            assert message.startswith(RECALL)
            self.kept -= set(unpack_recall(message))
            for connection in self.loans.came_home():
                self.come_home(connection.descriptor)

    def teardown(self) -> None:
        if hasattr(self, "ends"):
            self.leave(self.wire, self.pair)


TestLending = Lending.TestCase
TestLending.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
