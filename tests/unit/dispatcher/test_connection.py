"""A client's connection: what it reads when, what it answers itself, and that nothing it does gets out of order."""

from __future__ import annotations

import os
import select
import socket
import time
from contextlib import suppress
from itertools import product
from typing import TYPE_CHECKING

import pytest
from tests.unit.descriptors import held_for_good, opened_since

from prefork.dispatcher import connection, lingering
from prefork.dispatcher.assignments import SHORT
from prefork.dispatcher.outbox import Extent
from prefork.dispatcher.states import TRANSITIONS, State
from prefork.dispatcher.upload import CONTINUE
from prefork.events import RequestRefused
from prefork.messages import INLINE
from prefork.scoreboard import ABANDONED

if TYPE_CHECKING:
    from .conftest import Client, Desk, Hand

GET = b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
NARROW = 4096  # bytes for the socket's buffers: an answer of a megabyte does not fit


def post(size: int, *lines: bytes) -> bytes:
    return b"\r\n".join((b"POST / HTTP/1.1", b"Host: h", b"Content-Length: %d" % size, *lines, b"", b""))


def test_the_table_has_every_state_and_an_end() -> None:
    assert set(TRANSITIONS) == set(State)
    assert not TRANSITIONS[State.CLOSED]
    assert all(State.CLOSED in after for state, after in TRANSITIONS.items() if state is not State.CLOSED)


@pytest.mark.parametrize(("before", "after"), list(product(State, State)))
def test_only_what_the_table_has_is_possible(desk: Desk, before: State, after: State) -> None:
    subject = desk.connect().connection
    subject.state = before
    if after in TRANSITIONS[before]:
        subject.to(after, 5.0)
        assert (subject.state, subject.deadline) == (after, 5.0)
    else:
        with pytest.raises(RuntimeError, match=f"{before.name} to {after.name}"):
            subject.to(after)
        assert subject.state is before
    subject.state = State.IDLE


# One request after the other.


def test_a_request_and_its_answer(desk: Desk) -> None:
    hand, client = desk.hire(), desk.connect()
    assert client.state is State.IDLE
    client.send(GET % 1)
    assert client.state is State.SERVED
    request = hand.answer(OK)
    assert (request.method, request.target, request.keep, request.attempt) == ("GET", b"/1", True, 1)
    assert client.answer() == (200, b"ok")
    assert client.state is State.IDLE


def test_a_head_byte_by_byte(desk: Desk) -> None:
    hand, client = desk.hire(), desk.connect()
    for byte in GET % 1:
        assert not hand.has_message()
        client.send(bytes((byte,)))
    assert hand.answer(OK).target == b"/1"
    assert client.answer() == (200, b"ok")


def test_a_head_in_pieces_around_its_end(desk: Desk) -> None:
    hand, client = desk.hire(), desk.connect()
    head = GET % 1
    for cut in range(len(head) - 5, len(head)):
        client.send(head[:cut])
        assert client.state is State.HEAD
        client.send(head[cut:])
        assert hand.answer(OK).target == b"/1"
        assert client.answer() == (200, b"ok")


def test_empty_lines_before_a_request(desk: Desk) -> None:
    hand, client = desk.hire(), desk.connect()
    client.send(b"\r\n\r\n")
    assert client.state is State.IDLE
    client.send(b"\r\n" + GET % 1)
    assert hand.answer(OK).target == b"/1"


@pytest.mark.parametrize("size", [1, 1000, INLINE, INLINE + 1])
@pytest.mark.usefixtures("spooling")
def test_bodies(desk: Desk, size: int) -> None:
    hand, client = desk.hire(), desk.connect()
    body = os.urandom(size)
    client.socket.sendall(post(size) + body)
    desk.loop.until(lambda: client.state is State.SERVED)
    request = hand.answer(OK)
    assert request.length == size
    assert request.body == (body if size <= INLINE else None)
    assert client.answer() == (200, b"ok")


