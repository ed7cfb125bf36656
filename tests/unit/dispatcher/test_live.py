"""Which connections change owner, to whom, and what becomes of them when nobody has acknowledged them."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from prefork.dispatcher.live import MOST_EARLY, UNDER_WAY, Keeper
from prefork.dispatcher.states import State
from prefork.dispatcher.words import Words
from prefork.dispatcher.workers import BEGIN_WITHIN
from prefork.events import Access
from prefork.messages import (
    CONVERSATION,
    DONTWAIT,
    POLL,
    STREAM,
    SUBSCRIPTION,
    pack_ending,
    pack_taken,
    receive,
    send,
    unpack_ending,
    unpack_handover,
)
from prefork.scoreboard import ABANDONED, OPEN, TURNED

from .conftest import OPTIONS, Hand

if TYPE_CHECKING:
    from prefork.dispatcher.workers import Worker
    from prefork.messages import Handover

    from .conftest import Client, Desk

UPGRADE = b"GET /websocket HTTP/1.1\r\nHost: h\r\nUpgrade: h2c, WebSocket\r\nConnection: keep-alive, Upgrade\r\n\r\n"
ASK = b"POST /longpolling/poll HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}"


class Station(Hand):
    """A websocket worker's end of a pair."""

    def __init__(self, desk: Desk, *, speaks: bool = False) -> None:
        super().__init__(desk, len(desk.hands))
        plain = self.worker
        self.worker = self.keeper = Keeper(plain.number, f"websocket.{plain.number + 1}", 1, plain.slot, plain.wire, plain.pidfd)
        self.keeper.speaks = speaks
        desk.hands.append(self)
        desk.traffic.add(self.keeper)

    def take(self) -> Handover:
        """What it has been given; the client's socket is closed."""
        message, descriptors = receive(self.wire, self.buffer)
        os.close(descriptors[0])
        return unpack_handover(message)

    def room(self) -> bool:
        """Take some of what its pair has room for."""
        try:
            send(self.keeper.wire, b"x" * 4096, (), DONTWAIT)
        except BlockingIOError:
            return False
        return True

    def acknowledge(self, number: int) -> None:
        assert self.keeper.is_given(number)
        self.desk.traffic.live.taken(self.keeper, number)

    def answered(self, number: int, status: int) -> None:
        ending = unpack_ending(pack_ending(number, status, 9, 0, 0))
        assert self.keeper.has(number)
        self.desk.traffic.ended(self.keeper, ending)


def statuses(desk: Desk) -> list[tuple[int, str]]:
    return [(event.status, event.worker) for event in desk.journal.events if isinstance(event, Access)]


def sent(desk: Desk, data: bytes) -> Client:
    client = desk.connect()
    client.send(data)
    return client


def test_a_connection_has_another_owner_when_that_has_said_so(desk: Desk) -> None:
    station = Station(desk)
    client = sent(desk, UPGRADE + b"early")
    request, kind, early = station.take()
    assert (request.target, kind, early) == (b"/websocket", SUBSCRIPTION, b"early")
    assert client.state is State.HANDED
    station.acknowledge(request.number)
    assert client.state is State.CLOSED
    assert desk.loop.disposed == [client.connection]
    assert client.silent(), "nobody has told the client of it"
    station.answered(request.number, 101)
    assert statuses(desk) == [(101, "websocket.1")]


def test_a_connection_that_its_worker_cannot_take_is_answered_here(desk: Desk) -> None:
    station = Station(desk)
    client = sent(desk, UPGRADE)
    number = station.take().request.number
    desk.traffic.departures.retire(station.keeper)
    assert desk.loop.parted == [], "it is waited for"
    station.answered(number, 503)
    assert client.answer()[0] == 503
    assert desk.loop.parted == ["websocket.1"]
    assert statuses(desk) == [(503, "-")]


def test_a_poll_comes_with_its_body(desk: Desk) -> None:
    station = Station(desk)
    sent(desk, ASK)
    request, kind, _ = station.take()
    assert (request.body, kind) == (b"{}", POLL)


