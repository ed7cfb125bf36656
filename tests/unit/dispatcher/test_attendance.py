"""How lines of event loops beside each other are evened out."""

from __future__ import annotations

import os
import select
import socket
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from prefork.dispatcher.attendance import FEW, Attendance
from prefork.dispatcher.fairness import LONG
from prefork.dispatcher.idle import Idle
from prefork.dispatcher.loop_loans import LoopLoans
from prefork.dispatcher.loops import EventLoop
from prefork.lending import LOOKS
from prefork.messages import pair
from prefork.scoreboard import TURNED, Scoreboard

if TYPE_CHECKING:
    from collections.abc import Iterator

BOARD = Scoreboard.create()
WAITING = 2 * FEW + 2


class Desk:
    """Two loops that turn. The first one goes on, with so many requests on its loans; the other one has nothing."""

    def __init__(self) -> None:
        self.ends: list[socket.socket] = []
        self.idle: Idle[Any] = Idle(lambda worker: worker.loop)
        self.loops = [self.make(number) for number in range(2)]
        self.home: list[int] = []
        relief: Any = SimpleNamespace(bring_home=self.bring_home)
        traffic: Any = SimpleNamespace(
            queue=SimpleNamespace(idle=self.idle), accounts=SimpleNamespace(pace=SimpleNamespace(fetch=lambda: None))
        )
        self.said = lambda: None  # what the loops say when they are heard
        loop: Any = SimpleNamespace(hear_loans=lambda _: self.said())
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
        self.home.append(connection.descriptor)

    def look(self, now: float) -> None:
        """The loop has looked since the last time, and the dispatcher looks at it."""
        loans = self.loans(0)
        loans.words[LOOKS] += 2
        self.attendance._look(self.loops[0], loans, now)


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


def test_one_that_is_let_go_by_its_last_words_has_nothing_to_take_home(desk: Desk) -> None:
    def leave() -> None:
        for key in list(desk.loans(0).lent):
            desk.loans(0).release(key)
        desk.loops[0].places.clear()

    desk.said = leave
    desk.attendance.dismiss(desk.loops[0])
    assert not desk.home
