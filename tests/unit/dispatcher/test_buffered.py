"""Bodies that wait in their clients' sockets: for whom there is room, who gives it back, and what becomes of those who are slow."""

from __future__ import annotations

import os
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from prefork.dispatcher.buffered import ALL, MOST, WITHIN
from prefork.dispatcher.states import State
from prefork.messages import INLINE
from prefork.scoreboard import BEGUN, RECEIVED

from .conftest import OPTIONS

if TYPE_CHECKING:
    from .conftest import Client, Desk, Hand

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
NEXT = b"GET /next HTTP/1.1\r\nHost: h\r\n\r\n"
SECONDS = 5.0


def post(size: int, *lines: bytes, method: bytes = b"POST", target: bytes = b"/") -> bytes:
    return b"\r\n".join((b"%b %b HTTP/1.1" % (method, target), b"Host: h", b"Content-Length: %d" % size, *lines, b"", b""))


def sent(desk: Desk, client: Client, data: bytes) -> threading.Thread:
    """A client that sends as fast as it is read."""
    desk.traffic.apply(desk.traffic.options._replace(max_body_size=1 << 30))
    sender = threading.Thread(target=client.socket.sendall, args=(data,))
    sender.start()
    return sender


def rest(hand: Hand, count: int) -> bytes:
    """What its worker reads from the client's socket."""
    assert hand.client
    return hand.client.recv(count, socket.MSG_WAITALL)


@pytest.mark.parametrize("size", [INLINE + 1, 300_000, MOST])
def test_its_worker_has_it_when_all_of_it_is_there(desk: Desk, size: int) -> None:
    hand, client, body = desk.hire(), desk.connect(), os.urandom(size)
    sender = sent(desk, client, post(size) + body + NEXT)
    desk.loop.until(hand.has_message)
    sender.join(SECONDS)
    request = hand.begin()
    assert request.length == size
    assert request.inflow
    left = request.inflow[0]
    assert request.body is not None
    assert request.body + rest(hand, left) == body
    assert desk.traffic.buffered.held == left
    hand.send(OK)
    hand.end(request.number, len(OK))
    assert desk.traffic.buffered.held == 0
    assert client.answer() == (200, b"ok")
    desk.loop.until(hand.has_message)
    assert hand.answer(OK).target == b"/next", "the connection is in step"
    assert client.answer() == (200, b"ok")


def test_nothing_is_told_of_its_parts(desk: Desk) -> None:
    hand, client = desk.hire(), desk.connect()
    client.send(post(200_000) + bytes(1000))
    for _ in range(198):
        client.socket.sendall(bytes(1000))
    assert desk.loop.turn(0.05) == 0
    assert client.state is State.BODY
    client.socket.sendall(bytes(1000))
    desk.loop.until(hand.has_message)
    assert hand.answer(OK).length == 200_000


