"""Which requests an event loop reads itself, and what the dispatcher is told of them."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import os
import select
import socket
import time
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.descriptors import held, opened_since
from tests.unit.worker.conftest import SCOREBOARD, request

from prefork.dispatcher.loop_loans import LoopLoans
from prefork.kernel import since_received
from prefork.lending import (
    BACK,
    DECLINED,
    HOME,
    LOOKS,
    NEWS,
    OWNED,
    Return,
    Terms,
    number_for,
    pack_receipt,
    place_of,
    unpack_asked,
    unpack_declined,
    unpack_return,
)
from prefork.messages import (
    CLOEXEC_DONTWAIT,
    END,
    FREE,
    inbox,
    pack_gone,
    pack_request,
    pair,
    receive,
    send,
    unpack_ending,
)
from prefork.scoreboard import BEGUN, DONE, LOAN, TAKEN
from prefork.worker.asgi.place import SOON, Place
from prefork.worker.asgi.shared import Shared
from prefork.worker.borrowing import GRAIN, Borrower
from prefork.worker.http import Means
from prefork.worker.output import Output

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLACES = 2
TERMS = Terms("abc.0.17", ("/_prefork/*",), 4096, None)
WHOLE = b"GET /a?b=c HTTP/1.1\r\nHost: h\r\n\r\n"
Event = dict[str, Any]
Send = Callable[[Event], Awaitable[None]]
START = {"type": "http.response.start", "status": 200, "headers": []}


class Desk:
    """A loop with two places and a connection on loan, and the dispatcher's ends of everything."""

    def __init__(self, directory: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self.spool = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        self.slots = [SCOREBOARD.slot(number) for number in range(PLACES)]
        for slot in self.slots:
            slot.clear()
        self.pairs = [pair() for _ in range(PLACES)]
        places = [SimpleNamespace(number=n, slot=slot, wire=self.pairs[n][0]) for n, slot in enumerate(self.slots)]
        model: Any = SimpleNamespace(number=0, size=PLACES, places=places)
        self.loans = LoopLoans(model)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.client = socket.create_connection(listener.getsockname())
            self.ours, _ = listener.accept()
        self.key = self.ours.fileno()
        self.went_on = asyncio.Event()

    def serve(self, app: Any) -> None:
        """Have the connection on loan."""
        self.shared = Shared(
            self.loop, app, {}, Means(self.spool, 1 << 20, Output(), None, Borrower), inbox(), 100, itertools.count(1), 0,
            lambda *_: None, lambda: None,
        )  # type: ignore[arg-type]  # fmt: skip
        self.shared.places = [
            Place(self.shared, pair[1], slot, lambda: None) for pair, slot in zip(self.pairs, self.slots, strict=True)
        ]
        self.loans.offer(TERMS)
        self.turn(lambda: self.shared.borrower)
        assert self.shared.borrower
        copy = socket.SocketType(fileno=self.ours.dup().detach())
        assert self.shared.borrower.keep(request()._replace(loan=(self.key, ("127.0.0.1", 4711))), copy)
        connection: Any = SimpleNamespace(descriptor=self.key, socket=self.ours)
        self.loans.lend(connection)

    @contextlib.contextmanager
    def another(self) -> Iterator[tuple[int, socket.socket]]:
        """One more connection on loan: its key, and its client."""
        with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
            ours, _ = listener.accept()
            with ours:
                copy = socket.SocketType(fileno=ours.dup().detach())
                assert self.shared.borrower
                assert self.shared.borrower.keep(request()._replace(loan=(ours.fileno(), ("127.0.0.1", 4712))), copy)
                connection: Any = SimpleNamespace(descriptor=ours.fileno(), socket=ours)
                self.loans.lend(connection)
                yield ours.fileno(), client

    def turn(self, until: Callable[[], object]) -> None:
        """Have the loop turn until a fact is there."""

        async def wait() -> None:
            async with asyncio.timeout(10):
                while not until():  # noqa: ASYNC110 - facts of sockets
                    await asyncio.sleep(0.001)

        self.loop.run_until_complete(wait())

    def said(self, wire: socket.socket) -> bytes:
        """The next message of a wire."""
        self.turn(lambda: select.select([wire], [], [], 0)[0])
        return receive(wire, inbox(), CLOEXEC_DONTWAIT)[0]

    def begin(self) -> None:
        """The client asks, and the application has taken its first step."""
        self.client.sendall(WHOLE)
        self.turn(lambda: self.shared.places[0].call and self.shared.places[0].settled)

    def look(self) -> None:
        """The pulse beats after what a request may take without a word."""
        for place in self.shared.places:
            place.look(time.monotonic_ns() + SOON)

    def given_up(self) -> Return:
        """What makes the first place's request an exchange."""
        owned = unpack_return(self.said(self.pairs[0][0]))
        assert owned.kind == OWNED
        assert self.loans.unsaid_by() == self.loans.loop.places[:1], "a word says so to whoever has not heard it"
        self.loans.own(self.loans.loop.places[0], owned.number)
        assert not self.loans.unsaid_by()
        return owned

    def answer(self) -> bytes:
        """The next answer, of one write."""
        self.turn(lambda: select.select([self.client], [], [], 0)[0])
        return self.client.recv(1 << 16)

    def quiet(self) -> bool:
        """Whether nothing was said."""
        return not select.select([self.loans.wire, *(ours for ours, _ in self.pairs)], [], [], 0)[0]

    def close(self) -> None:
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0))
        if self.shared.borrower:
            self.shared.borrower.close()
        for place in self.shared.places:
            self.loop.remove_reader(place.pair.fileno())
        del self.shared
        self.loop.close()
        self.loans.close()
        for end in (self.client, self.ours, *itertools.chain(*self.pairs)):
            end.close()
        os.close(self.spool)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    before = held()
    desk = Desk(tmp_path)
    yield desk
    desk.close()
    gc.collect()  # the memory has a descriptor
    assert not opened_since(before), "descriptors are left open"


