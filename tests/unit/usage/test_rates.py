"""What happened between two answers of a server, and nothing of what was before."""

import copy
from typing import Any

import pytest
from tests.unit.test_metrics import TOLD

from prefork.usage.rates import between, is_later


def later(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(TOLD), "pid": 1, "uptime": 14.5, **changes}


BEFORE = {**TOLD, "pid": 1}


def test_a_quiet_time() -> None:
    now = later()
    now["occupied"] = {"workers": 0, "seconds": 3.25, "at": 3.0}
    line = between(BEFORE, now, 99.0)
    assert (line["time"], line["seconds"], line["requests"], line["in_flight"], line["routes"]) == (99.0, 2.0, 0.0, 0.0, [])
    assert line["wait"] == {"p50": None, "p95": None, "p99": None}


def test_only_what_is_new_counts() -> None:
    now = later(dispatcher={**TOLD["dispatcher"], "requests": 29, "failed": 2})
    now["occupied"] = {"workers": 2, "seconds": 6.25, "at": 3.0}
    busy = {"below": [(0.0001, 1), (0.0016, 13)], "count": 24, "sum": 12.5}
    now["distributions"]["lanes"][0]["service"] = busy
    route = now["distributions"]["routes"][0]
    route |= {"requests": 24, "errors": 3, "seconds": 4.5, "cpu": 1.5, "service": busy}
    line = between(BEFORE, now, 0.0)
    assert (line["requests"], line["failed"], line["in_flight"], line["busy"]) == (10.0, 2, 0.75, 2)
    assert line["service"]["p50"] == pytest.approx(0.0016), "10 of 20 were below that mark"
    assert line["service"]["p99"] == 0.0016, "what is above all marks is as long as the last one at least"
    (found,) = line["routes"]
    assert (found["requests"], found["errors"], found["share"], found["cpu"]) == (10.0, 2, 0.5, 0.5)


def test_a_percentile_lies_between_its_marks() -> None:
    now = later()
    now["distributions"]["lanes"][0]["wait"] = {"below": [(0.0001, 1), (0.0016, 103)], "count": 104, "sum": 3.0}
    assert between(BEFORE, now, 0.0)["wait"]["p50"] == pytest.approx(0.00085)


def test_a_route_that_is_new_has_had_nothing_before() -> None:
    now = later()
    now["distributions"]["routes"].append({**now["distributions"]["routes"][0], "path": "/new"})
    assert [row["path"] for row in between(BEFORE, now, 0.0)["routes"]] == ["/new"]


def test_another_server_begins_anew() -> None:
    assert is_later(BEFORE, later())
    assert not is_later(BEFORE, later(pid=2))
    assert not is_later(BEFORE, BEFORE)


def test_a_worker_with_a_loop_is_as_busy_as_it_has_requests() -> None:
    now = later(concurrency=5)
    now["occupied"] = {"workers": 5, "seconds": 13.25, "at": 3.0}
    assert between(BEFORE, now, 0.0)["in_flight"] == 0.5


def test_where_nobody_has_counted_nothing_is_said() -> None:
    assert between(BEFORE, later(), 0.0)["in_flight"] is None
