"""Requests that have a worker with an event loop while their client still sends: which they are, and what becomes of them."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import pytest

from prefork.dispatcher.states import State
from prefork.messages import INLINE, inbox, pack_gone, receive
from prefork.scoreboard import BEGUN, DONE, TURNED, WRITING

from .conftest import OPTIONS

if TYPE_CHECKING:
    from .conftest import Client, Crew, Desk, Hand

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
GET = b"GET /next HTTP/1.1\r\nHost: h\r\n\r\n"
LARGE = bytes(range(256)) * 1024


def head(method: bytes = b"POST", target: bytes = b"/", length: int = len(LARGE), *lines: bytes) -> bytes:
    return b"\r\n".join((b"%b %b HTTP/1.1" % (method, target), b"Host: h", b"Content-Length: %d" % length, *lines, b"", b""))


def beginning(desk: Desk, crew: Crew) -> tuple[Client, Hand]:
    """A client that has sent 1,000 bytes of a large body, and the place that has its request."""
    client = desk.connect()
    client.send(head() + LARGE[:1000])
    return client, crew.places[0]


def test_it_has_a_worker_as_soon_as_a_part_has_come(desk: Desk, crew: Crew) -> None:
    client = desk.connect()
    client.send(head())
    assert client.state is State.BODY
    client.send(LARGE[:1000])
    assert client.state is State.SERVED
    request = crew.places[0].request()
    assert (request.body, request.length) == (LARGE[:1000], len(LARGE))
    assert request.inflow == (len(LARGE) - 1000, OPTIONS.max_body_size, OPTIONS.body_timeout, False)


def test_its_worker_reads_the_rest_and_nobody_else_does(desk: Desk, crew: Crew) -> None:
    client, place = beginning(desk, crew)
    request = place.begin()
    client.socket.sendall(LARGE[1000:] + GET)
    assert desk.loop.turn(0.05) == 0, "not even a word of it comes"
    got = b""
    assert place.client
    while len(got) < len(LARGE) - 1000:
        got += place.client.recv(len(LARGE) - 1000 - len(got))
    assert got == LARGE[1000:]
    place.send(OK)
    place.end(request.number, len(OK))
    assert client.answer() == (200, b"ok")
    desk.loop.until(lambda: client.state is State.SERVED)
    following = place.request() if place.has_message() else crew.places[1].request()
    assert following.target == b"/next", "the connection is in step"
    assert following.inflow is None


def test_what_its_worker_has_left_ends_the_connection(desk: Desk, crew: Crew) -> None:
    client, place = beginning(desk, crew)
    request = place.begin()
    place.send(OK)
    client.socket.sendall(LARGE[1000:])
    place.end(request.number, len(OK), keep=False)
    assert client.answer() == (200, b"ok")
    assert client.state is State.LINGERING, "closed at once, it could be answered by a reset"
    assert client.ended()


def test_chunks(desk: Desk, crew: Crew) -> None:
    client = desk.connect()
    client.send(b"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert client.state is State.BODY
    client.send(b"5\r\nhel")
    request = crew.places[0].request()
    assert (request.body, request.length, request.inflow and request.inflow[0]) == (b"5\r\nhel", 0, None)


def test_a_client_that_waits_to_be_asked_is_asked_by_the_application(desk: Desk, crew: Crew) -> None:
    client = desk.connect()
    client.send(head(b"PUT", b"/", len(LARGE), b"Expect: 100-continue"))
    request = crew.places[0].request()
    assert request.body == b""
    assert request.inflow
    assert request.inflow[3] is True
    assert client.silent()
    other = desk.connect()
    other.send(head(b"PUT", b"/", 100, b"Expect: 100-continue"))
    assert other.receive(25) == b"HTTP/1.1 100 Continue\r\n\r\n", "a small body is none of its business"


@pytest.mark.parametrize(
    ("target", "length"),
    [(b"/", INLINE), (b"/longpolling/poll", len(LARGE)), (b"/_prefork/live", len(LARGE)), (b"/static/x", len(LARGE))],
    ids=["small", "for a websocket worker", "for the dispatcher", "a file's"],
)
def test_others_are_complete_first(desk: Desk, crew: Crew, target: bytes, length: int) -> None:
    desk.traffic.apply(OPTIONS._replace(static=(("/static", "/nowhere"),)))
    client = desk.connect()
    client.send(head(b"POST", target, length) + LARGE[:1000])
    desk.settle()
    assert client.state is State.BODY


def test_workers_without_a_loop_get_complete_requests(desk: Desk) -> None:
    hand = desk.hire()
    client = desk.connect()
    client.send(head() + LARGE[:1000])
    assert client.state is State.BODY
    client.socket.sendall(LARGE[1000:])
    desk.loop.until(hand.has_message)
    request = hand.answer(OK)
    assert request.inflow
    assert (request.body, request.inflow[0]) == (LARGE[:1000], len(LARGE) - 1000), "all of it is there"


def test_half_of_the_places_are_for_others(desk: Desk, crew: Crew) -> None:
    clients = [desk.connect() for _ in range(3)]
    for client in clients:
        client.send(head() + LARGE[:1000])
    assert [client.state for client in clients] == [State.SERVED, State.SERVED, State.BODY]
    place = crew.places[0]
    request = place.begin()
    place.send(OK)
    place.end(request.number, len(OK), keep=False)
    another = desk.connect()
    another.send(head() + LARGE[:1000])
    assert another.state is State.SERVED


@pytest.mark.usefixtures("spooling")
def test_where_no_loop_turns_a_body_is_taken_in(desk: Desk, crew: Crew) -> None:
    crew.loop.words[TURNED] = 1
    client = desk.connect()
    client.send(head() + LARGE[:1000])
    assert client.state is State.BODY
    crew.loop.words[TURNED] = time.monotonic_ns() + 10**12
    client.socket.sendall(LARGE[1000:])
    desk.loop.until(lambda: client.state is State.SERVED)
    assert crew.places[0].answer(OK).inflow is None


def test_its_worker_is_told_when_the_client_leaves(desk: Desk, crew: Crew) -> None:
    client, place = beginning(desk, crew)
    number = place.begin().number
    client.socket.close()
    desk.loop.turn(1.0)
    assert receive(place.wire, inbox())[0] == pack_gone(number)


@pytest.mark.parametrize("method", [b"POST", b"GET"])
def test_what_was_begun_is_never_made_again(desk: Desk, crew: Crew, method: bytes) -> None:
    client = desk.connect()
    client.send(head(method) + LARGE[:1000])
    crew.places[0].begin()
    client.socket.sendall(LARGE[1000:])
    assert crew.places[0].die()["status"] == 502
    assert client.answer()[0] == 502
    assert client.ended(), "what has been read of the body, nobody knows"


def test_what_was_not_begun_moves_on_as_it_is(desk: Desk, crew: Crew) -> None:
    client, place = beginning(desk, crew)
    place.die()
    request = crew.places[1].begin()
    assert (request.body, request.attempt) == (LARGE[:1000], 1)
    assert request.inflow
    assert client.state is State.SERVED


def test_it_is_given_to_no_worker_without_a_loop(desk: Desk, crew: Crew) -> None:
    client, place = beginning(desk, crew)
    for other in crew.places[1:]:
        desk.traffic.queue.forget(other.worker)
    place.die()
    assert client.state is State.QUEUED
    hand = desk.hire()
    assert not hand.has_message()
    assert client.answer()[0] == 503
    assert desk.traffic.queue.length == 0
    assert hand.worker in desk.traffic.queue.idle


def test_a_death_in_the_answer_cuts_the_connection(desk: Desk, crew: Crew) -> None:
    client, place = beginning(desk, crew)
    request = place.begin()
    place.send(OK)
    place.stamp(request.number, WRITING, len(OK) + 5, keep=True)
    place.die()
    assert client.cut()


@pytest.mark.parametrize("state", [WRITING, DONE])
def test_a_death_behind_the_answer_ends_no_connection_whose_body_is_read(desk: Desk, crew: Crew, state: int) -> None:
    """Its worker has said whether the next request is what comes next."""
    client, place = beginning(desk, crew)
    request = place.begin()
    client.socket.sendall(LARGE[1000:] + GET)
    assert place.client
    assert place.client.recv(len(LARGE) - 1000, socket.MSG_WAITALL) == LARGE[1000:]
    place.send(OK)
    place.stamp(request.number, state, len(OK), keep=True, whole=True)
    place.die()
    assert client.answer() == (200, b"ok")
    desk.loop.until(crew.places[1].has_message)
    assert crew.places[1].request().target == b"/next"


def test_a_death_behind_the_answer_ends_a_connection_whose_body_is_not_read(desk: Desk, crew: Crew) -> None:
    client, place = beginning(desk, crew)
    request = place.begin()
    place.send(OK)
    place.stamp(request.number, WRITING, len(OK), keep=False, whole=True)
    place.die()
    assert client.answer() == (200, b"ok")
    assert client.ended()


def test_one_that_has_begun_is_stamped_by_its_worker_only(desk: Desk, crew: Crew) -> None:
    client, place = beginning(desk, crew)
    assert place.begin().number == place.slot.progress().number
    assert place.slot.progress().state == BEGUN
    desk.traffic.tick(time.monotonic() + 5)
    assert desk.loop.told == [], "however long its client takes"
    assert client.state is State.SERVED
