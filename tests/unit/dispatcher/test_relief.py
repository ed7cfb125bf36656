"""What is taken home from a worker that is inside something else, and what it had given back before."""

from __future__ import annotations

import select
import socket
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from prefork.dispatcher.fairness import LONG, MOMENT, shorter
from prefork.dispatcher.loans import Loans
from prefork.dispatcher.relief import Relief, room_beside
from prefork.messages import pair
from prefork.scoreboard import BEGUN, BEGUN_AT, DONE, REQUEST, Scoreboard, pack_progress

if TYPE_CHECKING:
    from collections.abc import Iterator


NOW = 100.0


class Busy(SimpleNamespace):
    """A worker, which is nobody else."""

    __hash__ = object.__hash__


class Desk:
    """A worker inside a request that it was handed, with one connection on loan, on which something has come.

    `said` is what is done when the worker is heard out; another worker has nothing to do.
    """

    def __init__(self) -> None:
        slot = Scoreboard.create().slot(0)
        slot.words[REQUEST] = pack_progress(7, BEGUN)
        wire, self.pair = pair()
        self.loans = Loans(slot, wire)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.client = socket.create_connection(listener.getsockname())
            self.theirs = listener.accept()[0]
        self.home: list[str] = []
        self.connection: Any = SimpleNamespace(
            descriptor=self.theirs.fileno(), socket=self.theirs, loan=SimpleNamespace(come_home=lambda: self.home.append("taken"))
        )
        self.worker: Any = Busy(loans=self.loans, slot=slot, paused=False, pid=0, exchange=None, after=None, retiring=False)
        self.idle = [SimpleNamespace(line=lambda _: 0)]
        pace = SimpleNamespace(fetch=lambda: None)
        assignments = SimpleNamespace(free=lambda _: self.home.append("let go"))
        traffic = SimpleNamespace(
            queue=SimpleNamespace(idle=self.idle), accounts=SimpleNamespace(pace=pace), assignments=assignments
        )
        self.said = lambda: None
        loop = SimpleNamespace(hear_out=lambda _: self.said())
        self.relief = Relief(loop, traffic, SimpleNamespace(drain=lambda _: None), SimpleNamespace())  # type: ignore[arg-type]
        self.loans.lend(self.connection)
        self.client.sendall(b"GET / HT")
        assert self.loans.epoll.poll(5), "it has come"

    def give_back(self) -> None:
        """The worker's word that the connection goes back, with what it has read of it."""
        self.loans.release(self.connection.descriptor)
        self.home.append("given back")


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.loans.close()
    for each in (desk.client, desk.theirs, desk.pair, desk.loans.wire):
        each.close()


def test_what_has_come_for_a_busy_worker_is_taken_home(desk: Desk) -> None:
    desk.relief.relieve(desk.worker, 0.0)
    assert desk.home == ["taken"]
    assert not desk.loans.lent


def test_what_it_had_given_back_comes_home_with_what_it_had_read(desk: Desk) -> None:
    """Else its word would find no such connection, and the bytes in it would be lost."""
    desk.said = desk.give_back
    desk.relief.relieve(desk.worker, 0.0)
    assert desk.home == ["given back"]


def test_nothing_is_taken_from_one_that_is_not_heard(desk: Desk) -> None:
    desk.worker.paused = True
    desk.said = desk.give_back
    desk.relief.relieve(desk.worker, 0.0)
    assert not desk.home, "of what it says meanwhile there would be ever more here, if its client reads slowly"
    assert list(desk.loans.lent) == [desk.connection.descriptor]


def test_what_has_come_is_not_counted_where_nobody_else_is_idle(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk.loans, "readable", None)
    desk.worker.slot.words[BEGUN_AT] = int((NOW - MOMENT / 2) * 1e9)
    desk.idle[:] = [desk.worker]
    desk.relief.relieve(desk.worker, NOW)
    assert not desk.home