def test_a_chunked_body_and_the_request_behind_it(desk: Desk) -> None:
    hand, client = desk.hire(), desk.connect()
    head = b"POST /1 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    client.send(head + b"3\r\nab")
    assert client.state is State.BODY
    client.send(b"c\r\n0\r\n\r\n" + GET % 2)
    request = hand.answer(OK)
    assert (request.target, request.body, request.length) == (b"/1", b"abc", 3)
    assert hand.answer(OK).target == b"/2"
    assert client.receive(2 * len(OK)) == 2 * OK


def test_pipelined_requests_are_served_one_by_one_and_in_order(desk: Desk) -> None:
    first, second, client = desk.hire(), desk.hire(), desk.connect()
    client.send(GET % 1 + post(3) + b"abc" + GET % 2 + (GET % 3)[:10])
    hands = [second, first]  # the worker that was idle last works first
    for target in (b"/1", b"/", b"/2"):
        (hand,) = [hand for hand in hands if hand.has_message()]
        assert hand.answer(OK).target == target
    assert client.state is State.HEAD
    client.send((GET % 3)[10:])
    (hand,) = [hand for hand in hands if hand.has_message()]
    assert hand.answer(OK).target == b"/3"
    assert client.receive(4 * len(OK)) == 4 * OK


def test_own_answers_wait_for_their_turn(desk: Desk) -> None:
    """Health and refusals are answered by the dispatcher, but not before the request that came first."""
    hand, client = desk.hire(), desk.connect()
    client.send(GET % 1 + b"GET /_prefork/live HTTP/1.1\r\nHost: h\r\n\r\n" + b"rubbish\r\n\r\n" + GET % 2)
    assert client.silent()
    hand.answer(OK)
    assert client.answer() == (200, b"ok")
    assert client.answer() == (200, b'{"status": "live"}\n')
    assert client.answer()[0] == 400
    assert client.ended()
    assert not hand.has_message(), "what follows a refused request is not read"


def test_requests_that_arrive_while_one_is_served(desk: Desk) -> None:
    hand, client = desk.hire(), desk.connect()
    client.send(GET % 1)
    client.send(GET % 2)
    assert client.connection.unread
    assert hand.answer(OK).target == b"/1"
    assert hand.answer(OK).target == b"/2"
    assert client.receive(2 * len(OK)) == 2 * OK


def test_a_turn_is_limited_and_goes_on_without_another_event(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "TURN", 2)
    monkeypatch.setattr(connection, "BLOCK", 1000)
    hand, client = desk.hire(), desk.connect()
    client.send(post(5000))
    client.socket.sendall(bytes(5000))
    assert client.state is State.BODY
    desk.loop.until(lambda: client.state is State.SERVED)
    assert desk.loop.interrupted == 2
    assert hand.answer(OK).length == 5000


# 100 Continue.


def test_continue_is_sent_when_somebody_waits_for_it(desk: Desk) -> None:
    hand, client = desk.hire(), desk.connect()
    client.send(post(3, b"Expect: 100-continue"))
    assert client.receive(len(CONTINUE)) == CONTINUE
    client.send(b"abc")
    assert hand.answer(OK).body == b"abc"
    assert client.answer() == (200, b"ok")


def test_continue_is_not_sent_when_the_body_is_there(desk: Desk) -> None:
    hand, client = desk.hire(), desk.connect()
    client.send(post(3, b"Expect: 100-continue") + b"a")
    client.send(b"bc")
    assert hand.answer(OK).body == b"abc"
    assert client.answer() == (200, b"ok")
    assert client.silent()


def test_a_body_that_is_not_wanted_is_not_asked_for(desk: Desk) -> None:
    client = desk.connect()
    client.send(post(2 << 20, b"Expect: 100-continue"))
    assert client.answer()[0] == 413
    assert client.ended()


