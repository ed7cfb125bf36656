"""Which connections are lent before their first request, and to whom."""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING

import pytest

from prefork.dispatcher.loops import EventLoop
from prefork.dispatcher.states import State
from prefork.dispatcher.words import Words
from prefork.kernel import unread
from prefork.lending import (
    ABLE,
    ASKS_REPLACEMENT,
    BACK,
    LASTS,
    LOANED,
    NEW,
    OWNED,
    RECALL,
    TERMS,
    pack_receipt,
    pack_return,
    unpack_new,
)
from prefork.messages import CLOEXEC_DONTWAIT, inbox, pack_ending, receive
from prefork.scoreboard import BEGUN, BEGUN_AT, DONE, LOAN, TAKEN

from .conftest import OPTIONS, Client, Desk, Hand
from .test_receipts import receipt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefork.dispatcher.loans import Loans

GET = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
RIGHTS = socket.CMSG_SPACE(12)


class Clerk:
    """A worker that is lent connections, at the other end of its pair."""

    def __init__(self, desk: Desk, *, able: bool = True) -> None:
        self.desk = desk
        self.hand = Hand(desk, len(desk.hands))
        desk.hands.append(self.hand)
        desk.traffic.add(self.hand.worker)
        message, self.descriptors = self.hear()
        assert message.startswith(TERMS)
        if able:
            assert Words(desk.traffic).heard(self.hand.worker, bytes((ABLE,)), [])

    @property
    def loans(self) -> Loans:
        assert self.hand.worker.loans
        return self.hand.worker.loans

    def hear(self) -> tuple[bytes, list[int]]:
        return receive(self.hand.wire, inbox(), CLOEXEC_DONTWAIT, RIGHTS)

    def have(self, client: Client) -> None:
        """Take the connection of a client, which is the next thing to hear."""
        message, descriptors = self.hear()
        self.descriptors += descriptors
        assert message.startswith(NEW)
        new = unpack_new(message)
        assert (new.key, new.peer, new.local) == (client.theirs.fileno(), client.socket.getsockname(), client.socket.getpeername())

    def leave(self, client: Client, flags: int) -> None:
        """Answer a client, and have the dispatcher hear of that."""
        one = receipt(key=client.theirs.fileno(), flags=flags)
        assert self.loans.till.put(pack_receipt(*one))
        self.desk.traffic.lender.receipts.drain(self.hand.worker)

    def close(self) -> None:
        for descriptor in self.descriptors:
            os.close(descriptor)


class Again(Client):
    """A client whose connection has the descriptor of one before, which is closed."""

    def __init__(self, desk: Desk, before: Client) -> None:
        self.before = before
        super().__init__(desk, None, unix=False, early=GET)
        desk.clients.append(self)

    def _connect(self, room: int | None) -> tuple[tuple[str, int], tuple[str, int]]:
        ends = super()._connect(room)
        key = self.before.theirs.detach()
        os.dup2(self.theirs.fileno(), key)
        self.theirs.close()
        self.theirs = socket.socket(fileno=key)
        return ends


@pytest.fixture
def clerks(desk: Desk) -> Iterator[list[Clerk]]:
    """Two of them; the last one is idle last."""
    desk.traffic.apply(OPTIONS._replace(lend_connections=True))
    made = [Clerk(desk), Clerk(desk)]
    yield made
    for each in made:
        each.close()


def test_a_connection_whose_request_has_come_with_it_is_lent_at_once(desk: Desk, clerks: list[Clerk]) -> None:
    client = desk.connect(early=GET)
    assert client.state is State.LENT
    assert not desk.loop.watches(client)
    clerks[1].have(client)
    assert unread(client.theirs) == len(GET), "its worker reads it"
    assert clerks[1].loans.epoll.poll(5, 1)[0][0] == client.theirs.fileno()


STAYS = {
    "nothing yet": b"",
    "half a head": GET[:-2],
    "three bytes": GET[:3],
    "a body": POST,
    "two at once": GET * 2,
    "an upgrade": b"GET / HTTP/1.1\r\nHost: h\r\nUPGRADE: websocket\r\nConnection: upgrade\r\n\r\n",
    "a page of the server": b"GET /_prefork/live?a=b HTTP/1.1\r\nHost: h\r\n\r\n",
    "the same in other words": b"GET //_prefork/l%69ve HTTP/1.1\r\nHost: h\r\n\r\n",
}


@pytest.mark.parametrize("early", STAYS.values(), ids=STAYS)
def test_what_is_not_one_whole_request_for_any_worker_is_read_here(desk: Desk, clerks: list[Clerk], early: bytes) -> None:
    client = desk.connect(early=early)
    assert client.state is not State.LENT
    assert not any(clerk.loans.lent for clerk in clerks)
    assert unread(client.theirs) == 0


def test_one_over_a_unix_socket_is_read_here(desk: Desk, clerks: list[Clerk]) -> None:
    assert desk.connect(early=GET, unix=True).state is State.SERVED
    assert not any(clerk.loans.lent for clerk in clerks)