@pytest.mark.parametrize(
    "data",
    [
        UPGRADE.replace(b"WebSocket", b"websockets"),
        UPGRADE.replace(b"/websocket", b"/other"),
        UPGRADE.replace(b"GET", b"PUT"),
        UPGRADE.replace(b"HTTP/1.1", b"HTTP/1.0"),
        UPGRADE.replace(b"Connection: keep-alive, Upgrade\r\n", b""),
        UPGRADE.replace(b"keep-alive, Upgrade", b"keep-alive"),
        b"GET /websocket HTTP/1.1\r\nHost: h\r\n\r\n",
    ],
)
def test_everything_else_is_the_applications(desk: Desk, data: bytes) -> None:
    station, hand = Station(desk), desk.hire()
    sent(desk, data)
    assert hand.request().version
    assert not station.has_message()


OTHER = UPGRADE.replace(b"/websocket", b"/chat")
EVENTS = b"GET /events/all HTTP/1.1\r\nHost: h\r\n\r\n"


@pytest.mark.parametrize(("data", "kind"), [(OTHER, CONVERSATION), (UPGRADE, CONVERSATION), (EVENTS, STREAM)])
def test_an_application_that_speaks_has_every_handshake_and_its_routes(desk: Desk, data: bytes, kind: int) -> None:
    station, hand = Station(desk, speaks=True), desk.hire()
    sent(desk, data)
    assert station.take().kind == kind
    sent(desk, ASK)
    assert hand.request().target == b"/longpolling/poll", "where the bus is off its paths are the application's"


def test_the_bus_keeps_its_own_paths(desk: Desk) -> None:
    desk.traffic.apply(OPTIONS._replace(bus=True))
    station = Station(desk, speaks=True)
    for data, kind in ((UPGRADE, SUBSCRIPTION), (ASK, POLL), (OTHER, CONVERSATION)):
        sent(desk, data)
        assert station.take().kind == kind


@pytest.mark.parametrize("data", [OTHER, EVENTS])
@pytest.mark.parametrize("speaks", [True, False])
def test_before_a_worker_has_said_whose_it_is_it_waits(desk: Desk, data: bytes, speaks: bool) -> None:
    hand, client = desk.hire(), sent(desk, data)
    assert client.state is State.HANDED
    station = Station(desk, speaks=speaks)
    if speaks:
        assert station.take().kind in {CONVERSATION, STREAM}
    else:
        assert hand.request().target in data
        assert client.state is State.SERVED
        assert not station.has_message()


def test_what_a_worker_has_said_counts_when_it_is_dead(desk: Desk) -> None:
    station, hand = Station(desk, speaks=True), desk.hire()
    desk.traffic.departures.bury(station.keeper)
    sent(desk, OTHER)
    assert not hand.has_message()
    assert Station(desk, speaks=True).take().kind == CONVERSATION


def test_an_application_that_has_changed_its_mind_is_believed(desk: Desk) -> None:
    old = Station(desk, speaks=True)
    new, hand = Station(desk), desk.hire()
    desk.traffic.departures.retire(old.keeper)
    sent(desk, OTHER)
    assert hand.request().target == b"/chat"
    sent(desk, UPGRADE)
    assert new.take().kind == SUBSCRIPTION


def test_a_large_body_of_a_lasting_request_comes_as_a_file(desk: Desk) -> None:
    station = Station(desk, speaks=True)
    sent(desk, b"POST /events/all HTTP/1.1\r\nHost: h\r\nContent-Length: 70000\r\n\r\n" + bytes(70_000))
    desk.settle()
    message, descriptors = receive(station.wire, station.buffer)
    request = unpack_handover(message).request
    assert request.length == os.fstat(descriptors[1]).st_size == 70_000
    for descriptor in descriptors:
        os.close(descriptor)
    station.acknowledge(request.number)  # and nobody has a copy left


