"""What models of lending have in common: clients with real sockets, what may be read of them by whom, and that nothing is lost."""

from __future__ import annotations

import select
import socket
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

if TYPE_CHECKING:
    from prefork.dispatcher.loans import Loans

CLIENTS = 3
WHICH = st.integers(0, CLIENTS - 1)
STEPS = st.integers(0, 6)  # that a worker takes at once: with one for each rule it would hardly ever come to a second request


class Clients(RuleBasedStateMachine):
    """`home` are the connections that the dispatcher reads, `kept` the sockets that the worker has. Each byte that is sent is one
    request.
    """

    loans: Loans

    def come(self) -> None:
        """All of them connect, and are home."""
        self.ends = [self.connect() for _ in range(CLIENTS)]
        self.home = {theirs.fileno() for _, theirs in self.ends}
        self.kept: set[int] = set()
        self.sent = self.read = 0

    def connect(self) -> tuple[socket.socket, socket.socket]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            client = socket.create_connection(listener.getsockname())
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return client, listener.accept()[0]

    def connection(self, place: int) -> Any:
        theirs = self.ends[place][1]
        return SimpleNamespace(descriptor=theirs.fileno(), socket=theirs, peer=("192.0.2.1", 4711), local=("192.0.2.2", 80))

    def take_all(self, key: int) -> None:
        """Read what has come on a connection."""
        theirs = next(theirs for _, theirs in self.ends if theirs.fileno() == key)
        try:
            self.read += len(theirs.recv(100, socket.MSG_DONTWAIT))
        except BlockingIOError:
            pass

    @rule()
    def send(self) -> None:
        """All of them have one more request."""
        for client, theirs in self.ends:
            client.send(b"x")
            self.sent += 1
            select.select([theirs], [], [], 5)

    def keep_busy(self) -> None:
        """Neither the clients nor the lender are idle for long."""
        if self.read == self.sent:
            self.send()
        if not self.loans.lent:
            self.lend()

    @rule(steps=STEPS)
    def work(self, steps: int) -> None:
        """The worker takes its next steps: the dispatcher may have done anything before each of them."""
        self.keep_busy()
        for _ in range(steps):
            self.step()

    def lend(self) -> None:
        """Lend what may be lent."""
        raise NotImplementedError

    def step(self) -> None:
        """The worker's next step."""
        raise NotImplementedError

    @rule(place=WHICH)
    def look_at_home(self, place: int) -> None:
        """The dispatcher reads a connection that is home."""
        key = self.ends[place][1].fileno()
        if key in self.home:
            self.take_all(key)

    @rule(place=WHICH)
    def recall(self, place: int) -> None:
        """The dispatcher wants one back."""
        key = self.ends[place][1].fileno()
        if key in self.loans.lent:
            self.loans.stop(key)
            self.loans.recall([key])

    @invariant()
    def each_connection_has_one_reader(self) -> None:
        keys = {theirs.fileno() for _, theirs in self.ends}
        lent, coming = set(self.loans.lent), set(self.loans.coming)
        assert not lent & coming
        assert keys == self.home | lent | coming
        assert not self.home & (lent | coming)

    def leave(self, *others: socket.socket) -> None:
        """Nothing that was sent is lost: whoever may read it finds it. Then all is closed."""
        while self.read < self.sent and (ready := select.select([theirs for _, theirs in self.ends], [], [], 5)[0]):
            for theirs in ready:
                self.take_all(theirs.fileno())
        assert self.read == self.sent
        self.loans.close()
        for each in (*others, *(end for pair in self.ends for end in pair)):
            each.close()
