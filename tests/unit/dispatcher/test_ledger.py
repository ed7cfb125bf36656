"""What is noted about lanes, and that it stays with their names."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from prefork.config.lanes import Lane
from prefork.dispatcher.ledger import Ledger
from prefork.master.lanes import lanes
from prefork.master.status import occupied
from prefork.scoreboard import DISPATCHER, LANES, ROUTES_AT, SLOTS, Scoreboard

if TYPE_CHECKING:
    from collections.abc import Iterator

REPORTS, API = Lane("reports", ("/r/*",), 0, 3), Lane("api", ("/a/*",), 1, None)


@pytest.fixture
def scoreboard() -> Iterator[Scoreboard]:
    scoreboard = Scoreboard.create()
    yield scoreboard
    os.close(scoreboard.descriptor)


@pytest.fixture
def ledger(scoreboard: Scoreboard) -> Ledger:
    ledger = Ledger(scoreboard)
    ledger.arrange(["reports", "api", "default"])
    return ledger


def test_what_the_master_says_of_it(scoreboard: Scoreboard, ledger: Ledger) -> None:
    for _ in range(10):
        ledger.arrived(0)
        ledger.waited(0, 0.1)
    ledger.shed(0)
    ledger.served(0, 2.0)
    ledger.waited(2, 0.0)
    ledger.show(0, waiting=9, working=1, oldest=50.0)
    said = lanes((REPORTS, API), scoreboard, 52.5)
    reports, api, rest = said["lanes"]
    assert reports["wait"]["p50"] == pytest.approx(0.1, rel=0.2)
    assert reports["service"]["p99"] == pytest.approx(2.0, rel=0.2)
    assert {key: value for key, value in reports.items() if key not in {"wait", "service"}} == {
        "name": "reports",
        "patterns": ["/r/*"],
        "reserved": 0,
        "limit": 3,
        "waiting": 9,
        "working": 1,
        "oldest": 2.5,
        "arrived": 10,
        "shed": 1,
        "served": 1,
    }
    assert (api["served"], api["oldest"], api["wait"]) == (0, 0, {"p50": None, "p95": None, "p99": None})
    assert rest["name"] == "default"
    assert said["wait"]["p95"] == pytest.approx(0.1, rel=0.2)
    assert 0 <= rest["wait"]["p99"] < 50e-6
    assert said["service"]["p50"] == pytest.approx(2.0, rel=0.2)
    assert {name: sum(counts) for name, counts in said["histograms"].items()} == {"wait": 11, "service": 1}


def arrivals(scoreboard: Scoreboard, *declared: Lane) -> dict[str, int]:
    return {lane["name"]: lane["arrived"] for lane in lanes(declared, scoreboard, 0.0)["lanes"]}


def test_figures_move_with_the_name_of_their_lane(scoreboard: Scoreboard, ledger: Ledger) -> None:
    for lane in (0, 1, 1, 2, 2, 2):
        ledger.arrived(lane)
    assert arrivals(scoreboard, REPORTS, API) == {"reports": 1, "api": 2, "default": 3}
    ledger.arrange(["api", "new", "default"])
    assert arrivals(scoreboard, API, Lane("new", ("/n",), 0, None)) == {"api": 2, "new": 0, "default": 3}
    ledger.arrange(["default"])
    ledger.arrange(["api", "default"])
    assert arrivals(scoreboard, API) == {"api": 0, "default": 3}, "what was given up is forgotten"


def test_another_dispatcher_goes_on_where_the_last_one_ended(scoreboard: Scoreboard, ledger: Ledger) -> None:
    ledger.arrived(1)
    Ledger(scoreboard).arrange(["api", "default"])
    assert arrivals(scoreboard, API) == {"api": 1, "default": 0}


def test_lanes_that_the_dispatcher_has_not_heard_of_have_no_figures(scoreboard: Scoreboard, ledger: Ledger) -> None:
    ledger.arrived(0)
    assert arrivals(scoreboard, API, REPORTS) == {"api": 0, "reports": 0, "default": 0}


def test_the_last_lane_has_its_words(scoreboard: Scoreboard) -> None:
    ledger = Ledger(scoreboard)
    ledger.arrange([str(number) for number in range(LANES)])
    ledger.served(LANES - 1, 1e9)
    assert scoreboard.words[ROUTES_AT - 1] == 1
    assert not any(scoreboard.slot(SLOTS).words), "the dispatcher's own block is untouched"


def test_the_time_of_all_workers_adds_up(scoreboard: Scoreboard, ledger: Ledger) -> None:
    ledger.served(0, 2.0)
    ledger.sum_up([10.0, 11.5], 12.0)
    assert occupied(scoreboard.slot(DISPATCHER)) == {"workers": 2, "seconds": 4.5, "at": 12.0}
    ledger.served(1, 3.0)
    ledger.sum_up([11.5], 13.0)
    assert occupied(scoreboard.slot(DISPATCHER)) == {"workers": 1, "seconds": 6.5, "at": 13.0}


def test_another_dispatcher_goes_on_from_there(scoreboard: Scoreboard, ledger: Ledger) -> None:
    ledger.sum_up([10.0], 12.0)
    Ledger(scoreboard).sum_up([], 13.0)
    assert occupied(scoreboard.slot(DISPATCHER))["seconds"] == 2.0