def test_a_client_that_waits_to_be_asked_is_asked(desk: Desk) -> None:
    hand, client = desk.hire(), desk.connect()
    client.send(post(100_000, b"Expect: 100-continue"))
    assert client.receive(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.socket.sendall(bytes(100_000))
    desk.loop.until(hand.has_message)
    assert hand.answer(OK).inflow == (100_000, OPTIONS.max_body_size, OPTIONS.body_timeout, False)


def test_who_is_slow_is_read_as_it_comes(desk: Desk) -> None:
    hand, client = desk.hire(), desk.connect()
    client.send(post(200_000) + bytes(1000))
    assert desk.traffic.buffered.held == 199_000
    assert client.connection.deadline < time.monotonic() + WITHIN + 0.1
    client.socket.sendall(bytes(1000))
    client.connection.overdue()
    assert (client.state, desk.traffic.buffered.held) == (State.BODY, 0)
    assert client.connection.deadline > time.monotonic() + OPTIONS.body_timeout - SECONDS
    client.socket.sendall(bytes(198_000))
    desk.loop.until(hand.has_message)
    request = hand.answer(OK)
    assert (request.body, request.inflow, request.length) == (None, None, 200_000)


def test_where_there_is_no_room_it_goes_to_a_file(desk: Desk) -> None:
    desk.traffic.buffered.held = ALL - 100_000
    hand, clients = desk.hire(), [desk.connect() for _ in range(2)]
    for client in clients:
        client.send(post(100_001) + bytes(1))
    assert desk.traffic.buffered.held == ALL
    clients[1].socket.sendall(bytes(100_000))
    desk.loop.until(hand.has_message)
    assert hand.answer(OK).inflow is None
    clients[0].socket.sendall(bytes(100_000))
    desk.loop.until(hand.has_message)
    assert hand.answer(OK).inflow
    assert desk.traffic.buffered.held == ALL - 100_000


@pytest.mark.parametrize("what", ["longer", "chunked", "unix", "health"])
def test_others_are_read_here(desk: Desk, what: str) -> None:
    desk.traffic.apply(desk.traffic.options._replace(max_body_size=1 << 30, health_paths=("/alive",)))
    client = desk.connect(unix=what == "unix")
    size, target = MOST + 2 if what == "longer" else 100_000, b"/alive" if what == "health" else b"/"
    head = post(size, target=target)
    if what == "chunked":
        head = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n30d40\r\n"
    client.send(head + b"x")
    assert client.state is State.BODY
    assert desk.traffic.buffered.held == 0


@pytest.mark.parametrize("when", ["waits", "queued", "served"])
@pytest.mark.parametrize("how", ["closes", "resets"])
def test_the_client_leaves(desk: Desk, how: str, when: str) -> None:
    client = desk.connect()
    hand = desk.hire() if when == "served" else None
    client.send(post(100_000) + bytes(1000))
    if when != "waits":
        client.socket.sendall(bytes(99_000))
        desk.loop.until(lambda: client.state is not State.BODY)
    assert desk.traffic.buffered.held == 99_000
    if how == "resets":
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.socket.close()
    if hand:
        request = hand.begin()
        hand.end(request.number, 0, keep=False)
    if when == "queued" and client.connection.open:
        client.connection.watch()
    desk.loop.until(lambda: client.state in {State.CLOSED, State.LINGERING})
    assert desk.traffic.buffered.held == 0


def test_one_that_has_said_all_is_answered(desk: Desk) -> None:
    hand, client = desk.hire(), desk.connect()
    client.send(post(100_000) + bytes(1000))
    client.socket.sendall(bytes(99_000))
    client.socket.shutdown(socket.SHUT_WR)
    desk.loop.until(hand.has_message)
    request = hand.begin()
    assert rest(hand, 99_000) == bytes(99_000)
    hand.send(OK)
    hand.end(request.number, len(OK))
    assert client.answer() == (200, b"ok")
    assert client.ended()


@pytest.mark.parametrize("state", [RECEIVED, BEGUN])
def test_its_worker_dies(desk: Desk, state: int) -> None:
    """Before it has begun it has read nothing; afterwards nobody knows."""
    second, first, client = desk.hire(), desk.hire(), desk.connect()
    client.send(post(100_000, method=b"GET") + bytes(1000))
    client.socket.sendall(bytes(99_000))
    desk.loop.until(first.has_message)
    first.stamp(first.request().number, state)
    first.die()
    if state == RECEIVED:
        assert second.begin().inflow
        assert rest(second, 99_000) == bytes(99_000)
    else:
        assert client.answer()[0] == 502
        assert client.state is State.LINGERING
        assert desk.traffic.buffered.held == 0


def test_one_that_waits_too_long_is_passed_over(desk: Desk) -> None:
    client = desk.connect()
    client.send(post(100_000) + bytes(1000))
    client.socket.sendall(bytes(99_000) + NEXT)
    desk.loop.until(lambda: client.state is State.QUEUED)
    assert client.connection.exchange
    client.connection.exchange.arrived -= OPTIONS.queue_timeout + 1
    desk.traffic.tick(time.monotonic())
    assert client.answer()[0] == 503
    assert desk.traffic.buffered.held == 0
    assert desk.hire().answer(OK).target == b"/next"
    assert client.answer() == (200, b"ok")


def test_one_that_a_worker_has_been_given_is_not(desk: Desk) -> None:
    """It may have read of the body, who knows how much."""
    hand, client = desk.hire(), desk.connect()
    client.send(post(100_000) + bytes(1000))
    client.socket.sendall(bytes(99_000) + NEXT)
    desk.loop.until(hand.has_message)
    hand.stamp(hand.request().number, RECEIVED)
    hand.die()
    desk.traffic.give_up("it stops")
    assert client.answer()[0] == 503
    assert client.state is State.LINGERING
    assert desk.traffic.buffered.held == 0
