"""Which worker gets which request, and what becomes of a request whose worker does not finish it."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from prefork.config.kinds import lanes
from prefork.dispatcher import traffic
from prefork.dispatcher.outbox import Extent
from prefork.dispatcher.states import State
from prefork.dispatcher.verdict import MOST_DELIVERIES
from prefork.dispatcher.workers import BEGIN_WITHIN, Sentence
from prefork.events import Access, QueueFull, RequestFailed, RequestRetried
from prefork.journal import Journal, Sink
from prefork.lines import words_of
from prefork.master.lanes import lanes as figures
from prefork.messages import INLINE, Ending
from prefork.scoreboard import (
    ABANDONED,
    ALLOWED,
    ANSWERED,
    BEGUN,
    BUSY,
    DONE,
    FAILED,
    FOREVER,
    OLDEST,
    QUEUED,
    RECEIVED,
    REFUSED,
    RETRIED,
    SHED,
    WRITING,
)
from prefork.trace import UNSERVED, calls

from .conftest import SCOREBOARD, TRACE

if TYPE_CHECKING:
    from pathlib import Path

    from prefork.dispatcher.workers import Worker
    from prefork.events import Event

    from .conftest import Crew, Desk

GET = b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n"
POST = b"POST /%d HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def events(desk: Desk, kind: type[Event]) -> list[Event]:
    return [event for event in desk.journal.events if isinstance(event, kind)]


# Order.


def test_the_worker_that_was_idle_last_works_first(desk: Desk) -> None:
    first, second = desk.hire(), desk.hire()
    for _ in range(3):
        client = desk.connect()
        client.send(GET % 1)
        assert not first.has_message()
        second.answer(OK)
    assert client.answer() == (200, b"ok")


def test_first_come_first_served(desk: Desk) -> None:
    clients = [desk.connect(), desk.connect()]
    for number, client in enumerate(clients):
        client.send(GET % number)
        assert client.state is State.QUEUED
    hand = desk.hire()
    assert hand.answer(OK).target == b"/0"
    assert hand.answer(OK).target == b"/1"
    assert not hand.has_message()
    assert list(desk.traffic.queue.idle) == [hand.worker]


def test_a_full_queue_says_so_at_once_and_keeps_the_connection(desk: Desk) -> None:
    waiting = [desk.connect(), desk.connect()]
    for client in waiting:
        client.send(GET % 1)
    late = desk.connect()
    for _ in range(2):
        late.send(b"GET / HTTP/1.1\r\nHost: h\r\nAccept: application/json\r\n\r\n")
        status, body = late.answer()
        assert (status, json.loads(body)["status"]) == (503, 503)
        assert late.state is State.IDLE
    assert desk.journal.names() == ["queue_full", "access", "access"], "said once, not for every request"
    assert (desk.counters[FAILED], desk.counters[REFUSED], desk.traffic.accounts.ledger.words[0][SHED]) == (2, 0, 2)


def test_waiting_too_long(desk: Desk) -> None:
    client = desk.connect()
    client.send(GET % 1 + b"GET /_prefork/live HTTP/1.1\r\nHost: h\r\n\r\n")
    desk.traffic.tick(time.monotonic() + 29)
    assert client.state is State.QUEUED
    assert desk.counters[QUEUED] == 1
    assert 0 <= time.monotonic_ns() - desk.counters[OLDEST] < 5e9
    desk.traffic.tick(time.monotonic() + 31)
    assert client.answer()[0] == 503
    assert client.answer()[0] == 200, "the next request of the connection"
    assert (desk.counters[QUEUED], desk.counters[OLDEST]) == (0, 0)
    assert desk.traffic.accounts.ledger.words[0][SHED] == 1


def test_wait_service_and_cpu_are_measured(desk: Desk) -> None:
    client = desk.connect()
    client.send(GET % 1)
    desk.hire().answer(OK)
    (access,) = events(desk, Access)
    assert isinstance(access, Access)
    assert (access.client, access.method, access.target, access.status, access.worker) == ("127.0.0.1", "GET", "/1", 200, "http.1")
    assert access.bytes == len(OK)
    assert access.wait > 0
    assert access.service > 0
    assert access.cpu == 5e-6


def test_the_entry_of_a_request_has_what_other_formats_need(desk: Desk) -> None:
    client = desk.connect()
    desk.hire()
    client.send(b"GET /1 HTTP/1.0\r\nReferer: http://a/\xe9\r\nUser-Agent: b\r\nX-Request-ID: c-1\r\n\r\n")
    desk.hands[0].answer(OK)
    (access,) = events(desk, Access)
    assert isinstance(access, Access)
    assert (access.protocol, access.referer, access.user_agent) == ("HTTP/1.0", "http://a/\xe9", "b")
    assert access.request_id == "c-1"


ENDINGS = {
    "no worker": None,
    "nothing more": Ending(1, 200, 9, 4_900_000, True, False, False, 0, 0, ""),
    "queries and a tag": Ending(1, 200, 9, 4_900_000, True, False, False, 3, 2_000_000, "shop"),
}


@pytest.mark.parametrize("traced", [b"", b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n"])
@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
def test_a_line_of_our_own_tells_what_the_entry_does(desk: Desk, ending: Ending | None, traced: bytes) -> None:
    client = desk.connect()
    client.send(b'GET /"a"?b HTTP/1.1\r\nHost: h\r\n%b\r\n' % traced)
    exchange = client.connection.exchange
    assert exchange
    exchange.assigned, exchange.deliveries, exchange.service = exchange.arrived + 0.002, 1, 0.25
    line = exchange.line(200, 9, "http.1", ending)
    assert line == words_of(exchange.entry(200, 9, "http.1", ending))
    assert " wait=2.0ms service=250.0ms " in line
    assert ("trace=4bf9" in line) == bool(traced)
    exchange.deliveries = 0
    assert " service=0.0ms " in exchange.line(503, 9, "-", None)


def test_lines_of_our_own_are_written_without_an_event(desk: Desk, tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        log = Journal(Sink(file.fileno()), level="info", as_json=False, logger="test")
    desk.traffic.journal = desk.traffic.answers.journal = log
    client, hand = desk.connect(), desk.hire()
    client.send(GET % 1)
    hand.answer(OK)
    log.flush()
    os.close(log.sink.descriptor)
    words = (tmp_path / "log").read_text().partition("prefork.access: ")[2]
    assert words.startswith(f'127.0.0.1 "GET /1" 200 {len(OK)} wait=')


def test_paths_that_nobody_wants_to_read_of_are_logged_when_they_fail(desk: Desk) -> None:
    desk.traffic.apply(desk.traffic.options._replace(access_log_exclude=("/_prefork/live", "/web/health*")))
    hand, client = desk.hire(), desk.connect()
    for target in (b"/_prefork/live", b"/_prefork/live?a", b"/_prefork/lively"):
        client.send(b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n" % target)
        client.answer()
    for target in (b"/web/healthy?b", b"/web/heal", b"/a/web/health"):
        client.send(b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n" % target)
        hand.answer(OK)
        client.answer()
    desk.traffic.departures.retire(hand.worker)
    desk.traffic.give_up("it is over")
    client.send(b"GET /web/health HTTP/1.1\r\nHost: h\r\n\r\n")
    assert client.answer()[0] == 503
    logged = [(event.target, event.status) for event in events(desk, Access) if isinstance(event, Access)]
    assert logged == [("/_prefork/lively", 404), ("/web/heal", 200), ("/a/web/health", 200), ("/web/health", 503)]


# What a request is called.


def test_what_is_added_to_a_request_stays_out_of_the_next_one_that_says_the_same(desk: Desk) -> None:
    hand, names = desk.hire(), []
    garbled = b"POST /1 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n"
    for _ in range(4):
        desk.connect().send(garbled)
        for ask in (GET % 1, garbled.replace(b"no size", b"0\r\n")):
            client = desk.connect()
            client.send(ask)
            request = hand.answer(OK)
            assert [value for name, value in request.headers if name == b"x-request-id"] == [request.request_id.encode()]
            names.append(request.request_id)
    assert len(set(names)) == 8


def test_one_name_for_the_application_the_client_and_the_log(desk: Desk) -> None:
    hand, client = desk.hire(), desk.connect()
    client.send(GET % 1)
    request = hand.answer(OK)
    assert client.answer() == (200, b"ok")
    client.send(POST % 2)
    other = hand.begin()
    hand.die()
    assert client.answer()[0] == 502
    assert request.request_id != other.request_id
    assert [value for name, value in request.headers if name == b"x-request-id"] == [request.request_id.encode()]
    assert [event.request_id for event in events(desk, Access) if isinstance(event, Access)] == [
        request.request_id,
        other.request_id,
    ]
    (failed,) = events(desk, RequestFailed)
    assert isinstance(failed, RequestFailed)
    assert failed.request_id == other.request_id


def test_a_request_keeps_its_name_when_another_worker_takes_it(desk: Desk) -> None:
    second, first, client = desk.hire(), desk.hire(), desk.connect()
    client.send(GET % 1)
    before = first.begin()
    first.die()
    after = second.answer(OK)
    assert (after.request_id, after.headers) == (before.request_id, before.headers)
    (retried,) = events(desk, RequestRetried)
    assert isinstance(retried, RequestRetried)
    assert retried.request_id == before.request_id


# Retiring.


def test_a_retiring_worker_finishes_and_leaves(desk: Desk) -> None:
    busy, client = desk.hire(), desk.connect()
    client.send(GET % 1)
    desk.traffic.departures.retire(busy.worker)
    assert desk.loop.told == [("withdrawn", "http.1")]
    other = desk.connect()
    other.send(GET % 2)
    assert other.state is State.QUEUED
    busy.answer(OK)
    assert client.answer() == (200, b"ok")
    assert desk.loop.parted == ["http.1"]
    assert not busy.has_message()


def test_an_idle_worker_leaves_at_once(desk: Desk) -> None:
    idle = desk.hire()
    desk.traffic.departures.retire(idle.worker)
    assert desk.loop.parted == ["http.1"]
    client = desk.connect()
    client.send(GET % 1)
    assert not idle.has_message()


def test_a_worn_worker_goes_on_until_it_is_replaced(desk: Desk) -> None:
    hand, client = desk.hire(), desk.connect()
    for _ in range(2):
        client.send(GET % 1)
        request = hand.begin()
        hand.send(OK)
        hand.end(request.number, len(OK), worn=True)
    assert desk.loop.told == [("worn", "http.1")]


# Death.


@pytest.mark.parametrize("request_", [GET % 1, POST % 1])
@pytest.mark.parametrize("state", [None, RECEIVED])
def test_not_begun_goes_to_another_worker(desk: Desk, request_: bytes, state: int | None) -> None:
    second, first, client = desk.hire(), desk.hire(), desk.connect()
    client.send(request_)
    request = first.request()
    if state is not None:
        first.stamp(request.number, state)
    first.die()
    again = second.answer(OK)
    assert (again.number, again.attempt, again.body) == (request.number, 1, request.body)
    assert client.answer() == (200, b"ok")
    assert desk.counters[RETRIED] == 1
    assert len(events(desk, RequestRetried)) == 1


def test_begun_get_is_made_once_more(desk: Desk) -> None:
    third, second, first, client = desk.hire(), desk.hire(), desk.hire(), desk.connect()
    client.send(GET % 1)
    first.begin()
    first.die()
    assert second.begin().attempt == 2
    second.die()
    status, body = client.answer()
    assert status == 502
    assert not third.has_message()
    (failed,) = events(desk, RequestFailed)
    assert isinstance(failed, RequestFailed)
    assert failed.request_id.encode() in body
    assert client.state is State.IDLE


def test_begun_post_is_never_repeated(desk: Desk) -> None:
    other, hand, client = desk.hire(), desk.hire(), desk.connect()
    client.send(POST % 1 + GET % 2)
    hand.begin()
    hand.die()
    assert client.answer()[0] == 502
    assert other.answer(OK).target == b"/2", "the connection lives on"
    assert client.answer() == (200, b"ok")


def test_a_retried_request_stands_before_those_that_wait(desk: Desk) -> None:
    hand = desk.hire()
    clients = [desk.connect(), desk.connect(), desk.connect()]
    for number, client in enumerate(clients):
        client.send(GET % number)
    assert hand.begin().target == b"/0"
    hand.die()
    other = desk.hire()
    assert [other.answer(OK).target for _ in clients] == [b"/0", b"/1", b"/2"]


def test_the_time_it_was_served_is_no_time_that_it_waited(desk: Desk) -> None:
    hand, client = desk.hire(), desk.connect()
    client.send(GET % 1)
    hand.begin()
    assert client.connection.exchange
    client.connection.exchange.arrived -= desk.traffic.options.queue_timeout + 1  # that long ago
    hand.die()
    desk.traffic.tick(time.monotonic())
    assert desk.hire().answer(OK).attempt == 2
    assert client.answer() == (200, b"ok")


def test_a_request_that_nobody_ever_begins_is_given_up(desk: Desk) -> None:
    client = desk.connect()
    client.send(GET % 1)
    for _ in range(MOST_DELIVERIES):
        hand = desk.hire()
        assert hand.request().attempt == 1
        hand.die()
    assert client.answer()[0] == 502


@pytest.mark.usefixtures("spooling")
def test_a_large_body_is_read_again_from_its_start(desk: Desk) -> None:
    client, size = desk.connect(), INLINE + 10
    client.socket.sendall(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size + os.urandom(size))
    desk.loop.until(lambda: client.state is State.QUEUED)
    exchange = client.connection.exchange
    assert exchange
    assert isinstance(exchange.body, int)
    for _ in range(2):
        os.lseek(exchange.body, 100, os.SEEK_SET)  # as far as the worker has read
        hand = desk.hire()
        assert hand.request().length == size
        assert os.lseek(exchange.body, 0, os.SEEK_CUR) == 0
        hand.die()
    assert desk.hire().answer(OK).length == size
    assert client.answer() == (200, b"ok")


def test_dead_before_the_first_byte_whatever_its_slot_says(desk: Desk) -> None:
    """It stamps *writing* before it writes: the client's socket knows better."""
    second, first, client = desk.hire(), desk.hire(), desk.connect()
    client.send(GET % 1)
    request = first.begin()
    first.stamp(request.number, WRITING, len(OK), whole=True, keep=True)
    first.die()
    assert second.answer(OK).attempt == 2
    assert client.answer() == (200, b"ok")
    assert client.silent()


HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"


def test_dead_behind_hints_and_before_its_answer(desk: Desk) -> None:
    """Any head may follow them, and what follows that is judged by its own bytes."""
    third, second, first, client = desk.hire(), desk.hire(), desk.hire(), desk.connect()
    client.send(GET % 1)
    request = first.begin()
    first.send(HINTS)
    first.stamp(request.number, WRITING, len(HINTS), status=0)
    first.die()
    assert client.receive(len(HINTS)) == HINTS
    request = second.begin()
    assert request.attempt == 2
    second.send(OK)
    second.stamp(request.number, WRITING, len(OK), whole=True, keep=True)
    second.die()
    assert client.answer() == (200, b"ok")
    client.send(GET % 2)
    assert third.answer(OK).attempt == 1
    assert client.answer() == (200, b"ok")


def test_dead_behind_hints_of_which_its_client_has_a_part(desk: Desk) -> None:
    """What is left of them is here, and would come out in the middle of another answer."""
    second, first, client = desk.hire(), desk.hire(), desk.connect(4096)
    client.send(GET % 1)
    request = first.begin()
    hints = HINTS.replace(b"/a", b"a" * (8 << 20))
    desk.traffic.rest(first.worker, hints)
    assert client.connection.tally.out() != len(hints)
    first.stamp(request.number, WRITING, len(hints), status=0)
    first.die()
    assert not second.has_message()
    assert client.cut()