def test_a_worker_that_has_not_said_that_it_reads_requests_is_handed_them(desk: Desk) -> None:
    desk.traffic.apply(OPTIONS._replace(lend_connections=True))
    clerk = Clerk(desk, able=False)
    assert desk.connect(early=GET).state is State.SERVED
    assert clerk.hand.request().target == b"/"
    clerk.close()


def test_nobody_says_twice_that_it_reads_requests_and_no_event_loop_does(desk: Desk, clerks: list[Clerk]) -> None:
    worker = clerks[0].hand.worker
    assert not Words(desk.traffic).heard(worker, bytes((ABLE,)), [])
    clerks[0].hand.die()
    assert worker not in desk.traffic.lender.newcomers.readers
    worker.loop = EventLoop(0, 1, 1, clerks[0].hand.slot, -1, None)
    assert not Words(desk.traffic).heard(worker, bytes((ABLE,)), [])
    worker.loop = None


def test_nothing_is_lent_any_more_once_the_end_has_begun(desk: Desk, clerks: list[Clerk]) -> None:
    desk.traffic.answers.closing = True
    assert desk.connect(early=GET).state is State.SERVED
    assert not any(clerk.loans.lent for clerk in clerks)


def test_the_shorter_line_gets_it(desk: Desk, clerks: list[Clerk]) -> None:
    """Whoever reads nothing meanwhile has all that it was given before it."""
    clients = [desk.connect(early=GET) for _ in range(6)]
    assert [len(clerk.loans.lent) for clerk in clerks] == [3, 3]
    assert all(client.state is State.LENT for client in clients)


def test_one_whose_request_comes_later_is_lent_then(desk: Desk, clerks: list[Clerk]) -> None:
    client = desk.connect(early=b"")
    assert client.state is State.IDLE
    client.send(GET)
    assert client.state is State.LENT
    clerks[1].have(client)


def test_one_that_has_come_home_is_read_here(desk: Desk, clerks: list[Clerk]) -> None:
    """What takes it home has nobody better, or it would be lent and taken home for ever."""
    client = desk.connect(early=GET)
    loan = client.connection.loan
    assert loan
    clerks[1].loans.release(client.theirs.fileno())
    loan.come_home()
    desk.loop.turn(5)
    assert client.state is State.SERVED


def test_where_all_work_it_stands_in_a_line_as_well(desk: Desk, clerks: list[Clerk]) -> None:
    """If it waited for an idle worker, all that come after it would wait with it, and be handed over in their turn."""
    for _ in clerks:
        assert desk.connect(early=POST).state is State.SERVED
    clients = [desk.connect(early=GET) for _ in range(6)]
    assert all(client.state is State.LENT for client in clients)
    assert [len(clerk.loans.lent) for clerk in clerks] == [3, 3]


@pytest.mark.parametrize("fate", ["retiring", "worn"])
def test_who_is_about_to_leave_gets_none(desk: Desk, clerks: list[Clerk], fate: str) -> None:
    for clerk in clerks:
        desk.connect(early=POST)
        setattr(clerk.hand.worker, fate, True)
    assert desk.connect(early=GET).state is State.QUEUED


def test_nor_does_one_that_leaves_by_the_receipts_that_are_heard_first(desk: Desk, clerks: list[Clerk]) -> None:
    client = desk.connect(early=GET)
    one = receipt(key=client.theirs.fileno(), flags=LASTS | ASKS_REPLACEMENT)
    assert clerks[1].loans.till.put(pack_receipt(*one))
    desk.traffic.queue.forget(clerks[0].hand.worker)
    assert desk.connect(early=GET).state is State.SERVED
    assert clerks[1].hand.worker.worn
    assert not clerks[1].loans.lent


def test_who_takes_its_time_gets_none(desk: Desk, clerks: list[Clerk]) -> None:
    for _ in clerks:
        desk.connect(early=POST)
    for clerk in clerks:
        request = clerk.hand.begin()
        clerk.hand.slot[BEGUN_AT] = time.monotonic_ns() - 2_000_000
        assert clerk.hand.worker.has(request.number)
    assert desk.connect(early=GET).state is State.QUEUED


def test_no_more_are_lent_than_there_is_room_for(desk: Desk, clerks: list[Clerk]) -> None:
    for clerk in clerks:
        desk.traffic.lender.holders[clerk.loans] = 1
    states = [desk.connect(early=GET).state for _ in range(3)]
    assert states == [State.LENT, State.LENT, State.SERVED]


def test_they_leave_room_for_what_their_worker_is_handed(desk: Desk, clerks: list[Clerk]) -> None:
    """What a pair does not take would be taken for a fault of its worker, which was only slow."""
    desk.traffic.departures.retire(clerks[0].hand.worker)
    states = [desk.connect(early=GET).state for _ in range(300)]
    assert states[:100] == [State.LENT] * 100
    assert State.SERVED in states
    assert not desk.loop.told