def test_a_worker_whose_loop_is_held_up_is_the_last_choice(desk: Desk) -> None:
    first, second = Station(desk, speaks=True), Station(desk, speaks=True)
    second.slot[OPEN] = 9
    second.slot[TURNED] = time.monotonic_ns() + 60_000_000_000
    sent(desk, OTHER)
    assert (len(first.keeper.given), len(second.keeper.given)) == (0, 1)
    assert not second.keeper.stuck(time.monotonic() + 2 * BEGIN_WITHIN), "an application may hold its loop up to a limit of its own"


def test_without_such_workers_all_is_the_applications(desk: Desk) -> None:
    desk.traffic.apply(OPTIONS._replace(websocket_workers=0))
    hand = desk.hire()
    sent(desk, ASK)
    assert hand.request().target == b"/longpolling/poll"


def test_the_own_port_has_nothing_else(desk: Desk) -> None:
    station, client = Station(desk), desk.connect()
    desk.traffic.apply(OPTIONS._replace(websocket_port=client.connection.local[1]))
    client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    assert client.answer()[0] == 404
    client.send(b"GET /websocket HTTP/1.1\r\nHost: h\r\n\r\n")
    assert station.take().request.target == b"/websocket", "the library says what is missing"


def test_an_own_port_that_is_open_has_all_else_too(desk: Desk) -> None:
    station, hand, client = Station(desk), desk.hire(), desk.connect()
    desk.traffic.apply(OPTIONS._replace(websocket_port=client.connection.local[1], open_live_port=True))
    client.send(b"GET /websocket/health HTTP/1.1\r\nHost: h\r\n\r\n")
    assert hand.request().target == b"/websocket/health"
    desk.traffic.apply(OPTIONS._replace(http_enable=False, open_live_port=True))
    sent(desk, b"GET /websocket/health HTTP/1.1\r\nHost: h\r\n\r\n")
    assert station.take().kind == POLL, "nobody else is there to answer it"


def test_the_one_with_the_fewest_connections_gets_the_next(desk: Desk) -> None:
    first, second = Station(desk), Station(desk)
    first.slot[OPEN] = 2
    for _ in range(3):
        sent(desk, UPGRADE)
    assert (len(first.keeper.given), len(second.keeper.given)) == (1, 2)


def test_no_more_are_under_way_than_a_pair_has_room_for(desk: Desk) -> None:
    desk.traffic.apply(OPTIONS._replace(queue_size=100))
    station = Station(desk)
    clients = [sent(desk, UPGRADE) for _ in range(UNDER_WAY + 3)]
    assert len(desk.traffic.live.waiting) == 3
    clients[-1].reset()
    desk.loop.until(lambda: clients[-1].state is State.CLOSED)
    assert desk.counters[ABANDONED] == 1, "who waits and leaves takes nobody's place"
    for _ in range(UNDER_WAY + 2):
        station.acknowledge(station.take().request.number)
    assert not desk.traffic.live.waiting


@pytest.mark.parametrize("more", [b"Cookie: %b\r\n\r\n" % (b"c" * 3600), b"\r\n" + b"e" * 16_000], ids=["cookie", "early"])
def test_a_pair_that_is_full_is_no_fault_of_its_worker(desk: Desk, more: bytes) -> None:
    """It was taken for broken, and its worker killed, with all its connections."""
    desk.traffic.apply(OPTIONS._replace(queue_size=100))
    stations = Station(desk), Station(desk)
    for _ in range(2 * UNDER_WAY):
        sent(desk, UPGRADE.removesuffix(b"\r\n") + more)
    given = [len(station.keeper.given) for station in stations]
    assert all(5 < each < UNDER_WAY for each in given), "the other one is asked when one is full"
    assert (desk.loop.told, len(desk.traffic.live.waiting)) == ([], 2 * UNDER_WAY - sum(given))
    while any(station.keeper.given for station in stations):
        for station in stations:
            if station.keeper.given:
                station.acknowledge(station.take().request.number)
    assert (desk.loop.told, len(desk.traffic.live.waiting)) == ([], 0)


def test_a_pair_that_takes_nothing_at_all_is(desk: Desk) -> None:
    station = Station(desk)
    while station.room():
        pass
    sent(desk, UPGRADE)
    assert desk.loop.told == [("faulty", "websocket.1")]


