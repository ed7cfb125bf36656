"""The kernel hands nothing to anybody for now: no worker is killed for it, and no request lost."""

from __future__ import annotations

import errno
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from prefork.dispatcher.workers import Worker
from prefork.events import HandoverPaused

from .test_live import UPGRADE, Station

if TYPE_CHECKING:
    from .conftest import Desk

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def refuse(patch: pytest.MonkeyPatch, error: int) -> None:
    """From now on nothing reaches any worker, for this error."""

    def give(*_: Any) -> None:
        raise OSError(error, os.strerror(error))

    patch.setattr(Worker, "give", give)


@pytest.mark.parametrize("error", [errno.ETOOMANYREFS, errno.ENOBUFS, errno.ENOMEM])
def test_requests_wait_for_the_kernel_and_no_worker_is_to_blame(desk: Desk, error: int) -> None:
    hands, client = [desk.hire(), desk.hire()], desk.connect()
    with pytest.MonkeyPatch.context() as patch:
        refuse(patch, error)
        client.send(GET)
        for _ in range(3):
            desk.traffic.tick(client.connection.exchange.arrived)
        assert desk.traffic.queue.length == 1
    assert desk.loop.told == []
    paused = [event.reason for event in desk.journal.events if isinstance(event, HandoverPaused)]
    assert paused == [os.strerror(error)], "once a minute is enough"
    desk.traffic.tick(client.connection.exchange.arrived)
    worker = client.connection.exchange.worker
    next(hand for hand in hands if hand.worker is worker).answer(OK)
    assert client.answer() == (200, b"ok")


def test_a_worker_that_rests_may_leave(desk: Desk) -> None:
    hand, client = desk.hire(), desk.connect()
    with pytest.MonkeyPatch.context() as patch:
        refuse(patch, errno.ETOOMANYREFS)
        client.send(GET)
    hand.die()
    other = desk.hire()
    desk.traffic.tick(client.connection.exchange.arrived)
    other.answer(OK)
    assert client.answer() == (200, b"ok")


def test_what_only_one_worker_does_not_take_is_its_own_fault(desk: Desk) -> None:
    desk.hire()
    client = desk.connect()
    with pytest.MonkeyPatch.context() as patch:
        refuse(patch, errno.EAGAIN)
        client.send(GET)
    assert desk.loop.told == [("faulty", "http.1")]


def test_a_handshake_waits_as_well(desk: Desk) -> None:
    station = Station(desk)
    client = desk.connect()
    with pytest.MonkeyPatch.context() as patch:
        refuse(patch, errno.ETOOMANYREFS)
        client.send(UPGRADE)
    assert desk.loop.told == []
    desk.traffic.tick(client.connection.exchange.arrived)
    assert station.take().request.target == b"/websocket"


def test_one_that_has_found_a_request_by_itself_meanwhile_is_idle_once(desk: Desk) -> None:
    """Twice, it was given two requests at a time, and killed for the end of one of them."""
    hand, client = desk.hire(), desk.connect()
    with pytest.MonkeyPatch.context() as patch:
        refuse(patch, errno.ETOOMANYREFS)
        client.send(GET)
        desk.traffic.queue.withdraw(client.connection.exchange)
        desk.traffic.assignments.free(hand.worker)  # what it had found on a loan has ended
        desk.traffic.tick(time.monotonic())
    assert list(desk.traffic.queue.idle) == [hand.worker]


def test_one_that_still_works_for_what_it_has_found_meanwhile_is_not_idle(desk: Desk) -> None:
    hand, client = desk.hire(), desk.connect()
    with pytest.MonkeyPatch.context() as patch:
        refuse(patch, errno.ETOOMANYREFS)
        client.send(GET)
        desk.traffic.queue.withdraw(client.connection.exchange)
    hand.worker.finishing = 7
    desk.traffic.tick(time.monotonic())
    assert list(desk.traffic.queue.idle) == []