async def hello(scope: Event, receive: Any, send: Send) -> None:
    await send(START)
    await send({"type": "http.response.body", "body": scope["raw_path"]})


def waiting(desk: Desk, *, answered: bool = False) -> Any:
    """An application that goes on when it is told to, before or after its answer."""

    async def app(scope: Event, receive: Any, send: Send) -> None:
        if answered:
            await hello(scope, receive, send)
        await desk.went_on.wait()
        if not answered:
            await hello(scope, receive, send)

    return app


def test_what_is_done_in_its_first_step_leaves_a_receipt_and_no_word(desk: Desk) -> None:
    desk.serve(hello)
    for count in range(3):
        desk.client.sendall(WHOLE)
        assert desk.answer().endswith(b"\r\n\r\n/a")
        desk.turn(lambda: desk.slots[0].progress().state == DONE)
        (receipt,) = desk.loans.collect()
        assert (receipt.number, receipt.key, receipt.size) == (number_for(0, count), desk.key, len(WHOLE))
        asked = unpack_asked(receipt.asked)
        assert (asked.method, asked.target, receipt.status) == (b"GET", b"/a?b=c", 200)
        assert desk.loans.looks() % 2 == 0
    assert desk.quiet()
    assert place_of(receipt.number) == 0


def test_where_there_is_no_room_for_a_receipt_its_connection_goes_back_with_the_request(desk: Desk) -> None:
    """Said on the wire of loans, it could come behind what another place says of the same connection."""
    desk.serve(hello)
    assert desk.shared.borrower
    till = desk.shared.borrower.till
    while till.has_room():
        till.put(pack_receipt(*[0] * 12, b"", b"", b"", bytes(10_000)))
    desk.client.sendall(WHOLE)
    assert desk.answer().endswith(b"\r\n\r\n/a")
    assert desk.given_up() == (OWNED, desk.key, number_for(0, 0), WHOLE)
    ending = unpack_ending(desk.said(desk.pairs[0][0]))
    assert (ending.number, ending.status, ending.keep, ending.kept) == (number_for(0, 0), 200, True, False)
    assert desk.shared.borrower.loans == {}
    assert number_for(0, 0) not in {receipt.number for receipt in desk.loans.collect()}
    assert desk.loans.busy() == 0
    assert desk.quiet()


def test_what_waits_for_a_moment_leaves_a_receipt_and_no_word(desk: Desk) -> None:
    desk.serve(waiting(desk))
    desk.begin()
    assert desk.slots[0].progress() == (number_for(0, 0), BEGUN, 0, False, False)
    assert desk.loans.busy() == 1
    desk.went_on.set()
    assert desk.answer().endswith(b"/a")
    desk.turn(lambda: desk.slots[0].progress().state == DONE)
    (receipt,) = desk.loans.collect()
    assert (receipt.number, receipt.key, receipt.size) == (number_for(0, 0), desk.key, len(WHOLE))
    assert desk.loans.busy() == 0
    assert desk.quiet()
    desk.client.sendall(WHOLE)
    assert desk.answer().endswith(b"/a"), "its connection is still on loan"


