"""How lines of event loops beside each other are evened out."""

from __future__ import annotations

import os
import select
import socket
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from prefork.dispatcher.attendance import FEW, FULL, Attendance
from prefork.dispatcher.fairness import LONG, MOMENT
from prefork.dispatcher.idle import Idle
from prefork.dispatcher.loop_loans import LoopLoans
from prefork.dispatcher.loops import EventLoop
from prefork.dispatcher.relief import PATIENCE
from prefork.kernel import accept_barriers
from prefork.lending import LOOKS, UNTOLD, number_for
from prefork.messages import pair
from prefork.scoreboard import BEGUN, LOAN, REQUEST, TURNED, Scoreboard, pack_progress

if TYPE_CHECKING:
    from collections.abc import Iterator

BOARD = Scoreboard.create()
WAITING = 2 * FEW + 2


class Desk:
    """Two loops that turn. The first one goes on, with so many requests on its loans; the other one has nothing."""

    def __init__(self) -> None:
        accept_barriers()
        self.ends: list[socket.socket] = []
        self.idle: Idle[Any] = Idle(lambda worker: worker.loop)
        self.loops = [self.make(number) for number in range(2)]
        self.home: list[int] = []
        relief: Any = SimpleNamespace(bring_home=self.bring_home)
        traffic: Any = SimpleNamespace(
            queue=SimpleNamespace(idle=self.idle), accounts=SimpleNamespace(pace=SimpleNamespace(fetch=lambda: None))
        )
        self.said = lambda: None  # what the loops say when they are heard
        loop: Any = SimpleNamespace(hear_loans=lambda _: self.said(), attend=lambda _: None)
        self.attendance = Attendance(loop, traffic, SimpleNamespace(drain=lambda _: None), relief)  # type: ignore[arg-type]
        with socket.create_server(("127.0.0.1", 0)) as listener:
            for _ in range(WAITING):
                client = socket.create_connection(listener.getsockname())
                theirs = listener.accept()[0]
                self.ends += [client, theirs]
                connection: Any = SimpleNamespace(descriptor=theirs.fileno(), socket=theirs)
                self.loans(0).lend(connection)
                client.sendall(b"x")
                select.select([theirs], [], [], 5)

    def make(self, number: int) -> EventLoop:
        slot = BOARD.slot(number)
        slot.clear()
        slot[TURNED] = time.monotonic_ns() + 10**12  # however long a test takes
        ours, theirs = pair()
        self.ends += [ours, theirs]
        loop = EventLoop(number, 1, 1, slot, os.memfd_create("pidfd"), None)
        place: Any = SimpleNamespace(number=number, slot=slot, wire=ours, loop=loop)
        loop.places.append(place)
        loop.loans = LoopLoans(loop)
        self.idle.add(place)
        return loop

    def loans(self, number: int) -> LoopLoans:
        loans = self.loops[number].loans
        assert loans
        return loans

    def bring_home(self, worker: Any, connection: Any, recall: bool) -> None:
        assert not recall
        self.loans(0).forget(connection.descriptor)
        self.home.append(connection.descriptor)

    def look(self, now: float) -> None:
        """The loop has looked since the last time, and the dispatcher looks at it."""
        loans = self.loans(0)
        loans.words[LOOKS] += 2
        self.attendance._look(self.loops[0], loans, now)

    def recall(self) -> list[int]:
        """All is recalled from the loop, which is looked at from now on. Returns the keys."""
        keys = list(self.loans(0).lent)
        self.loans(0).recall_all()
        self.attendance.recalled(self.loops[0])
        self.loans(0).seen_at = 10.0
        return keys

    def note(self, key: int) -> None:
        """The loop's place has read a request."""
        slot = self.loops[0].places[0].slot
        slot[LOAN] = key
        slot[REQUEST] = pack_progress(number_for(0, 0), BEGUN)

    def stand(self, now: float) -> None:
        """The loop has turned and not looked, and there is no other one."""
        for place in self.loops[1].places:
            if place in self.idle:
                self.idle.remove(place)
        self.attendance._look(self.loops[0], self.loans(0), now)


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    for loop in desk.loops:
        for descriptor in desk.loans(loop.number).shared[1:]:
            os.close(descriptor)
        desk.loans(loop.number).shared = desk.loans(loop.number).shared[:1]
        loop.close()
    for end in desk.ends:
        end.close()


def test_half_of_what_a_loop_has_more_than_another_one_for_long_goes_there(desk: Desk) -> None:
    """As after the death of one of them: all is on loan to the others, which go on, and it would never have anything again."""
    desk.look(10.0)
    desk.look(10.0 + LONG)
    assert not desk.home, "it may be a moment"
    desk.look(10.0 + LONG * 1.1)
    assert len(desk.home) == WAITING // 2
    assert list(desk.loans(0).recalled) == [desk.home]
    desk.look(10.0 + LONG * 1.2)
    assert len(desk.home) == WAITING // 2, "and the rest stays for as long"