def test_a_post_whose_worker_died_behind_hints_gets_502(desk: Desk) -> None:
    hand, client = desk.hire(), desk.connect()
    client.send(POST % 1)
    request = hand.begin()
    hand.send(HINTS)
    hand.stamp(request.number, WRITING, len(HINTS), status=0)
    hand.die()
    assert client.receive(len(HINTS)) == HINTS
    assert client.answer()[0] == 502


def test_the_threads_of_a_dead_process_get_nothing_more(desk: Desk) -> None:
    """Their pairs may still take a message, where a child of the application holds their ends."""
    alive, thread, other = desk.hire(), desk.hire(), desk.hire()
    alive.worker.pid = 2
    client = desk.connect()
    client.send(GET % 1)
    other.begin()
    desk.traffic.departures.die_with(other.worker)
    other.die()
    assert not thread.has_message()
    assert alive.answer(OK).attempt == 2
    assert client.answer() == (200, b"ok")


@pytest.mark.parametrize("sent", [0, len(OK) - 1, len(OK)])
def test_a_unix_socket_does_not_tell_what_is_out_so_the_connection_is_cut(desk: Desk, sent: int) -> None:
    """Whether the client has read all or there was nothing to read, the socket looks the same: no second head either way."""
    other, hand, client = desk.hire(), desk.hire(), desk.connect(unix=True)
    client.send(GET % 1)
    request = hand.begin()
    hand.stamp(request.number, WRITING, len(OK), whole=True, keep=True)
    hand.send(OK[:sent])
    hand.die()
    assert client.receive(sent) == OK[:sent]
    assert client.ended()
    assert client.state is State.CLOSED
    assert not other.has_message()


