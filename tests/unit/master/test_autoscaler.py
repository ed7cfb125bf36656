"""What the autoscaler sees on the scoreboard, and when it changes nothing: whose requests bring workers, and whose word counts."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from prefork.config import Settings
from prefork.dispatcher.ledger import Ledger
from prefork.events import AutoscaleBound, Autoscaled, Event
from prefork.lanes import Lane
from prefork.master.autoscaler import EVERY, SAY, Autoscaler
from prefork.master.fleet import State, Worker
from prefork.master.headroom import Headroom
from prefork.master.pools import HTTP
from prefork.master.supply import Supply
from prefork.scoreboard import Scoreboard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefork.master.loop import Master

MIB = 1 << 20
LANES = (Lane("reports", ("/r/*",), 0, 1), Lane("wide", ("/w/*",), 0, 8))
REPORTS, WIDE, REST = range(3)


class Desk:
    """A master with workers that are ready and idle, and a dispatcher that is a ledger. Time passes with `look`."""

    def __init__(self, **options: Any) -> None:
        self.events: list[Event] = []
        self.scoreboard = Scoreboard.create()
        self.ledger = Ledger(self.scoreboard)
        self.ledger.arrange([*(lane.name for lane in LANES), "default"])
        self.supply = Supply(HTTP, 2)
        self.now = 1000.0
        given = {"workers": "auto", "workers_min": 1, "workers_max": 4, "lanes": LANES, **options}
        self.master = SimpleNamespace(
            settings=Settings(**given),
            journal=SimpleNamespace(emit=self.events.append),
            scoreboard=self.scoreboard,
            supplies={HTTP.name: self.supply},
            crew=SimpleNamespace(all=self.workers),
            enforcer=SimpleNamespace(memory=lambda _worker: 50 * MIB),
            guard=SimpleNamespace(headroom=Headroom(8000 * MIB, 16000 * MIB), cramped=False),
            staffing=SimpleNamespace(complete=True),
            stopping=None,
        )
        self.autoscaler = Autoscaler(cast("Master", self.master))
        self.look()

    def workers(self) -> list[Worker]:
        return [Worker(slot, 1, 0.0, State.READY, pid=slot + 1) for slot in range(self.supply.count)]

    def look(self) -> int:
        self.now += EVERY
        self.ledger.sum_up([], self.now)
        self.autoscaler.step(self.now)
        return self.supply.count

    def wait_in(self, lane: int, since: float | None) -> None:
        """A request of a lane waits since so many seconds, or none does."""
        self.ledger.show(lane, 0 if since is None else 1, 0, None if since is None else self.now - since)

    def told(self) -> dict[str, Any]:
        told = self.autoscaler.told(self.now)
        assert told
        return told


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    os.close(desk.scoreboard.descriptor)


def test_a_request_that_was_served_too_late_brings_one_worker(desk: Desk) -> None:
    desk.ledger.waited(REST, 0.2)
    assert desk.look() == 3
    assert desk.events == [Autoscaled("http", 2, 3, "1 request waited too long")]
    assert desk.look() == 3, "once"


def test_a_request_that_waits_still_does_so_too(desk: Desk) -> None:
    desk.wait_in(REST, 0.01)
    assert desk.look() == 3, "it has waited for longer than a look by then"


def test_one_that_has_hardly_waited_brings_none(desk: Desk) -> None:
    desk.ledger.waited(REST, 0.04)
    assert desk.look() == 2


@pytest.mark.parametrize(("lane", "workers"), [(REPORTS, 2), (WIDE, 3)])
def test_a_lane_that_may_not_have_all_workers_brings_none(desk: Desk, lane: int, workers: int) -> None:
    desk.ledger.waited(lane, 0.2)
    desk.wait_in(lane, 1.0)
    assert desk.look() == workers


def test_who_had_to_wait_for_the_new_workers_brings_no_further_ones(desk: Desk) -> None:
    desk.wait_in(REST, 1.0)
    assert desk.look() == 3
    desk.ledger.waited(REST, 1.2)
    desk.wait_in(REST, None)
    assert [desk.look() for _ in range(4)] == [3, 3, 3, 3]
    desk.wait_in(REST, 1.0)
    assert desk.look() == 4


def test_what_binds_is_said_once_a_minute(desk: Desk) -> None:
    desk.supply.count = 4
    for _ in range(int(1.5 * SAY / EVERY)):
        desk.ledger.waited(REST, 0.2)
        desk.look()
    assert [type(event) for event in desk.events] == [AutoscaleBound, AutoscaleBound]
    assert desk.told()["bound"] == {"what": "workers_max", "workers": 4, "why": "set to 4"}


def test_memory_and_the_database_bind_too() -> None:
    for options, headroom, what, most in (
        ({}, Headroom(1640 * MIB, 16000 * MIB), "memory", 2),
        ({"database_connections": 7, "websocket_workers": 0}, Headroom(None, None), "database", 3),
    ):
        desk = Desk(**options)
        desk.master.guard.headroom = headroom
        for _ in range(4):
            desk.ledger.waited(REST, 0.2)
            desk.look()
        assert desk.supply.count == most
        assert desk.told()["bound"]["what"] == what
        os.close(desk.scoreboard.descriptor)


def test_a_number_that_is_held_stays_and_what_came_meanwhile_is_forgotten(desk: Desk) -> None:
    desk.autoscaler.hold()
    desk.ledger.waited(REST, 0.2)
    assert desk.look() == 2
    assert desk.told()["held"]
    desk.autoscaler.let_go()
    assert desk.look() == 2
    desk.ledger.waited(REST, 0.2)
    assert desk.look() == 3
    assert desk.told()["last"] == {"before": 2, "workers": 3, "reason": "1 request waited too long", "age": 0.0}


def test_new_settings_keep_the_number_within_their_bounds(desk: Desk) -> None:
    desk.supply.count = 4
    assert desk.autoscaler.kept(Settings(workers="auto", workers_min=1, workers_max=9), 1) == 4
    assert desk.autoscaler.kept(Settings(workers="auto", workers_min=1, workers_max=3), 1) == 3
    assert desk.autoscaler.kept(Settings(workers="auto", workers_min=6, workers_max=9), 6) == 6
    assert desk.autoscaler.kept(Settings(workers=2), 2) == 2


def test_where_the_number_is_set_nothing_is_found() -> None:
    desk = Desk(workers=2)
    desk.ledger.waited(REST, 0.2)
    assert desk.look() == 2
    assert desk.autoscaler.told(desk.now) is None
    os.close(desk.scoreboard.descriptor)
