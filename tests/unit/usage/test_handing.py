"""What is said of handing requests over, and when nothing is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from prefork.histogram import bucket
from prefork.scoreboard import BUCKETS
from prefork.usage.handing import Handing, handing

if TYPE_CHECKING:
    from collections.abc import Callable

    Status = Callable[..., dict[str, Any]]

# Two workers of hello world, as measured (docs/benchmarks.md).
QUICK = Handing(1200, 2400.0, 0.0, 0.00021, 0.12, 0.1, on=False, obstacles=(), looped=False)
LENT = QUICK._replace(on=True, lent=0.97)
SLOW = Handing(420, 210.0, 0.03, 0.0214, 0.014, 1.6, on=True, obstacles=(), looped=False)


def test_quick_requests_had_better_be_read_by_workers() -> None:
    assert QUICK.advice == (
        "try lend_connections = True: workers read requests themselves then",
        (
            "half of the 2,400 requests a second take 0.2 ms; handing one over takes the dispatcher 50 µs of processor time, and "
            "workers use 42 µs; a worker has the sockets of many clients then (docs/operate.md, Speed)"
        ),
    )


def test_what_gives_nothing_is_said_to() -> None:
    assert SLOW.advice == (
        "do without lend_connections = True: it gives nothing here",
        (
            "half of the 210 requests a second take 21 ms, and workers have read 3 % of them themselves; a worker has the "
            "sockets of several clients with it (docs/operate.md, Speed)"
        ),
    )


def test_what_keeps_it_from_counting_is_named() -> None:
    assert LENT._replace(obstacles=("limit_time_real_routes", "unix sockets")).advice == (
        "nothing is lent although lend_connections = True",
        "that has no effect with limit_time_real_routes and unix sockets (docs/operate.md, Speed)",
    )


@pytest.mark.parametrize(
    "handing",
    [
        LENT,
        QUICK._replace(obstacles=("a lane that reserves workers",)),
        QUICK._replace(answered=99),
        QUICK._replace(answered=0, requests=0.0, lent=None, service=None),
        QUICK._replace(dispatcher=0.09),
        QUICK._replace(workers=0.6),
        QUICK._replace(service=0.003),
        SLOW._replace(on=False),
        SLOW._replace(lent=0.2),
        SLOW._replace(answered=99),
        SLOW._replace(looped=True),
    ],
    ids=[
        "it is lent",
        "it cannot be",
        "few requests",
        "none",
        "so few that it does not matter",
        "workers use far more",
        "requests take milliseconds",
        "slow ones that are handed over",
        "a part is lent",
        "few slow ones",
        "a loop that awaits",
    ],
)
def test_otherwise_nothing_is_said(handing: Handing) -> None:
    assert handing.advice is None


def test_a_dispatcher_that_has_no_time_makes_requests_seem_longer() -> None:
    assert QUICK._replace(service=0.003, dispatcher=0.97, workers=0.9).advice


def test_requests_of_a_loop_may_wait_for_something() -> None:
    assert QUICK._replace(service=0.008, looped=True).advice


def services(**counts: int) -> dict[str, list[int]]:
    found = [0] * BUCKETS
    for name, count in counts.items():
        found[bucket(float(name.removeprefix("ms")) / 1000)] = count
    return {"wait": [0] * BUCKETS, "service": found}


def test_two_statuses_say_what_has_happened_between_them(status: Status) -> None:
    before = status(at=100.0, histograms=services(ms9=7))
    dispatcher = before["dispatcher"] | {"cpu": 2.5, "requests": 4000, "lent": 900}
    lending = {"on": True, "obstacles": ["unix sockets"]}
    after = status(at=110.0, histograms=services(ms9=7, ms1=1000), dispatcher=dispatcher, lending=lending, concurrency=128)
    found = handing(before, after, 0.75)
    assert found
    assert (found.answered, found.requests, found.lent, found.dispatcher, found.workers) == (1000, 100.0, 0.9, 0.05, 0.75)
    assert found.service == pytest.approx(0.001, rel=0.2)
    assert (found.on, found.obstacles, found.looped) == (True, ("unix sockets",), True)
    told = found.told()
    assert (told["requests"], told["lent"], told["obstacles"]) == (100.0, 0.9, ["unix sockets"])
    assert told["advice"]["reason"].startswith("that has no effect with unix sockets")


def test_nothing_happened_where_nobody_asked(status: Status) -> None:
    found = handing(status(at=100.0), status(at=110.0), 0.0)
    assert found
    assert (found.requests, found.lent, found.service, found.advice) == (0.0, None, None, None)


@pytest.mark.parametrize(
    "changed", [{"pid": 7}, {"dispatcher": {"pid": 7, "cpu": 1.0}}, {"dispatcher": {"pid": 4243, "cpu": None}}, {"at": 100.0}]
)
def test_nobody_can_tell_over_a_start_or_without_time(status: Status, changed: dict[str, Any]) -> None:
    assert handing(status(at=100.0), status(**{"at": 110.0, **changed}), 0.0) is None
