"""Requests that workers have answered, and when they are in the accounts."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prefork.dispatcher.settlement import MANY
from prefork.messages import KEEP, pack_ending, unpack_ending
from prefork.scoreboard import ANSWERED, RESIDENT_AT
from prefork.trace import calls

from .conftest import TRACE

if TYPE_CHECKING:
    import pytest

    from .conftest import Desk, Hand

GET = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def answer(desk: Desk, hand: Hand, number: int) -> None:
    """A client's request is answered, and the dispatcher hears it."""
    client = desk.connect()
    client.send(GET % number)
    request = hand.begin()
    hand.send(OK)
    desk.traffic.ended(hand.worker, unpack_ending(pack_ending(request.number, 200, len(OK), 5000, KEEP)))
    assert client.receive(len(OK)) == OK


def test_a_few_wait_as_long_as_workers_are_busy(desk: Desk) -> None:
    hand, settlement = desk.hire(), desk.traffic.settlement
    for number in range(MANY):
        assert not settlement.due(busy=True)
        assert settlement.due(busy=False) is (number > 0)
        answer(desk, hand, number)
    assert settlement.due(busy=True)
    assert (desk.counters[ANSWERED], desk.journal.names()) == (0, [])
    settlement.settle()
    assert (desk.counters[ANSWERED], desk.journal.names()) == (MANY, ["access"] * MANY)
    assert not settlement.due(busy=False)
    assert [event.values()["target"] for event in desk.journal.events] == [f"/{number}" for number in range(MANY)]


def test_each_is_entered_as_of_its_end(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    hand, spans, said = desk.hire(), [], []
    monkeypatch.setattr(desk.journal, "note", lambda event, at: said.append((event.service, at)))
    for number in range(2):
        began = time.time()
        answer(desk, hand, number)
        spans.append((began, time.time()))
    desk.traffic.tick(time.monotonic() + 5.0)
    assert [began - 0.1 < at < end + 0.1 for (_, at), (began, end) in zip(said, spans, strict=True)] == [True, True]
    assert said[0][1] < said[1][1]
    assert max(service for service, _ in said) < 1.0, "what came after the end is no time of the worker's"


def test_memory_is_that_of_the_request_which_has_ended(desk: Desk) -> None:
    hand, bills = desk.hire(), desk.traffic.accounts.bills
    for number in range(2):
        hand.slot[RESIDENT_AT] = (number + 1) << 20
        answer(desk, hand, number)
        hand.slot[RESIDENT_AT] = 9 << 20  # the next one's
    desk.traffic.settlement.settle()
    assert bills.last[hand.worker.number][2] == 2 << 20


def test_lanes_that_change_have_what_ended_before(desk: Desk) -> None:
    hand = desk.hire()
    answer(desk, hand, 1)
    desk.traffic.apply(desk.traffic.options)
    assert len(calls(TRACE.read())) == 1


def test_what_is_accounted_for_at_once_comes_behind_it(desk: Desk) -> None:
    hand, client = desk.hire(), desk.connect()
    answer(desk, hand, 1)
    client.send(GET.replace(b"/%d", b"/_prefork/live"))
    assert [event.values()["target"] for event in desk.journal.events] == ["/1", "/_prefork/live"]
    answer(desk, hand, 2)
    client.send(b"POST /3 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
    hand.begin()
    hand.die()
    assert desk.journal.names() == ["access", "access", "access", "request_failed", "access"]