# Refusing and ending.


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505),
        (b"GET /" + b"x" * 5000, 431),
        (b"GET /" + b"x" * 5000 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 431),
        (post(3, b"Transfer-Encoding: chunked"), 400),
        (post(2 << 20), 413),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 400),
    ],
)
def test_refused(desk: Desk, sent: bytes, status: int) -> None:
    hand, client = desk.hire(), desk.connect()
    client.send(sent)
    assert client.answer()[0] == status
    assert client.state is State.LINGERING
    assert client.ended()
    client.send(GET % 1)  # it has not read the answer yet: this must not become a reset that destroys it
    assert client.state is State.LINGERING
    client.socket.close()
    desk.loop.until(lambda: client.state is State.CLOSED)
    assert not hand.has_message()
    assert desk.journal.names() == ["request_refused"]


@pytest.mark.parametrize(
    ("sent", "known"),
    [
        (b"POST / HTTP/1.1\r\nHost: h\r\nX-Request-ID: c-1\r\nContent-Length: 2000000\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nX-Request-ID: c-1\r\n\r\n", False),
    ],
    ids=["the head could be read", "it could not"],
)
def test_a_refused_request_has_a_name_too(desk: Desk, sent: bytes, known: bool) -> None:
    client = desk.connect()
    client.send(sent)
    head = client.socket.recv(1 << 16)
    (refused,) = desk.journal.events
    assert isinstance(refused, RequestRefused)
    assert (refused.request_id == "c-1") is known
    assert f"\r\nX-Request-ID: {refused.request_id}\r\n".encode() in head


def test_a_refused_client_is_not_listened_to_for_ever(desk: Desk) -> None:
    client = desk.connect()
    client.send(b"rubbish\r\n\r\n")
    assert client.connection.deadline < time.monotonic() + 5
    client.connection.overdue()
    assert client.state is State.CLOSED


def test_a_refused_client_that_goes_on_sending_has_its_time(desk: Desk) -> None:
    """It may have megabytes to send before it looks for an answer."""
    client = desk.connect()
    client.send(b"rubbish\r\n\r\n")
    client.connection.deadline = 0.0
    client.send(b"x")
    assert 0 < client.connection.deadline - time.monotonic() <= lingering.WITHOUT_A_BYTE
    assert client.connection.lingering
    client.connection.lingering.until = 5.0
    client.send(b"x")
    assert client.connection.deadline == 5.0, "but not for ever"


def test_a_refused_client_does_not_send_without_end(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lingering, "BYTES", 1000)
    client = desk.connect()
    client.send(b"rubbish\r\n\r\n")
    client.send(bytes(1000))
    assert client.state is State.LINGERING
    client.send(b"x")
    assert client.state is State.CLOSED


def test_what_has_arrived_of_a_refused_body_is_let_go(desk: Desk) -> None:
    before = held_for_good()
    client = desk.connect()
    client.socket.sendall(
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % (INLINE + 1) + bytes(INLINE + 1)
    )
    desk.loop.until(lambda: client.connection.errand is not None)
    desk.settle()
    assert len(opened_since(before)) == 3
    client.send(b"no end of a chunk")
    assert client.state is State.LINGERING
    desk.loop.until(lambda: len(opened_since(before)) == 2)  # only the two ends of the connection are open


def test_half_a_request_has_its_time(desk: Desk) -> None:
    before = time.monotonic()
    client, other = desk.connect(), desk.connect()
    client.send((GET % 1)[:10])
    other.send(post(10) + b"abc")
    assert (client.state, other.state) == (State.HEAD, State.BODY)
    for late, limit in ((client, 10), (other, 20)):
        assert before + limit <= late.connection.deadline <= time.monotonic() + limit
        late.connection.overdue()
        assert late.answer()[0] == 408
        assert late.ended()


def test_more_of_a_head_does_not_extend_its_time(desk: Desk) -> None:
    client = desk.connect()
    client.send((GET % 1)[:10])
    deadline = client.connection.deadline
    client.send((GET % 1)[10:15])
    assert client.connection.deadline == deadline