def test_what_a_dead_worker_has_not_acknowledged_goes_to_another_one(desk: Desk) -> None:
    first = Station(desk)
    client = sent(desk, UPGRADE)
    number = first.take().request.number
    first.die()
    assert client.state is State.HANDED
    assert Station(desk).take().request.number == number


def test_a_connection_that_kills_two_workers_kills_no_third(desk: Desk) -> None:
    client = sent(desk, UPGRADE)
    for _ in range(2):
        station = Station(desk)
        station.take()
        station.die()
    assert client.answer()[0] == 502


def test_what_has_waited_too_long_is_told_to_come_again(desk: Desk) -> None:
    client = sent(desk, UPGRADE)
    assert client.connection.exchange
    desk.traffic.tick(client.connection.exchange.arrived + OPTIONS.queue_timeout + 1)
    assert client.answer()[0] == 503
    assert not desk.traffic.live.waiting


def test_where_too_many_wait_further_ones_are_turned_away(desk: Desk) -> None:
    clients = [sent(desk, UPGRADE) for _ in range(OPTIONS.queue_size + 1)]
    assert clients[-1].answer()[0] == 503


def test_in_a_stop_nobody_waits(desk: Desk) -> None:
    client = sent(desk, UPGRADE)
    desk.traffic.give_up("the server stops")
    assert client.answer()[0] == 503
    assert sent(desk, UPGRADE).answer()[0] == 503


def test_a_client_that_does_not_wait_for_the_answer_is_refused(desk: Desk) -> None:
    Station(desk)
    assert sent(desk, UPGRADE + bytes(MOST_EARLY + 1)).answer()[0] == 413


def test_one_that_retires_gets_nothing_more_and_is_let_go_when_all_has_arrived(desk: Desk) -> None:
    station = Station(desk)
    sent(desk, UPGRADE)
    desk.traffic.departures.retire(station.keeper)
    waiting = sent(desk, UPGRADE)
    assert desk.loop.parted == []
    station.acknowledge(station.take().request.number)
    assert desk.loop.parted == ["websocket.1"]
    assert waiting.state is State.HANDED


def test_its_polls_are_in_the_access_log_however_it_ends(desk: Desk) -> None:
    for end in (lambda keeper: desk.traffic.forget(keeper), lambda keeper: desk.traffic.departures.bury(keeper)):
        station = Station(desk)
        sent(desk, ASK)
        station.acknowledge(station.take().request.number)
        end(station.keeper)
    assert statuses(desk) == [(200, "websocket.1"), (502, "websocket.2")]


def test_one_that_does_not_acknowledge_is_told_of(desk: Desk) -> None:
    station = Station(desk)
    client = sent(desk, UPGRADE)
    assert client.connection.exchange
    desk.traffic.tick(client.connection.exchange.assigned + 0.9)
    assert desk.loop.told == []
    desk.traffic.tick(client.connection.exchange.assigned + 1.1)
    assert desk.loop.told == [("stuck", station.keeper.name)]


def test_one_whose_word_of_that_is_yet_to_be_heard_is_not(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be killed as soon as it slept, with all its connections."""
    station = Station(desk)
    client = sent(desk, UPGRADE)
    assert client.connection.exchange
    assigned, said = client.connection.exchange.assigned, pack_taken(station.take().request.number)

    def hear_out(worker: Worker) -> None:
        assert Words(desk.traffic).heard(worker, said, [])

    monkeypatch.setattr(desk.loop, "hear_out", hear_out)
    desk.traffic.tick(assigned + 1.1)
    assert client.state is State.CLOSED
    assert desk.loop.told == []


def test_what_is_listed_in_several_headers_is_one_list(desk: Desk) -> None:
    station = Station(desk)
    several = b"Upgrade: h2c\r\nUpgrade: websocket\r\nConnection: keep-alive\r\nConnection: upgrade\r\n"
    sent(desk, b"GET /websocket HTTP/1.1\r\nHost: h\r\n" + several + b"\r\n")
    assert station.take().kind == SUBSCRIPTION