def test_what_takes_longer_is_the_dispatchers_to_know_and_its_end_too(desk: Desk) -> None:
    desk.serve(waiting(desk))
    desk.begin()
    place = desk.shared.places[0]
    place.look(place.begun_at + SOON)
    assert desk.quiet()
    place.look(place.begun_at + SOON + 1)
    owned = desk.given_up()
    assert (owned.key, owned.data, owned.number) == (desk.key, WHOLE, number_for(0, 0))
    assert desk.slots[0][LOAN] == desk.key
    assert desk.loans.bytes_of(desk.loans.loop.places[0], desk.slots[0][TAKEN]) == WHOLE
    assert desk.loans.busy() == 0
    desk.went_on.set()
    ending = unpack_ending(desk.said(desk.pairs[0][0]))
    assert (ending.number, ending.keep, ending.kept) == (owned.number, True, False)
    assert desk.answer().endswith(b"/a")
    assert not desk.loans.collect()


@pytest.mark.parametrize("leaves", [True, False])
def test_whose_client_leaves_or_asks_for_more_is_the_dispatchers_to_know(desk: Desk, leaves: bool) -> None:
    desk.serve(waiting(desk))
    desk.begin()
    if leaves:
        desk.client.shutdown(socket.SHUT_WR)
    else:
        desk.client.sendall(WHOLE)
    assert desk.given_up().data == WHOLE
    assert select.select([desk.ours], [], [], 0)[0], "what came is not read"


def test_one_that_goes_on_after_its_answer_is_told_of_before_its_client_is_let_go(desk: Desk) -> None:
    desk.serve(waiting(desk, answered=True))
    desk.client.sendall(WHOLE)
    owned = desk.given_up()
    ending = unpack_ending(desk.said(desk.pairs[0][0]))
    assert (ending.number, ending.busy) == (owned.number, True)
    desk.went_on.set()
    assert desk.said(desk.pairs[0][0])[0] == FREE


def test_another_place_answers_meanwhile(desk: Desk) -> None:
    desk.serve(waiting(desk))
    desk.begin()
    with desk.another() as (key, other):
        other.sendall(WHOLE)
        desk.turn(lambda: desk.loans.busy() == PLACES)
        desk.look()
        owned = unpack_return(desk.said(desk.pairs[0][0]))
        assert (owned.kind, owned.key, place_of(owned.number)) == (OWNED, desk.key, 0)
        owned = unpack_return(desk.said(desk.pairs[1][0]))
        assert (owned.kind, owned.key, place_of(owned.number)) == (OWNED, key, 1)


@pytest.mark.parametrize("together", [1, PLACES])
def test_what_has_come_together_is_found_in_one_look_where_nothing_begins_in_it(desk: Desk, together: int) -> None:
    desk.serve(hello)
    borrower = desk.shared.borrower
    assert borrower
    borrower.together = together
    with desk.another() as (key, other):
        desk.client.sendall(WHOLE)
        other.sendall(WHOLE)
        for each in (desk.key, key):
            select.select([each], [], [], 5)
        looks = desk.loans.looks()
        found = borrower.find(borrower.vacant())
        assert (len(found), borrower.more, desk.loans.looks() - looks) == (together, True, 2)
        for each, seat, asked in found:
            seat.place.begin_lent(asked, borrower.loans[each].client, seat)
        for client in (desk.client, other):
            desk.turn(lambda client=client: select.select([client], [], [], 0)[0])
    assert sorted(receipt.key for receipt in desk.loans.collect()) == sorted([desk.key, key])


def test_a_request_that_waits_for_its_loop_has_waited(desk: Desk) -> None:
    desk.serve(hello)
    sent = time.monotonic_ns()
    desk.client.sendall(WHOLE)
    assert desk.answer().endswith(b"/a")
    desk.client.sendall(WHOLE)
    while not select.select([desk.ours], [], [], 5)[0] or since_received(desk.ours) < 3 * GRAIN:
        pass  # the loop does not turn
    assert desk.answer().endswith(b"/a")
    desk.turn(lambda: desk.slots[0].progress().number == number_for(0, 1))
    desk.turn(lambda: desk.slots[0].progress().state == DONE)
    first, second = desk.loans.collect()
    assert first.began - first.wait >= sent - GRAIN, "not before it came"
    assert second.wait > GRAIN