def test_an_idle_connection_is_closed_without_a_word(desk: Desk) -> None:
    hand, client = desk.hire(), desk.connect()
    client.send(GET % 1)
    before = time.monotonic()
    hand.answer(OK)
    client.answer()
    assert before + 75 <= client.connection.deadline <= time.monotonic() + 75
    client.connection.overdue()
    assert client.ended()


@pytest.mark.parametrize("sent", [b"", (GET % 1)[:9], post(5) + b"ab"])
def test_the_client_leaves_early(desk: Desk, sent: bytes) -> None:
    client = desk.connect()
    if sent:
        client.send(sent)
    client.socket.close()
    desk.loop.until(lambda: client.state is State.CLOSED)
    assert desk.loop.forgotten == [client.connection]


@pytest.mark.parametrize("how", ["close", "reset"])
def test_the_client_leaves_while_it_waits(desk: Desk, how: str) -> None:
    client = desk.connect()
    client.send(GET % 1)
    assert client.state is State.QUEUED
    getattr(client, how)() if how == "reset" else client.socket.close()
    desk.loop.until(lambda: client.state is State.CLOSED)
    assert desk.traffic.queue.length == 0
    hand = desk.hire()
    assert not hand.has_message(), "nobody works for a client that has left"


@pytest.mark.parametrize("how", ["close", "reset"])
def test_the_client_leaves_while_it_is_served(desk: Desk, how: str) -> None:
    hand, client = desk.hire(), desk.connect()
    client.send(GET % 1)
    request = hand.begin()
    getattr(client, how)() if how == "reset" else client.socket.close()
    desk.loop.turn(5)
    hand.end(request.number, 0)
    assert client.state is State.CLOSED
    other = desk.connect()
    other.send(GET % 2)
    assert hand.answer(OK).target == b"/2"


def test_a_client_that_has_said_all_it_wants_is_answered(desk: Desk) -> None:
    """`shutdown(SHUT_WR)` after the request, as `nc -N` does."""
    hand, client = desk.hire(), desk.connect()
    client.socket.sendall(GET % 1)
    client.socket.shutdown(socket.SHUT_WR)
    desk.loop.until(lambda: client.state is State.SERVED)
    desk.loop.turn()
    hand.answer(OK)
    assert client.answer() == (200, b"ok")
    assert client.ended()
    assert client.state is State.CLOSED


