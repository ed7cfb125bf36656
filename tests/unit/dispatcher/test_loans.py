"""Who may read a connection on loan when: a model with real epolls and sockets, whose steps come in any order."""

from __future__ import annotations

import select
import socket
from types import SimpleNamespace
from typing import Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from prefork.dispatcher.loans import Loans
from prefork.kernel import accept_barriers
from prefork.lending import LOANED, RECALL, unpack_recall
from prefork.messages import CLOEXEC_DONTWAIT, inbox, pair, receive
from prefork.scoreboard import BEGUN, DONE, HALTED, LOAN, RECEIVED, REQUEST, Scoreboard, pack_progress

CLIENTS = 2
SLOT = Scoreboard.create().slot(0)


class Lending(RuleBasedStateMachine):
    """A worker's steps are those of `worker/borrowing.py`, one at a time, and the dispatcher may do anything between any two.

    `home` are the connections that the dispatcher reads, `hand` what the worker has heard of and not noted yet, `number` the
    request that it is in. Each byte that is sent is one request.
    """

    @initialize()
    def open(self) -> None:
        """Nothing is lent, and the worker waits."""
        accept_barriers()
        SLOT.clear()
        self.wire, self.pair = pair()
        self.loans = Loans(SLOT, self.wire)
        self.buffer = inbox()
        self.ends = [self.connect() for _ in range(CLIENTS)]
        self.home = {theirs.fileno() for _, theirs in self.ends}
        self.kept: set[int] = set()  # sockets that the worker has
        self.sent = self.read = self.number = 0
        self.hand: int | None = None
        self.noted: tuple[int, int] | None = None  # what is about to be read, and what the slot said before
        self.inside = False
        self.seen: tuple[int, int] | None = None
        self.lend()

    def connect(self) -> tuple[socket.socket, socket.socket]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            client = socket.create_connection(listener.getsockname())
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return client, listener.accept()[0]

    def connection(self, place: int) -> Any:
        theirs = self.ends[place][1]
        return SimpleNamespace(descriptor=theirs.fileno(), socket=theirs)

    def take_all(self, key: int) -> None:
        """Read what has come on a connection."""
        theirs = next(theirs for _, theirs in self.ends if theirs.fileno() == key)
        try:
            self.read += len(theirs.recv(100, socket.MSG_DONTWAIT))
        except BlockingIOError:
            pass

    def come_home(self, key: int) -> None:
        self.home.add(key)

    # The clients.

    @rule()
    def send(self) -> None:
        """All of them have a request."""
        for client, theirs in self.ends:
            client.send(b"x")
            self.sent += 1
            select.select([theirs], [], [], 5)

    # The dispatcher.

    @rule(place=st.integers(0, CLIENTS - 1))
    def look_at_home(self, place: int) -> None:
        """Read a connection that is home."""
        key = self.ends[place][1].fileno()
        if key in self.home:
            self.take_all(key)

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
    @rule(place=st.integers(0, CLIENTS - 1))
    def take(self, place: int) -> None:
        """Take one home, if the worker is still inside the request of another one that it was seen in."""
        assert self.seen
        (number, own), connection = self.seen, self.connection(place)
        key = connection.descriptor
        if key != own and self.loans.find(key) is not None and self.loans.take(connection, number):
            self.loans.recall([key])
            self.come_home(key)

    @rule(place=st.integers(0, CLIENTS - 1))
    def recall(self, place: int) -> None:
        key = self.ends[place][1].fileno()
        if key in self.loans.lent:
            self.loans.stop(key)
            self.loans.recall([key])

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

    # What always holds.

    @invariant()
    def each_connection_has_one_reader(self) -> None:
        keys = {theirs.fileno() for _, theirs in self.ends}
        lent, coming = set(self.loans.lent), set(self.loans.coming)
        assert not lent & coming
        assert keys == self.home | lent | coming
        assert not self.home & (lent | coming)

    def teardown(self) -> None:
        """Nothing that was sent is lost: whoever may read it finds it."""
        if hasattr(self, "ends"):
            for _, theirs in self.ends:
                self.take_all(theirs.fileno())
            assert self.read == self.sent
            for client, theirs in self.ends:
                client.close()
                theirs.close()
            self.loans.close()
            self.wire.close()
            self.pair.close()


TestLending = Lending.TestCase
TestLending.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