def test_on_a_unix_socket_a_death_before_and_after_the_answer_is_told_by_the_slot(desk: Desk) -> None:
    second, first, client = desk.hire(), desk.hire(), desk.connect(unix=True)
    client.send(GET % 1)
    first.begin()
    first.die()
    request = second.begin()
    assert request.attempt == 2
    second.send(OK)
    second.stamp(request.number, DONE, keep=True)
    second.die()
    assert client.answer() == (200, b"ok")
    third = desk.hire()
    client.send(GET % 2)
    assert third.answer(OK).attempt == 1
    assert client.answer() == (200, b"ok")


def test_a_client_without_an_address_is_named_all_the_same(desk: Desk) -> None:
    hand, client = desk.hire(), desk.connect(unix=True)
    client.send(GET % 1)
    request = hand.answer(OK)
    assert (request.client, request.server) == (("", 0), ("h", 80))
    assert [event.client for event in desk.journal.events if isinstance(event, Access)] == ["unix:"]


def test_dead_in_the_middle_of_the_answer(desk: Desk) -> None:
    other, hand, client = desk.hire(), desk.hire(), desk.connect()
    client.send(GET % 1)
    request = hand.begin()
    hand.stamp(request.number, WRITING, len(OK), whole=True, keep=True)
    hand.send(OK[:-1])
    hand.die()
    assert client.receive(len(OK) - 1) == OK[:-1]
    assert client.broken()
    assert client.state is State.CLOSED
    assert not other.has_message()


@pytest.mark.parametrize("state", [WRITING, DONE])
def test_dead_after_the_last_byte(desk: Desk, state: int) -> None:
    other, hand, client = desk.hire(), desk.hire(), desk.connect()
    client.send(GET % 1)
    request = hand.begin()
    hand.send(OK)
    hand.stamp(request.number, state, len(OK), whole=True, keep=True)
    hand.die()
    assert client.answer() == (200, b"ok")
    client.send(GET % 2)
    other.answer(OK)
    assert client.answer() == (200, b"ok")
    assert desk.counters[FAILED] == 0
    assert desk.counters[ANSWERED] == 2