def test_what_has_come_for_one_that_takes_its_time_is_taken_home_also_then(desk: Desk) -> None:
    """It stands in the one line from then on."""
    desk.worker.slot.words[BEGUN_AT] = int((NOW - 2 * LONG) * 1e9)
    desk.idle.clear()
    desk.relief.relieve(desk.worker, NOW)
    assert desk.home == ["taken"]


def test_what_was_recalled_from_one_that_takes_its_time_is_home_before_it_says_so(desk: Desk) -> None:
    """It answers only when it has ended, and its clients' next requests would wait for that."""
    desk.worker.slot.words[BEGUN_AT] = int((time.monotonic() - 2 * LONG) * 1e9)
    desk.idle.clear()
    desk.relief.doubtful.add(desk.worker)
    desk.loans.recall_all()
    desk.relief.look()
    assert desk.home == ["taken"]
    assert not desk.loans.coming
    assert not desk.loans.came_home(), "its answer is still to come, and brings nothing more"


def test_a_worker_is_looked_at_until_what_was_recalled_is_home(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.worker.slot.words[BEGUN_AT] = int((time.monotonic() + 60) * 1e9)  # no time passes
    desk.idle.clear()
    desk.relief.doubtful.add(desk.worker)
    desk.loans.recall_all()
    desk.relief.look()
    assert not desk.home, "it has only just begun, and may answer soon"
    assert desk.worker in desk.relief.doubtful
    assert desk.loans.came_home() == [desk.connection]
    monkeypatch.setattr(desk.relief, "looked_at", 0.0)
    desk.relief.look()
    assert desk.worker not in desk.relief.doubtful


def test_what_was_recalled_from_one_that_was_stopped_in_no_request_is_home_before_it_says_so(desk: Desk) -> None:
    """As what it has on loan is. At a reload its clients' requests waited for as long as it was stopped."""
    desk.worker.slot.words[REQUEST] = pack_progress(7, DONE)
    assert desk.loans.moves(time.monotonic() - 10) == 0
    desk.relief.doubtful.add(desk.worker)
    desk.loans.recall_all()
    desk.relief.look()
    assert desk.home == ["taken"]
    assert desk.loans.halted, "it may be about to read what has come"
    assert not desk.loans.came_home()
    assert not desk.loans.halted


def test_one_that_was_stopped_and_is_to_leave_is_let_go_then(desk: Desk) -> None:
    """It has nothing more of ours: who waits until it leaves can end it, and need not wait until it goes on."""
    desk.worker.slot.words[REQUEST] = pack_progress(7, DONE)
    desk.worker.retiring = True
    assert desk.loans.moves(time.monotonic() - 10) == 0
    desk.relief.doubtful.add(desk.worker)
    desk.loans.recall_all()
    desk.relief.look()
    assert desk.home == ["taken", "let go"]


def test_nor_is_it_forgotten_where_something_comes_on_it_later(desk: Desk) -> None:
    desk.theirs.recv(100)
    desk.loans.recall_all()
    assert not desk.loans.forgotten()
    desk.client.sendall(b"GET / HT")
    assert select.select([desk.theirs], [], [], 5)[0]
    assert desk.loans.forgotten()


@pytest.mark.parametrize("line", [1, 2, 3, 10, 65])
def test_as_much_is_counted_of_other_lines_as_decides(line: int) -> None:
    lengths = range(40)
    others: Any = [SimpleNamespace(line=lambda most, length=length: min(length, most)) for length in lengths]
    assert room_beside(line, others) == sum(shorter(line, length) for length in lengths)


def test_one_that_is_let_go_by_its_last_words_is_not_attended_to_any_more(desk: Desk) -> None:
    """Its epoll is about to be closed: whoever got the same descriptor could not be attended to then."""

    def part() -> None:
        desk.give_back()
        desk.relief.doubtful.discard(desk.worker)

    desk.said, desk.loans.stirred_at = part, time.monotonic() - 2 * MOMENT
    desk.relief.doubtful.add(desk.worker)
    desk.relief.look()
    assert desk.home == ["given back"]
    assert desk.loans.stirred_at