def test_lines_that_become_alike_are_left_alone(desk: Desk) -> None:
    desk.look(10.0)
    for connection in list(desk.loans(0).lent.values())[FEW:]:
        desk.loans(0).release(connection.descriptor)
    desk.look(10.0 + LONG * 2)
    desk.look(10.0 + LONG * 4)
    assert not desk.home


@pytest.mark.parametrize("why", ["its places are taken", "others are next"])
def test_what_has_come_for_a_loop_that_gives_way_stays_there_for_as_long_as_it_may(desk: Desk, why: str) -> None:
    desk.look(10.0)
    if why == "its places are taken":
        desk.loans(0).words[UNTOLD] = 1
        assert desk.loops[0].rank(1) is None
        assert desk.loops[0].rank(2)
    else:
        desk.loans(0).give_way(1)
    desk.stand(10.0 + LONG * 2)
    assert not desk.home
    assert not desk.loops[0].held_up
    desk.stand(10.0 + FULL * 1.1)
    assert len(desk.home) == WAITING


def test_what_has_come_for_a_loop_whose_places_are_taken_goes_where_some_are_free(desk: Desk) -> None:
    desk.loans(0).words[UNTOLD] = 1
    desk.look(10.0)
    assert len(desk.home) == 1, "the other one has one place"
    desk.loans(1).words[UNTOLD] = 1
    desk.look(10.0 + FULL / 2)
    assert len(desk.home) == 1


def test_what_has_come_for_one_that_does_nothing_goes_sooner(desk: Desk) -> None:
    desk.look(10.0)
    desk.stand(10.0 + LONG * 2)
    assert len(desk.home) == WAITING


@pytest.mark.parametrize("places", ["free", "taken"])
def test_what_was_recalled_from_one_that_does_nothing_is_home_before_it_says_so(desk: Desk, places: str) -> None:
    """It answers when it looks again, and its clients' next requests would wait for that, also where others have nothing to do."""
    desk.loans(0).words[UNTOLD] = places == "taken"
    keys = desk.recall()
    desk.stand(10.0 + MOMENT / 2)
    assert not desk.home, "it may be about to answer"
    desk.stand(10.0 + MOMENT * 2)
    assert desk.home == keys
    assert desk.loops[0].held_up
    assert not desk.loans(0).came_home(), "its answer is still to come, and brings nothing more"
    desk.stand(10.0 + MOMENT * 4)
    assert desk.loops[0] not in desk.attendance.doubtful


def test_what_it_answers_on_is_its_own_until_it_has_told_of_it(desk: Desk) -> None:
    own, *others = desk.recall()
    desk.note(own)
    desk.stand(10.0 + MOMENT * 2)
    assert desk.home == others
    desk.stand(10.0 + MOMENT * 4)
    assert desk.loops[0] not in desk.attendance.doubtful, "nothing is to be had but by its word"
    desk.loans(0).heard(number_for(0, 0))
    desk.attendance.recalled(desk.loops[0])
    desk.stand(time.monotonic() + LONG * 2)
    assert desk.home == [*others, own]


def test_what_it_may_have_found_while_it_looks_is_home_when_it_cannot_read_it(desk: Desk) -> None:
    desk.loans(0).words[LOOKS] += 1
    own, *others = desk.recall()
    desk.note(own)
    desk.stand(10.0 + MOMENT * 2)
    assert not desk.home
    assert desk.loops[0] in desk.attendance.doubtful
    desk.stand(10.0 + PATIENCE * 1.1)
    assert desk.home == others
    assert desk.loans(0).halted
    desk.stand(10.0 + PATIENCE * 2)
    assert desk.loops[0] not in desk.attendance.doubtful


def test_one_that_is_let_go_by_its_last_words_has_nothing_to_take_home(desk: Desk) -> None:
    def leave() -> None:
        for key in list(desk.loans(0).lent):
            desk.loans(0).release(key)
        desk.loops[0].places.clear()

    desk.said = leave
    desk.attendance.dismiss(desk.loops[0])
    assert not desk.home


def test_one_that_is_let_go_by_its_last_receipt_is_not_looked_at(desk: Desk) -> None:
    def leave(worker: Any) -> None:
        for key in list(desk.loans(0).lent):
            desk.loans(0).release(key)
        worker.loop.places.clear()

    receipts: Any = SimpleNamespace(drain=leave)
    desk.attendance.receipts = receipts
    desk.look(10.0)
    assert not desk.home