def test_where_loans_do_not_pay_few_are_lent(desk: Desk, clerks: list[Clerk]) -> None:
    desk.traffic.accounts.pace.fetched = 0.5
    states = [desk.connect(early=GET).state for _ in range(16)]
    assert states.count(State.LENT) == 1


def test_what_its_worker_has_answered_last_is_closed(desk: Desk, clerks: list[Clerk]) -> None:
    client = desk.connect(early=GET)
    clerks[1].have(client)
    assert client.theirs.recv(1000) == GET
    clerks[1].leave(client, flags=0)
    assert client.state is State.CLOSED
    assert client.ended()
    assert not clerks[1].loans.lent


def test_who_sends_more_than_is_answered_is_waited_for(desk: Desk, clerks: list[Clerk]) -> None:
    """To close at once would be a reset, which may overtake the answer."""
    client = desk.connect(early=GET)
    clerks[1].have(client)
    assert client.theirs.recv(1000) == GET
    client.socket.sendall(b"more")
    clerks[1].leave(client, flags=0)
    assert client.state is State.LINGERING
    assert client.ended()


def test_what_its_worker_keeps_stays_on_loan(desk: Desk, clerks: list[Clerk]) -> None:
    client = desk.connect(early=GET)
    clerks[1].have(client)
    clerks[1].leave(client, flags=LASTS)
    assert client.state is State.LENT
    assert client.connection.tally.written > 0


def test_what_is_no_request_for_it_its_worker_gives_back(desk: Desk, clerks: list[Clerk]) -> None:
    client = desk.connect(early=GET)
    clerks[1].have(client)
    data = client.theirs.recv(1000)
    assert Words(desk.traffic).heard(clerks[1].hand.worker, pack_return(BACK, client.theirs.fileno(), LOANED + 1, data), [])
    assert client.state is State.SERVED


def test_one_that_its_worker_has_never_got_goes_to_another(desk: Desk, clerks: list[Clerk]) -> None:
    client = desk.connect(early=GET)
    clerks[1].hand.die()
    desk.loop.turn(5)
    assert client.state is State.SERVED
    assert clerks[0].hand.request().target == b"/"


def test_a_begun_one_goes_to_another_when_its_worker_dies(desk: Desk, clerks: list[Clerk]) -> None:
    client = desk.connect(early=GET)
    clerks[1].have(client)
    data, hand = client.theirs.recv(1000), clerks[1].hand
    clerks[1].loans.memory[: len(data)] = data
    hand.slot[LOAN] = client.theirs.fileno()
    hand.stamp(LOANED + 1, BEGUN)
    hand.die()
    request = clerks[0].hand.request()
    assert (request.target, request.attempt) == (b"/", 2)
    assert request.number < LOANED, "such a number is one that the other has given, or will give, to one of its own"
    assert client.state is State.SERVED


def test_no_key_is_given_to_a_worker_that_has_yet_to_let_go_of_an_earlier_connection(desk: Desk, clerks: list[Clerk]) -> None:
    """Descriptors come again. Under the same key it would read the one before."""
    client = desk.connect(early=GET)
    key = client.theirs.fileno()
    clerks[1].have(client)
    client.connection.close()  # its worker has yet to hear it
    assert clerks[1].hear()[0].startswith(RECALL)
    assert list(clerks[1].loans.recalled) == [[key]]
    assert Again(desk, client).state is State.SERVED


def test_nor_to_one_that_may_keep_it_after_the_request_that_it_has(desk: Desk, clerks: list[Clerk]) -> None:
    desk.traffic.queue.forget(clerks[0].hand.worker)
    clerks[0].hand.worker.retiring = True
    client = desk.connect(early=POST)
    assert clerks[1].hand.worker.exchange
    client.connection.close()  # and its worker answers on
    assert Again(desk, client).state is State.QUEUED
    assert not clerks[1].loans.lent


def test_a_request_that_its_worker_has_told_of_is_not_entered_for_the_next_one_with_its_key(
    desk: Desk, clerks: list[Clerk]
) -> None:
    """It stays in its worker's slot until that does something else. At the death of one that was OWNED, and had ended, the next
    connection under its key was closed as if it were answered.
    """
    client = desk.connect(early=GET)
    clerks[1].have(client)
    data, key, hand, words = client.theirs.recv(1000), client.theirs.fileno(), clerks[1].hand, Words(desk.traffic)
    clerks[1].loans.memory[: len(data)] = data
    hand.slot[LOAN], hand.slot[TAKEN] = key, len(data)
    hand.stamp(LOANED + 1, BEGUN)
    assert words.heard(hand.worker, pack_return(OWNED, key, LOANED + 1, data), [])
    hand.stamp(LOANED + 1, DONE)
    assert words.heard(hand.worker, pack_ending(LOANED + 1, 200, 0, 0, 0), [])
    assert client.state is State.CLOSED
    other = Again(desk, client)
    assert other.state is State.LENT
    clerks[1].have(other)
    hand.die()
    desk.loop.turn(5)
    assert other.state is State.SERVED
    assert clerks[0].hand.request().target == b"/"
