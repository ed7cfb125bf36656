"""Requests that a loop has had no descriptor left to take: another one gets them, and what the loop has goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from prefork.dispatcher.states import State
from prefork.dispatcher.words import Words
from prefork.messages import pack_missed

from .conftest import Crew

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Client, Desk, Hand

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture
def other(desk: Desk, crew: Crew) -> Iterator[Crew]:
    """One with fewer places, which is given nothing first."""
    other = Crew(desk, 1)
    yield other
    other.loop.close()


def sent(desk: Desk, data: bytes = GET) -> Client:
    client = desk.connect()
    client.send(data)
    return client


def misses(desk: Desk, hand: Hand, number: int) -> bool:
    """A place says that it could not take a request; whether that makes sense."""
    return Words(desk.traffic).heard(hand.worker, pack_missed(number), [])


def answers(hand: Hand, client: Client) -> None:
    request = hand.begin()
    assert request.attempt == 1
    hand.send(OK)
    hand.end(request.number, len(OK))
    assert client.answer() == (200, b"ok")


@pytest.mark.parametrize("data", [GET, POST])
def test_another_loop_gets_it(desk: Desk, crew: Crew, other: Crew, data: bytes) -> None:
    busy, client = sent(desk), sent(desk, data)
    first = crew.places[0].begin()
    assert misses(desk, crew.places[1], crew.places[1].request().number)
    answers(other.places[0], client)
    assert [kind for kind, _ in desk.loop.told] == ["worn"], "it is replaced"
    crew.places[0].send(OK)
    crew.places[0].end(first.number, len(OK))
    assert busy.answer() == (200, b"ok"), "what it has goes on"
    assert len(desk.traffic.queue.idle.loops[crew.loop]) == 4


def test_where_there_is_no_other_it_waits(desk: Desk, crew: Crew) -> None:
    client = sent(desk)
    for _ in range(10):
        place = next(place for place in crew.places if place.has_message())
        assert misses(desk, place, place.request().number)
        assert not any(place.has_message() for place in crew.places)
        assert client.state is State.QUEUED
        crew.loop.rests = 0
        desk.traffic.assignments.serve()
    answers(next(place for place in crew.places if place.has_message()), client)
    assert [kind for kind, _ in desk.loop.told] == ["worn"], "which is said once"


def test_it_waits_no_longer_than_any(desk: Desk, crew: Crew) -> None:
    client = sent(desk)
    assert client.connection.exchange
    arrived = client.connection.exchange.arrived
    assert misses(desk, crew.places[0], crew.places[0].request().number)
    desk.traffic.tick(arrived + 31)
    assert client.answer()[0] == 503


def test_a_place_that_retires_is_let_go(desk: Desk, crew: Crew, other: Crew) -> None:
    client = sent(desk)
    place = crew.places[0]
    desk.traffic.departures.retire(place.worker)
    assert misses(desk, place, place.request().number)
    assert desk.loop.parted.count(place.name) == 1
    answers(other.places[0], client)


def test_what_it_was_not_given_it_cannot_miss(desk: Desk, crew: Crew) -> None:
    sent(desk)
    number = crew.places[0].request().number
    assert not misses(desk, crew.places[0], number + 1)
    assert not misses(desk, crew.places[1], number)
    assert not Words(desk.traffic).heard(crew.places[0].worker, pack_missed(number)[:-1], [])


def test_a_worker_without_a_loop_misses_nothing(desk: Desk) -> None:
    hand = desk.hire()
    sent(desk)
    assert not misses(desk, hand, hand.request().number)
