"""Who may read a connection that an event loop has on loan: a model with real epolls and sockets, whose steps come in any order."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis.stateful import initialize, invariant, precondition, rule
from tests.unit.dispatcher.lent import CLIENTS, STEPS, WHICH, Clients

from prefork.dispatcher.loop_loans import LoopLoans
from prefork.kernel import accept_barriers
from prefork.lending import GIVEN_UP, LOOKS, RECALL, number_for, place_of, unpack_recall
from prefork.messages import CLOEXEC_DONTWAIT, inbox, pair, receive
from prefork.scoreboard import BEGUN, DONE, HALTED, LOAN, RECEIVED, REQUEST, Scoreboard, pack_progress

PLACES = 2
BOARD = Scoreboard.create()


class Lending(Clients):
    """The loop's steps are those of `worker/asgi/borrowing.py`, one at a time, and the dispatcher may do anything between any two.

    `inside` are the keys that places answer on, by the place; `owned` those of them of which the dispatcher was told, `said` what
    it has not heard of that.
    """

    @initialize()
    def open(self) -> None:
        """Nothing is lent, and the loop has nothing to do."""
        accept_barriers()
        self.slots = [BOARD.slot(number) for number in range(PLACES)]
        for slot in self.slots:
            slot.clear()
        first, self.pair = pair()
        self.first = first
        places: list[Any] = [SimpleNamespace(number=number, slot=slot, wire=first) for number, slot in enumerate(self.slots)]
        loop: Any = SimpleNamespace(number=0, size=PLACES, places=places)
        self.places = places
        self.loans = LoopLoans(loop)
        self.theirs = socket.socket(fileno=self.loans.shared[-1])
        self.loans.shared = self.loans.shared[:-1]
        self.counts = self.loans.words
        self.buffer = inbox()
        self.come()
        self.taken = 0
        self.hands: list[tuple[int, int]] = []  # the places and the keys that it has heard of, and not noted yet
        self.noted: tuple[int, int, int] | None = None  # what it is about to read, and what the slot said before
        self.may: tuple[int, int, int] | None = None  # the same, once it has seen that it may
        self.again: list[int] = []  # the places that answer on connections of which it has heard
        self.looking = self.heard = False  # heard: it has asked the kernel in this look
        self.inside: dict[int, int] = {}
        self.owned: set[int] = set()
        self.said: list[tuple[int, int, int]] = []
        self.receipts: list[int] = []
        self.lend()

    # The dispatcher.

    @rule()
    def lend(self) -> None:
        """Lend what is home and idle; the worker has kept the sockets, after requests on them were handed over."""
        if self.loans.halted or self.loans.recalled:
            return
        for place in range(CLIENTS):
            connection = self.connection(place)
            if connection.descriptor in self.home and connection.descriptor not in self.owned:
                self.home.remove(connection.descriptor)
                self.kept.add(connection.descriptor)
                self.loans.lend(connection)

    def hear_all(self) -> None:
        """Hear of which requests the loop has said that they are OWNED, and of those that it has answered."""
        for worker in self.loans.unsaid_by():
            for said in [said for said in self.said if said[0] == worker.number]:
                self.said.remove(said)
                _, number, key = said
                self.loans.own(worker, number)
                self.loans.heard(number)
                if self.loans.release(key):
                    self.home.add(key)
        for number in self.receipts:
            self.loans.heard(number)
        self.receipts.clear()

    @rule(place=WHICH, steps=STEPS, more=STEPS)
    def take_home(self, place: int, steps: int, more: int) -> None:
        """Take one home, as `Attendance` does, while the loop goes on."""
        looks = self.loans.looks()
        self.hear_all()
        self.work(steps)
        answering = self.loans.untold()
        self.work(more)
        self.hear_all()
        connection = self.connection(place)
        key = connection.descriptor
        if key in self.loans.lent and key not in answering and self.loans.take_unread(connection, looks):
            self.loans.recall([key])
            self.home.add(key)

    @precondition(lambda self: self.loans.coming)
    @rule(steps=STEPS, more=STEPS)
    def take_recalled(self, steps: int, more: int) -> None:
        """Take home what was recalled, in the same way, and before the loop answers."""
        recalled = list(self.loans.coming)
        if self.loans.looks() % 2:
            return
        self.hear_all()
        self.work(steps)
        answering = self.loans.untold()
        self.work(more)
        self.hear_all()
        for key in recalled:
            if key in self.loans.coming and key not in answering:
                self.loans.forget(key)
                self.home.add(key)

    @precondition(lambda self: self.loans.lent)
    @rule(steps=STEPS)
    def seize(self, steps: int) -> None:
        """Take home what a loop that seems to have stopped will not read."""
        looks = self.loans.forbid()
        self.work(steps)
        self.hear_all()
        noted = self.loans.untold()
        for key in list(self.loans.coming):
            if key not in noted and self.loans.looks() == looks:
                self.loans.forget(key)
                self.home.add(key)

    # The loop.

    def step(self) -> None:
        if self.may is not None:
            self.read_it(*self.may)
        elif self.noted is not None:
            self.look_whether_it_may(*self.noted)
        elif self.hands:
            self.note(*self.hands.pop(0))
        elif self.heard:
            self.end_look()
        elif self.looking:
            self.find()
        elif len(self.inside) < PLACES:
            self.begin_look()
        else:
            self.answer()

    def begin_look(self) -> None:
        """Say that it looks."""
        self.counts[LOOKS] += 1
        self.looking = True

    def find(self) -> None:
        """Hear of as many connections as it has places free, or of fewer."""
        free = [place for place in range(PLACES) if place not in self.inside]
        found = [key for key, _ in self.loans.epoll.poll(0, len(free))]
        answering = {key: place for place, key in self.inside.items()}
        self.hands = [(place, key) for place, key in zip(free, found, strict=False) if key in self.kept and key not in answering]
        self.again = [answering[key] for key in found if key in self.kept and key in answering]
        self.heard = True

    def end_look(self) -> None:
        self.counts[LOOKS] += 1
        self.looking = self.heard = False
        for place in self.again:  # its client asks for more before it has its answer
            if place in self.inside and self.inside[place] not in self.owned:
                self.tell(place)
        self.again = []

    def note(self, place: int, key: int) -> None:
        """Say in a slot which connection is about to be read."""
        slot = self.slots[place]
        self.noted = place, key, slot[REQUEST]
        slot[LOAN] = key
        slot[REQUEST] = pack_progress(number_for(place, self.taken), RECEIVED)

    def look_whether_it_may(self, place: int, key: int, before: int) -> None:
        """It may have been forbidden."""
        self.noted = None
        if self.slots[place][HALTED]:
            self.slots[place][REQUEST] = before
        else:
            self.may = place, key, before

    def read_it(self, place: int, key: int, before: int) -> None:
        """Read what there is, if there is anything."""
        assert key not in self.home, "both of them read the same connection"
        self.may, held = None, self.read
        self.take_all(key)
        if self.read == held:
            self.slots[place][REQUEST] = before
        else:
            self.slots[place][REQUEST] = pack_progress(number_for(place, self.taken), BEGUN)
            self.taken += 1
            self.inside[place] = key

    @precondition(lambda self: self.inside)
    @rule()
    def answer(self) -> None:
        """The application has done: there is a receipt."""
        place, key = self.inside.popitem()
        number = self.slots[place].progress().number
        self.slots[place][REQUEST] = pack_progress(number, DONE)
        if key not in self.owned:
            self.receipts.append(number)
        self.owned.discard(key)

    @precondition(lambda self: any(key not in self.owned for key in self.inside.values()))
    @rule()
    def disown(self) -> None:
        """It takes long: the dispatcher is told."""
        self.tell(next(place for place, key in self.inside.items() if key not in self.owned))

    def tell(self, place: int) -> None:
        """What a place is inside is the dispatcher's to know."""
        key = self.inside[place]
        number = self.slots[place].progress().number
        assert place_of(number) == place
        self.counts[GIVEN_UP + place] = number
        self.said.append((place, number, key))
        self.owned.add(key)
        self.kept.discard(key)

    @precondition(lambda self: not self.looking)
    @rule()
    def let_go(self) -> None:
        """Let go what is recalled, but for what is told of first; and have the dispatcher hear the answer."""
        if not self.loans.recalled:
            return
        while any(key not in self.owned for key in self.inside.values()):
            self.disown()
        while self.loans.recalled:
            message, _ = receive(self.theirs, self.buffer, CLOEXEC_DONTWAIT)
            assert message.startswith(RECALL)
            self.kept -= set(unpack_recall(message))
            self.hear_all()
            for connection in self.loans.came_home():
                self.home.add(connection.descriptor)

    # What always holds.

    @invariant()
    def what_is_answered_on_is_not_home_before_it_is_known(self) -> None:
        unknown = {key for key in self.inside.values() if key not in self.owned} | {key for _, _, key in self.said}
        assert not self.home & unknown

    def teardown(self) -> None:
        if hasattr(self, "ends"):
            self.leave(self.first, self.pair, self.theirs)


TestLending = pytest.mark.timeout(300)(Lending.TestCase)  # it has 20,000 steps, each with a few system calls
TestLending.settings = settings(max_examples=500, stateful_step_count=40)