def test_the_last_request_of_a_connection(desk: Desk) -> None:
    hand, client = desk.hire(), desk.connect()
    client.send(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert not hand.answer(OK, keep=False).keep
    assert client.answer() == (200, b"ok")
    assert client.ended()
    assert client.state is State.CLOSED


def test_unread_bytes_do_not_destroy_the_last_answer(desk: Desk) -> None:
    """Closing a socket with unread bytes sends a reset, which overtakes what the client has yet to read."""
    hand, client = desk.hire(), desk.connect()
    client.send(GET % 1)
    client.send(GET % 2)
    hand.answer(OK, keep=False)
    assert client.state is State.LINGERING
    assert client.answer() == (200, b"ok")
    assert client.ended()


def test_a_client_that_left_before_its_last_answer_is_not_waited_for(desk: Desk) -> None:
    """All events about it came while its request was served: no further one will tell."""
    hand, client = desk.hire(), desk.connect()
    client.send(GET % 1)
    client.send(GET % 2)
    client.socket.shutdown(socket.SHUT_WR)
    desk.loop.until(lambda: client.connection.ended)
    hand.answer(OK, keep=False)
    assert client.state is State.CLOSED


# New connections.


def test_one_request_that_comes_with_its_connection_needs_no_watching(desk: Desk) -> None:
    hand, client = desk.hire(), desk.connect(early=LAST)
    assert client.state is State.SERVED
    assert not desk.loop.watches(client)
    hand.answer(OK, keep=False)
    assert client.receive(len(OK)) == OK
    assert client.ended()
    assert client.state is State.CLOSED
    assert not desk.loop.watches(client)


@pytest.mark.parametrize("early", [b"", (GET % 1)[:9], post(INLINE + 1) + b"a"])
def test_who_has_not_sent_all_is_watched(desk: Desk, early: bytes) -> None:
    hand, client = desk.hire(), desk.connect(early=early)
    assert desk.loop.watches(client)
    client.send(((GET % 1) if len(early) < 10 else post(INLINE + 1) + b"a" * (INLINE + 1))[len(early) :])
    desk.loop.until(hand.has_message)
    hand.answer(OK)
    assert client.receive(len(OK)) == OK


def test_who_is_kept_is_watched_from_its_first_answer_on(desk: Desk) -> None:
    hand, client = desk.hire(), desk.connect(early=GET % 1)
    client.socket.sendall(GET % 2)
    hand.answer(OK)
    assert desk.loop.watches(client)
    desk.loop.until(hand.has_message)
    assert hand.answer(OK).target == b"/2"
    assert client.receive(2 * len(OK)) == 2 * OK


def test_who_sends_on_behind_its_last_request_still_gets_its_answer(desk: Desk) -> None:
    """Nobody was told of these bytes: closing would answer them with a reset."""
    hand, client = desk.hire(), desk.connect(early=LAST)
    client.socket.sendall(b"more")
    hand.answer(OK, keep=False)
    assert client.state is State.LINGERING
    client.send(b"and more")
    assert client.receive(len(OK)) == OK
    assert client.ended()
    client.socket.close()
    desk.loop.until(lambda: client.state is State.CLOSED)


@pytest.mark.parametrize("unix", [False, True])
@pytest.mark.parametrize("leave", ["close", "shut", "reset"])
def test_who_leaves_while_it_waits_is_served_by_nobody(desk: Desk, unix: bool, leave: str) -> None:
    hand, first = desk.hire(), desk.connect(early=GET % 1)
    leaving, last = desk.connect(early=GET % 2, unix=unix), desk.connect(early=GET % 3)
    assert [client.state for client in (first, leaving, last)] == [State.SERVED, State.QUEUED, State.QUEUED]
    if leave == "close":
        leaving.socket.close()
    elif leave == "shut":
        leaving.socket.shutdown(socket.SHUT_WR)
    else:
        leaving.reset()
    if unix:
        desk.loop.until(lambda: leaving.state is State.CLOSED)
    hand.answer(OK)
    assert hand.answer(OK).target == b"/3"
    assert leaving.state is State.CLOSED
    assert desk.counters[ABANDONED] == 1
    assert desk.traffic.queue.length == 0
    assert last.receive(len(OK)) == OK


def test_in_a_long_line_each_is_watched(desk: Desk) -> None:
    desk.traffic.queue.size = 100
    desk.hire()
    first, *waiting = [desk.connect(early=GET % number) for number in range(SHORT + 3)]
    assert first.state is State.SERVED
    assert [desk.loop.watches(client) for client in waiting] == [False] * SHORT + [True, True]
    waiting[-1].socket.close()
    desk.loop.until(lambda: waiting[-1].state is State.CLOSED)


def test_who_waits_for_long_is_watched(desk: Desk) -> None:
    desk.hire()
    _, waiting = desk.connect(early=GET % 1), desk.connect(early=GET % 2)
    assert not desk.loop.watches(waiting)
    desk.traffic.tick(time.monotonic())
    assert desk.loop.watches(waiting)
    waiting.socket.close()
    desk.loop.until(lambda: waiting.state is State.CLOSED)
    assert desk.traffic.queue.length == 0


def test_a_slow_reader_is_watched_as_soon_as_it_is_one(desk: Desk) -> None:
    hand, client = desk.hire(), desk.connect(NARROW, early=LAST)
    hand.begin()
    desk.traffic.rest(hand.worker, b"x" * (1 << 20))
    assert desk.loop.watches(client)


# Slow readers.


def fill(hand: Hand) -> tuple[int, int]:
    """Answer with a megabyte as a worker does: what the socket takes, and the rest to the dispatcher. Returns size and sent."""
    request = hand.begin()
    assert hand.client
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (1 << 20)
    data, sent = head + bytes(1 << 20), 0
    while True:
        try:
            sent += hand.client.send(data[sent:], socket.MSG_DONTWAIT)
        except BlockingIOError:
            break
    assert sent < len(data)
    descriptor = os.memfd_create("rest")
    size = os.write(descriptor, data[sent:-100])
    hand.desk.traffic.rest(hand.worker, Extent(descriptor, 0, size))
    hand.desk.traffic.rest(hand.worker, data[-100:])
    hand.end(request.number, len(data))
    return len(data), sent


def slow(desk: Desk) -> tuple[Hand, Client, int]:
    hand, client = desk.hire(), desk.connect(NARROW)
    client.send(GET % 1 + GET % 2)
    size, _ = fill(hand)
    return hand, client, size


def drain(desk: Desk, client: Client, size: int) -> bytes:
    """Read so much, while the dispatcher goes on sending."""
    data = b""
    while len(data) < size:
        desk.loop.turn()
        if select.select([client.socket], [], [], 0.01)[0]:
            data += client.socket.recv(size - len(data))
    return data


def test_a_slow_reader_gets_everything_and_then_its_next_request(desk: Desk) -> None:
    hand, client, size = slow(desk)
    assert client.state is State.FLUSHING
    assert not hand.has_message(), "the next request waits until the answer is out"
    data = drain(desk, client, size)
    assert data[-(1 << 20) :] == bytes(1 << 20)
    desk.loop.until(hand.has_message)
    assert hand.answer(OK).target == b"/2"
    assert client.receive(len(OK)) == OK
    assert client.connection.held == 0


def test_a_reader_that_stops_is_cut_off_in_the_end(desk: Desk) -> None:
    _, client, _ = slow(desk)
    assert client.connection.deadline < time.monotonic() + 21
    client.connection.overdue()
    assert client.state is State.CLOSED


def test_a_slow_reader_that_leaves_lets_go_of_the_rest(desk: Desk) -> None:
    _, client, _ = slow(desk)
    client.reset()
    desk.loop.until(lambda: client.state is State.CLOSED)
    assert client.connection.download is None


def test_a_file_that_was_cut_short_ends_the_connection(desk: Desk) -> None:
    hand, client = desk.hire(), desk.connect(NARROW)
    client.send(GET % 1)
    hand.begin()
    descriptor = os.memfd_create("rest")
    os.write(descriptor, bytes(10))
    desk.traffic.rest(hand.worker, Extent(descriptor, 0, 100))
    desk.loop.until(lambda: client.state is State.CLOSED)
    assert client.receive(10) == bytes(10)
    assert client.broken(), "a client that knows no length would take it for whole"


def test_own_answers_to_a_client_that_does_not_read_stay_in_order(desk: Desk) -> None:
    client = desk.connect(NARROW)
    health = b"GET /_prefork/live HTTP/1.1\r\nHost: h\r\n\r\n"
    client.socket.setblocking(False)
    sent = 0
    while client.state is not State.FLUSHING:
        sent += client.socket.send(health)
        desk.loop.turn()
    answered = b""
    while answered.count(b'{"status": "live"}') < sent // len(health):
        desk.loop.turn()
        with suppress(BlockingIOError):
            answered += client.socket.recv(1 << 16)
    assert client.state in {State.IDLE, State.HEAD}


def test_a_fault_ends_one_connection_and_leaves_the_queue_right(desk: Desk) -> None:
    client, other = desk.connect(), desk.connect()
    client.send(GET % 1)
    other.send(GET % 2)
    client.connection.abandon()
    assert client.ended()
    assert desk.hire().answer(OK).target == b"/2"
    assert other.answer() == (200, b"ok")
