"""A stop: whom it waits for, and for how long."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from prefork.events import StopForced, Stopped, Stopping
from prefork.master import stop as module
from prefork.master.fleet import State, Worker
from prefork.master.pools import CRON, HTTP, LIVE
from prefork.master.stop import FAREWELL, PATIENCE, Stop

if TYPE_CHECKING:
    import pytest

    from prefork.master.loop import Master

GRACE, FAREWELL_OF_SOCKETS = 30.0, 60.0


class House:
    """A master with these workers, and one template."""

    def __init__(self, *workers: Worker, dispatcher: bool = True) -> None:
        self.events: list[Any] = []
        self.given_up: list[str] = []
        self.workers = list(workers)
        self.connections = 0
        process = SimpleNamespace(pid=999_999, channel=SimpleNamespace(wire=None, close=lambda: None))
        self.templates = SimpleNamespace(generations={1: 1}, leaving={}, forget=self.forget, end=lambda: None)
        settings = SimpleNamespace(
            drain_delay=0.0, graceful_timeout=GRACE, graceful_timeout_cron=120.0, websocket_farewell=FAREWELL_OF_SOCKETS
        )
        crew = SimpleNamespace(
            all=lambda: self.workers,
            give_up=self.give_up,
            forking=lambda: False,
            processes=SimpleNamespace(hasten=lambda _: None),
            open_connections=lambda _: self.connections,
        )
        self.master = SimpleNamespace(
            settings=settings,
            journal=SimpleNamespace(emit=self.events.append),
            listeners=[],
            watch=SimpleNamespace(dismiss=lambda: None),
            console=SimpleNamespace(dismiss=lambda: None),
            notifier=SimpleNamespace(stopping=lambda _: None),
            front=SimpleNamespace(process=process if dispatcher else None, tell=lambda *_, **__: None),
            templates=self.templates,
            crew=crew,
            unhear=lambda _: None,
            database=SimpleNamespace(dismiss=lambda _: True),
            status=None,
        )
        self.stop = Stop(cast("Master", self.master), Stopping("a reason"))
        self.now = time.monotonic()

    def forget(self, number: int) -> None:
        del self.templates.generations[number]
        self.templates.leaving[888_888] = None

    def give_up(self, workers: list[Worker], now: float) -> None:
        for worker in workers:
            self.given_up.append(worker.name)
            worker.to(State.KILLED, now)

    def step(self, later: float) -> None:
        """So many seconds after its beginning."""
        crew = self.master.crew
        crew.workers = {worker.slot: worker for worker in self.workers}
        self.stop.step(cast("Master", self.master), self.now + later)

    def said(self) -> list[type]:
        return [type(event) for event in self.events]


def worker(pool: Any) -> Worker:
    """One that leaves when it has finished."""
    return Worker(pool.places[0], 1, 0.0, state=State.RETIRING, pid=777_777, pool=pool)


def test_who_was_killed_long_ago_makes_no_stop_incomplete(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who leave by themselves, later than that, still have their templates and their database to wait for."""
    monkeypatch.setattr(module, "strangers", list)
    job = worker(CRON)
    house = House(worker(HTTP), job)
    house.stop.dispatcher_drained(cast("Master", house.master), 1)
    house.workers = [job]
    house.step(1)
    house.workers = []
    house.step(10)
    assert house.said() == [Stopping, StopForced]
    assert house.master.status is None
    house.templates.leaving.clear()
    house.master.front.process = None
    house.step(10.1)
    assert house.said() == [Stopping, StopForced, Stopped]


def test_what_goes_on_without_a_client_has_its_end_with_the_agreed_time() -> None:
    """The dispatcher has died, or knows of no request: a request or a task that nobody waits for held the stop."""
    house = House(worker(HTTP), worker(CRON))
    house.stop.dispatcher_drained(cast("Master", house.master), 0)
    house.step(GRACE)
    assert house.given_up == []
    house.step(GRACE + PATIENCE + 0.1)
    assert house.given_up == [house.workers[0].name]
    assert house.events[-1].reason == "http.1 had not finished within graceful_timeout"
    house.step(GRACE + PATIENCE + 0.2)
    assert len(house.given_up) == 1


def test_whose_clients_are_told_to_come_back_has_the_time_for_that() -> None:
    house = House(worker(HTTP))
    house.connections = 3
    house.stop.dispatcher_drained(cast("Master", house.master), 0)
    house.step(GRACE + PATIENCE + 1)
    assert house.given_up == []
    house.step(FAREWELL_OF_SOCKETS + FAREWELL + 1)
    assert house.given_up == ["http.1"]


def test_without_a_dispatcher_websocket_workers_have_an_end_too() -> None:
    house = House(worker(LIVE), dispatcher=False)
    house.step(FAREWELL_OF_SOCKETS + FAREWELL - 1)
    assert house.given_up == []
    house.step(FAREWELL_OF_SOCKETS + FAREWELL + 1)
    assert house.given_up == ["websocket.1"]