def test_bytes_of_earlier_answers_are_told_from_those_of_this_one(desk: Desk) -> None:
    """Served, handed on, answered by the dispatcher and asked to continue: then a worker dies that has written nothing."""
    hands = [desk.hire() for _ in range(5)]
    client = desk.connect()
    client.send(GET % 1)
    hands[4].answer(OK)
    client.send(GET % 2)  # a part of this answer comes by the dispatcher
    request = hands[4].begin()
    hands[4].send(OK[:10])
    desk.traffic.rest(hands[4].worker, OK[10:])
    hands[4].end(request.number, len(OK))
    desk.loop.until(lambda: client.state is State.IDLE)
    client.send(b"GET /_prefork/live HTTP/1.1\r\nHost: h\r\n\r\n")
    client.send(GET % 3)  # after its end
    request = hands[4].begin()
    hands[4].send(OK)
    hands[4].stamp(request.number, WRITING, len(OK), whole=True, keep=True)
    hands[4].die()
    client.send(POST % 4)
    hands[3].begin()
    hands[3].die()
    client.send(b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
    client.send(b"abc")
    hands[2].answer(OK)
    client.send(GET % 5)
    request = hands[2].begin()
    hands[2].stamp(request.number, WRITING, 10, whole=True, keep=True)
    hands[2].die()
    assert hands[1].answer(OK).attempt == 2
    desk.loop.until(lambda: client.state is State.IDLE)
    received = b""
    while received.count(b"HTTP/1.1 200") < 6:
        received += client.socket.recv(1 << 16)
    assert received.count(b"HTTP/1.1 502") == 1
    assert received.count(b"HTTP/1.1 100") == 1


def test_a_dead_workers_client_may_be_gone_too(desk: Desk) -> None:
    hand, client = desk.hire(), desk.connect()
    client.send(GET % 1)
    hand.begin()
    client.connection.close()
    hand.die()
    assert desk.counters[RETRIED] == desk.counters[FAILED] == 0


def test_workers_that_cannot_be_given_a_request_are_passed_over(desk: Desk) -> None:
    good, gone, client = desk.hire(), desk.hire(), desk.connect()
    gone.wire.close()
    client.send(GET % 1)
    good.answer(OK)
    assert client.answer() == (200, b"ok")


# Slow clients and stuck workers.


def test_a_worker_waits_for_a_client_that_reads_too_little(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "MOST_HELD", 100_000)
    hand, client = desk.hire(), desk.connect(4096)
    client.send(GET % 1)
    hand.begin()
    size = 0
    while not desk.loop.paused:
        desk.traffic.rest(hand.worker, bytes(INLINE))
        size += INLINE
        assert size < 10 << 20
    assert hand.worker.paused
    while hand.worker.paused:
        desk.loop.turn()
        client.socket.recv(1 << 16)
    assert desk.loop.paused == [("http.1", True), ("http.1", False)]


def test_a_loop_may_leave_while_it_is_asked_why_it_is_late(desk: Desk, crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last word was that it has not got the request: nothing was left of it, and nobody else looked at."""
    client = desk.connect()
    client.send(GET % 1)
    worker = client.connection.exchange.worker
    assert worker

    def leave(_: Worker) -> None:
        worker.exchange = None
        crew.loop.places.clear()

    monkeypatch.setattr(desk.loop, "hear_out", leave)
    desk.traffic.tick(time.monotonic() + 2 * BEGIN_WITHIN)
    assert desk.loop.told == []


def test_a_client_that_leaves_frees_its_paused_worker(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "MOST_HELD", 10)
    hand, client = desk.hire(), desk.connect(4096)
    client.send(GET % 1)
    hand.begin()
    while not desk.loop.paused:
        desk.traffic.rest(hand.worker, bytes(INLINE))
    client.connection.close()
    assert desk.loop.paused == [("http.1", True), ("http.1", False)]
    descriptor = os.memfd_create("rest")
    desk.traffic.rest(hand.worker, Extent(descriptor, 0, 10))  # what it still says is thrown away
    desk.traffic.rest(hand.worker, b"more")
    desk.settle()
    with pytest.raises(OSError):
        os.fstat(descriptor)


def test_a_worker_that_does_not_begin_is_reported(desk: Desk) -> None:
    hand, client = desk.hire(), desk.connect()
    given = time.monotonic()  # or later
    client.send(GET % 1)
    desk.traffic.tick(given + 0.5)
    assert desk.loop.told == []
    desk.traffic.tick(time.monotonic() + 1.5)
    assert desk.loop.told == [("stuck", "http.1")]
    hand.stamp(1, BEGUN)
    desk.traffic.tick(time.monotonic() + 100)
    assert desk.loop.told == [("stuck", "http.1")]
    assert desk.counters[BUSY] == 1


# Health, and the end.


def health(desk: Desk, path: bytes) -> tuple[int, dict[str, object]]:
    client = desk.connect()
    client.send(b"GET /_prefork/%b HTTP/1.1\r\nHost: h\r\n\r\n" % path)
    status, body = client.answer()
    return status, json.loads(body)


def test_health(desk: Desk) -> None:
    assert health(desk, b"live") == (200, {"status": "live"})
    assert health(desk, b"ready")[0] == 503
    assert health(desk, b"saturation")[0] == 503
    assert health(desk, b"nothing")[0] == 404
    desk.hire()
    assert health(desk, b"ready?x=y") == (200, {"status": "ready", "workers": 1})
    status, said = health(desk, b"saturation")
    assert (status, said["workers"], said["idle"], said["busy"], said["queue"]) == (200, 1, 1, 0, 0)
    desk.connect().send(GET % 1)
    assert health(desk, b"saturation")[0] == 503
    desk.traffic.draining = True
    assert health(desk, b"ready") == (503, {"status": "stopping"})
    assert health(desk, b"live")[0] == 200


def test_health_is_for_trusted_peers_only(desk: Desk) -> None:
    desk.traffic.apply(desk.traffic.options._replace(trusted_proxies=()))
    hand, client = desk.hire(), desk.connect()
    client.send(b"GET /_prefork/live HTTP/1.1\r\nHost: h\r\n\r\n")
    assert hand.answer(OK).target == b"/_prefork/live", "to all others it is a path of the application"


def test_health_is_not_for_whom_a_proxy_speaks_for(desk: Desk) -> None:
    desk.traffic.apply(desk.traffic.options._replace(proxy_mode=True))
    hand, client = desk.hire(), desk.connect()
    client.send(b"GET /_prefork/live HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 127.0.0.1, 203.0.113.9\r\n\r\n")
    assert hand.answer(OK).client == ("203.0.113.9", 0)


def test_head_of_a_page_has_no_body(desk: Desk) -> None:
    client = desk.connect()
    client.send(b"HEAD /_prefork/live HTTP/1.1\r\nHost: h\r\n\r\n")
    head = client.socket.recv(1 << 16)
    assert b"\r\nContent-Length: 19\r\n" in head
    assert head.endswith(b"\r\n\r\n")


def test_closing_ends_connections_after_their_answer(desk: Desk) -> None:
    hand, client = desk.hire(), desk.connect()
    client.send(GET % 1)
    desk.traffic.answers.closing = True
    hand.answer(OK)
    assert client.answer() == (200, b"ok")
    assert client.ended()


def test_giving_up_answers_everybody_who_waits(desk: Desk) -> None:
    clients = [desk.connect(), desk.connect()]
    for client in clients:
        client.send(GET % 1)
    desk.traffic.give_up("the server stops")
    assert [client.answer()[0] for client in clients] == [503, 503]
    assert not desk.hire().has_message()


def test_the_body_of_a_client_that_has_left_is_not_kept(desk: Desk) -> None:
    """Its place in the line is passed over later; until then a small body would cost as much as it has bytes."""
    client = desk.connect()
    client.send(POST % 1)
    (exchange,) = desk.traffic.queue.waiting()
    assert exchange.body == b"abc"
    client.reset()
    desk.loop.until(lambda: client.state is State.CLOSED)
    assert exchange.body == b""


# Lanes.


def with_lanes(desk: Desk, text: str, **changes: object) -> None:
    desk.traffic.apply(desk.traffic.options._replace(lanes=lanes(text), **changes))


def lane(desk: Desk, name: str) -> dict[str, Any]:
    """What the master would say about a lane."""
    desk.traffic.tick(time.monotonic())
    said = figures(desk.traffic.lanes.declared, SCOREBOARD, time.monotonic())["lanes"]
    return next(each for each in said if each["name"] == name)


def test_a_limited_lane_leaves_a_worker_to_the_others(desk: Desk) -> None:
    with_lanes(desk, "reports:/report/*:0-1")
    first, second = desk.hire(), desk.hire()
    reports = [desk.connect(), desk.connect()]
    for number, client in enumerate(reports):
        client.send(b"GET /%%72eport/%d HTTP/1.1\r\nHost: h\r\n\r\n" % number)
    assert [client.state for client in reports] == [State.SERVED, State.QUEUED]
    asset = desk.connect()
    asset.send(GET % 1)
    assert first.answer(OK).target == b"/1"
    assert asset.answer() == (200, b"ok")
    assert (lane(desk, "reports")["waiting"], lane(desk, "reports")["working"]) == (1, 1)
    assert second.answer(OK).target == b"/%72eport/0"
    assert second.answer(OK).target == b"/%72eport/1"
    assert lane(desk, "reports")["served"] == 2
    assert (lane(desk, "default")["arrived"], lane(desk, "default")["served"]) == (1, 1)


def test_the_death_of_a_worker_makes_room_in_its_lane(desk: Desk) -> None:
    with_lanes(desk, "reports:/report/*:0-1")
    for _ in range(3):
        desk.hire()
    clients = [desk.connect(), desk.connect()]
    for client in clients:
        client.send(b"POST /report/%d HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n" % clients.index(client))
    busy = next(hand for hand in desk.hands if hand.has_message())
    busy.begin()
    busy.die()
    assert clients[0].answer()[0] == 502
    (other,) = [hand for hand in desk.hands if hand is not busy and hand.has_message()]
    assert other.answer(OK).target == b"/report/1"
    assert clients[1].answer() == (200, b"ok")


def test_a_retry_has_its_lane_before_those_that_wait(desk: Desk) -> None:
    with_lanes(desk, "reports:/report/*:0-1")
    for _ in range(3):
        desk.hire()
    clients = [desk.connect(), desk.connect()]
    for number, client in enumerate(clients):
        client.send(b"GET /report/%d HTTP/1.1\r\nHost: h\r\n\r\n" % number)
    busy = next(hand for hand in desk.hands if hand.has_message())
    busy.begin()
    busy.die()
    (other,) = [hand for hand in desk.hands if hand is not busy and hand.has_message()]
    assert other.answer(OK).target == b"/report/0"
    assert other.answer(OK).target == b"/report/1"


def test_the_retirement_of_an_idle_worker_may_free_a_reserved_one(desk: Desk) -> None:
    """Two reserved workers of three; when one of these goes, only one can be reserved, and one is everybody's."""
    with_lanes(desk, "api:/api/*:2")
    hands = [desk.hire(), desk.hire(), desk.hire()]
    clients = [desk.connect(), desk.connect()]
    for client in clients:
        client.send(GET % clients.index(client))
    assert [client.state for client in clients] == [State.SERVED, State.QUEUED]
    busy = next(hand for hand in hands if hand.has_message())
    desk.traffic.departures.retire(busy.worker)
    assert [client.state for client in clients] == [State.SERVED, State.SERVED], "the busy one leaves, and another is everybody's"
    busy.answer(OK)
    assert desk.loop.parted == [busy.name]


def test_other_lanes_are_for_those_that_wait_too(desk: Desk) -> None:
    with_lanes(desk, "reports:/report/*:0-1")
    first, second = desk.hire(), desk.hire()
    clients = [desk.connect(), desk.connect()]
    for number, client in enumerate(clients):
        client.send(b"GET /report/%d HTTP/1.1\r\nHost: h\r\n\r\n" % number)
    assert clients[1].state is State.QUEUED
    with_lanes(desk, "others:/other/*:1")
    assert clients[1].state is State.QUEUED, "one worker is kept for others"
    with_lanes(desk, "")
    assert clients[1].state is State.SERVED
    assert first.answer(OK).target == b"/report/1"
    assert second.answer(OK).target == b"/report/0"
    assert lane(desk, "default")["served"] == 2


def test_a_flood_in_one_lane_refuses_no_other(desk: Desk) -> None:
    with_lanes(desk, "api:/api/*:0")
    flood = [desk.connect() for _ in range(3)]
    for client in flood:
        client.send(b"GET /api/ HTTP/1.1\r\nHost: h\r\n\r\n")
    assert [client.state for client in flood] == [State.QUEUED, State.QUEUED, State.IDLE]
    assert flood[2].answer()[0] == 503
    other = desk.connect()
    other.send(GET % 1)
    assert other.state is State.QUEUED
    assert [(event.lane, event.length) for event in events(desk, QueueFull)] == [("api", 2)]


def test_saturation_of_lanes(desk: Desk) -> None:
    with_lanes(desk, "api:/api/*:1")
    desk.hire()
    desk.hire()
    client, late = desk.connect(), desk.connect()
    client.send(GET % 1)
    late.send(b"GET /_prefork/saturation HTTP/1.1\r\nHost: h\r\n\r\n")
    status, body = late.answer()
    said = json.loads(body)
    assert (status, said["idle"]) == (503, 1), "the idle one is reserved"
    assert said["lanes"] == {
        "api": {"waiting": 0, "working": 0, "saturated": False, "oldest_wait": 0},
        "default": {"waiting": 0, "working": 1, "saturated": True, "oldest_wait": 0},
    }


def test_every_request_is_recorded_whatever_became_of_it(desk: Desk) -> None:
    with_lanes(desk, "api:/api/*:0")
    refused = [desk.connect() for _ in range(3)]
    for client in refused:
        client.send(b"GET /api/ HTTP/1.1\r\nHost: h\r\n\r\n")
    desk.traffic.tick(time.monotonic() + 31)
    first = desk.hire()
    client = desk.connect()
    client.send(POST % 1)
    first.begin()
    first.die()
    assert client.answer()[0] == 502
    second = desk.hire()
    client.send(GET % 1)
    second.answer(OK)
    found = calls(TRACE.read())
    assert [(call.lane, call.service == UNSERVED) for call in found] == [(0, True), (0, True), (0, True), (1, False), (1, False)]
    assert sorted(call.wait > 25_000_000 for call in found) == [False, False, False, True, True], "microseconds"
    assert found[-1].workers == 1


def test_other_lanes_begin_another_recording(desk: Desk) -> None:
    hand, client = desk.hire(), desk.connect()
    client.send(GET % 1)
    hand.answer(OK)
    with_lanes(desk, "")
    assert len(calls(TRACE.read())) == 1, "a reload with the same lanes goes on"
    with_lanes(desk, "api:/api/*:0")
    assert calls(TRACE.read()) == []


def test_what_requests_waited_and_took(desk: Desk) -> None:
    hand = desk.hire()
    desk.connect().send(GET % 1)
    waits = desk.connect()
    waits.send(GET % 2)
    desk.traffic.tick(time.monotonic() + 31)
    assert waits.answer()[0] == 503
    hand.answer(OK)
    said = lane(desk, "default")
    assert (said["arrived"], said["served"]) == (2, 1)
    assert said["wait"]["p50"] < 1
    assert said["wait"]["p99"] > 25, "the one that waited in vain counts"
    assert said["service"]["p99"] < 5


@pytest.mark.parametrize("sent", [b"GET / HT", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\na", GET % 1])
def test_clients_that_leave_before_a_worker_has_their_request_are_counted(desk: Desk, sent: bytes) -> None:
    client, silent = desk.connect(), desk.connect()
    client.send(sent)
    for each in (client, silent):
        each.socket.close()
    desk.loop.until(lambda: client.state is silent.state is State.CLOSED)
    assert desk.counters[ABANDONED] == 1


def test_a_client_that_leaves_while_it_is_served_is_not_counted(desk: Desk) -> None:
    hand, client = desk.hire(), desk.connect()
    client.send(GET % 1)
    client.socket.close()
    hand.answer(OK)
    desk.loop.until(lambda: client.state is State.CLOSED)
    assert desk.counters[ABANDONED] == 0


def test_of_who_has_left_no_request_is_made_again(desk: Desk) -> None:
    """It waited for a worker, and had one for an answer that nobody reads."""
    other, hand, client = desk.hire(), desk.hire(), desk.connect()
    client.send(GET % 1)
    hand.begin()
    client.socket.close()
    desk.loop.until(lambda: client.connection.ended)
    hand.die()
    assert client.state is State.CLOSED
    assert not other.has_message()


# Sentences.

SENTENCE = Sentence(504, "its request took too long", "0a1b2c3d")


@pytest.mark.parametrize("request_", [GET, POST])
def test_a_request_that_broke_a_limit_is_not_made_again(desk: Desk, request_: bytes) -> None:
    other, hand, client = desk.hire(), desk.hire(), desk.connect()
    client.send(request_ % 1)
    number = hand.begin().number
    assert desk.traffic.departures.condemn(hand.worker, number, SENTENCE)
    hand.slot.set_tag(number, "invoice 12")
    known = hand.die()
    assert not other.has_message()
    status, body = client.answer()
    assert (status, b"Incident: 0a1b2c3d" in body, b"its request took too long" in body) == (504, True, False)
    assert (known["status"], known["incident"]) == (504, "0a1b2c3d")
    assert known["request"]["tag"] == "invoice 12"
    assert events(desk, RequestFailed)[0].reason == "its request took too long"
    assert client.state is State.IDLE, "its connection stays open"


@pytest.mark.parametrize("kills", [0, 2])
def test_what_the_kernel_has_killed_for_want_of_memory_is_not_made_again(desk: Desk, kills: int) -> None:
    """Its counters say it, whether or not the master has had the time to."""
    other, hand, client = desk.hire(), desk.hire(), desk.connect()
    hand.worker.counters = os.memfd_create("memory.events")
    os.write(hand.worker.counters, b"oom 1\noom_kill %d\n" % kills)
    client.send(GET % 1)
    hand.begin()
    known = hand.die()
    if kills:
        assert not other.has_message()
        status, body = client.answer()
        assert (status, known["status"], known["incident"].encode() in body) == (503, 503, True)
        assert events(desk, RequestFailed)[0].reason == "the kernel killed the worker for want of memory"
    else:
        assert other.answer(OK).attempt == 2
        assert client.answer() == (200, b"ok")


def test_one_that_was_not_begun_is_innocent(desk: Desk) -> None:
    other, hand, client = desk.hire(), desk.hire(), desk.connect()
    client.send(POST % 1)
    assert desk.traffic.departures.condemn(hand.worker, hand.request().number, SENTENCE)
    assert hand.die()["status"] == 0
    assert other.answer(OK).attempt == 1
    assert client.answer() == (200, b"ok")


def test_a_condemned_worker_gets_nothing_more(desk: Desk) -> None:
    hand, client, late = desk.hire(), desk.connect(), desk.connect()
    client.send(GET % 1)
    request = hand.begin()
    assert desk.traffic.departures.condemn(hand.worker, request.number, SENTENCE)
    hand.stamp(request.number, DONE)
    hand.send(OK)
    hand.end(request.number, len(OK))
    assert client.answer() == (200, b"ok"), "it has answered in time all the same"
    late.send(GET % 2)
    assert not hand.has_message()
    assert hand.die() == {"status": 200}
    desk.hire().answer(OK)
    assert late.answer() == (200, b"ok")


def test_one_that_has_answered_meanwhile_is_acquitted(desk: Desk) -> None:
    hand, client = desk.hire(), desk.connect()
    client.send(GET % 1)
    request = hand.begin()
    hand.stamp(request.number, DONE)
    assert not desk.traffic.departures.condemn(hand.worker, request.number, SENTENCE), "its word is on its way"
    hand.send(OK)
    hand.end(request.number, len(OK))
    assert not desk.traffic.departures.condemn(hand.worker, request.number, SENTENCE)
    client.send(GET % 2)
    hand.begin()
    assert not desk.traffic.departures.condemn(hand.worker, request.number, SENTENCE), "another request is not to die for that one"
    assert not desk.traffic.departures.condemn(hand.worker, 0, SENTENCE), "nor for what an idle worker has kept"
    assert desk.hands[0].worker.condemned is None


def test_an_idle_worker_is_condemned_for_what_it_has_kept(desk: Desk) -> None:
    other, hand, client = desk.hire(), desk.hire(), desk.connect()
    assert desk.traffic.departures.condemn(hand.worker, 0, SENTENCE)
    client.send(GET % 1)
    other.answer(OK)
    assert client.answer() == (200, b"ok")
    assert hand.die()["status"] == 0


def test_a_stop_promises_no_incident(desk: Desk) -> None:
    hand, client = desk.hire(), desk.connect()
    client.send(POST % 1)
    hand.begin()
    desk.traffic.give_up("the server stops")
    hand.die()
    assert b"Incident" not in client.answer()[1]


def test_routes_tell_their_workers_how_long_they_may_take(desk: Desk) -> None:
    hand, client = desk.hire(), desk.connect()

    def allowed(target: bytes) -> int:
        client.send(b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n" % target)
        hand.answer(OK)
        client.answer()
        return hand.slot[ALLOWED]

    assert allowed(b"/1") == 0
    desk.traffic.apply(desk.traffic.options._replace(limit_time_real_routes=(("/a*", 2.5), ("/b", 0.0), ("*b", 1.0))))
    assert [allowed(target) for target in (b"/ab", b"/%61", b"/b?a", b"/bb", b"/c")] == [
        2_500_000_000, 2_500_000_000, FOREVER, 1_000_000_000, 0,
    ]  # fmt: skip
    desk.traffic.apply(desk.traffic.options._replace(limit_time_real_routes=()))
    hand.slot[ALLOWED] = 7
    assert allowed(b"/ab") == 0