def test_a_request_that_was_handed_to_a_place_that_answers_is_declined_and_the_other_one_told_of(desk: Desk) -> None:
    desk.serve(waiting(desk))
    desk.begin()
    send(desk.pairs[0][0], pack_request(request()), [desk.ours.fileno()])
    desk.given_up()
    declined = desk.said(desk.pairs[0][0])
    assert declined[0] == DECLINED
    assert unpack_declined(declined) == request().number


def test_half_a_request_goes_back_on_the_wire_of_loans(desk: Desk) -> None:
    desk.serve(hello)
    desk.client.sendall(WHOLE[:20])
    returned = unpack_return(desk.said(desk.loans.wire))
    assert (returned.kind, returned.key, returned.data) == (BACK, desk.key, WHOLE[:20])


def test_what_is_recalled_is_let_go_and_what_is_answered_is_told_of_before(desk: Desk) -> None:
    desk.serve(waiting(desk))
    desk.begin()
    desk.loans.stop(desk.key)
    desk.loans.recall([desk.key])
    owned = desk.given_up()
    assert desk.loans.release(owned.key)
    assert desk.said(desk.loans.wire) == bytes((HOME,))
    desk.went_on.set()
    assert desk.said(desk.pairs[0][0])[0] == END, "its socket was not closed under it"
    assert desk.answer().endswith(b"/a")


def test_a_request_from_a_loan_hears_nothing_of_the_client_that_its_place_had_before(desk: Desk) -> None:
    """That one leaves with its answer, and the dispatcher sees it before it hears of the end: the place has gone on by then."""
    desk.serve(waiting(desk))
    desk.begin()
    place = desk.shared.places[0]
    assert place.call
    send(desk.pairs[0][0], pack_gone(9))
    desk.turn(lambda: not select.select([place.pair], [], [], 0)[0])
    assert not place.call.left
    send(desk.pairs[0][0], pack_gone(place.call.request.number))
    desk.turn(lambda: place.call and place.call.left)
    desk.went_on.set()
    assert desk.answer().endswith(b"/a")


def test_a_recall_of_others_leaves_what_is_being_answered_to_its_receipt(desk: Desk) -> None:
    """Of each that is told of instead the connection is lost: one recall would take all, and each of them cost others."""
    desk.serve(hello)
    desk.client.sendall(WHOLE)
    select.select([desk.ours], [], [], 5)
    desk.loans.recall([desk.key + 1])
    assert desk.shared.borrower
    desk.shared.borrower.look()
    assert desk.shared.borrower.begun, "it was begun before the recall was heard"
    assert desk.said(desk.loans.wire) == bytes((HOME,))
    assert desk.answer().endswith(b"/a")
    desk.turn(lambda: desk.slots[0].progress().state == DONE)
    assert [receipt.key for receipt in desk.loans.collect()] == [desk.key]
    assert desk.quiet()


def test_nothing_is_looked_for_while_no_place_is_free(desk: Desk) -> None:
    desk.serve(hello)
    calls: Any = object()
    for place in desk.shared.places:
        place.call = calls
    desk.client.sendall(WHOLE)
    looks = desk.loans.looks()
    desk.turn(lambda: desk.shared.borrower and desk.shared.borrower.rests)
    assert desk.loans.looks() == looks
    for place in desk.shared.places:
        place.call = None
    assert desk.answer().endswith(b"/a")
    assert desk.loans.words[LOOKS] > looks


def test_places_are_left_to_those_who_wait_for_one_and_they_hear_of_it(desk: Desk) -> None:
    desk.serve(waiting(desk))
    desk.begin()
    desk.loans.give_way(1)
    desk.went_on.set()
    assert desk.said(desk.loans.wire) == bytes((NEWS,))
    desk.client.sendall(WHOLE)
    assert desk.answer().endswith(b"/a")
    looks = desk.loans.looks()
    desk.turn(lambda: desk.shared.borrower and desk.shared.borrower.rests)
    assert desk.loans.looks() == looks
    desk.loans.recall([desk.key + 1])
    assert desk.said(desk.loans.wire) == bytes((HOME,)), "what is recalled need not wait for that"
    desk.loans.give_way(0)
    assert desk.answer().endswith(b"/a")
