"""What Prometheus reads: every family is well formed, whatever a server and its clients have named."""

import copy
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families as parsed

from prefork.metrics import FAMILIES, exposition

TIMES = {"below": [(0.0001, 1), (0.0016, 3)], "count": 4, "sum": 2.5}
ROUTE = {
    "method": "GET",
    "path": "/a",
    "requests": 4,
    "errors": 1,
    "seconds": 2.5,
    "cpu": 0.5,
    "bytes": 100,
    "queries": 0,
    "sql": 0.0,
}
WORKER = {"pool": "http", "pid": 7, "state": "busy", "memory": 1000}
TOLD: dict[str, Any] = {
    "version": "1.0",
    "app": "shop:app",
    "state": "running",
    "uptime": 12.5,
    "generation": 2,
    "concurrency": 0,
    "wanted": 2,
    "ready": 1,
    "cron": {"wanted": 1, "ready": 1},
    "websocket": {"wanted": 0, "ready": 0, "connections": 3},
    "queue": {"length": 1, "size": 10, "oldest": 0.5},
    "dispatcher": {
        "connections": 4,
        "requests": 9,
        "cpu": 1.75,
        "lent": 5,
        "retried": 1,
        "failed": 0,
        "refused": 0,
        "abandoned": 2,
        "classes": {"2xx": 8, "5xx": 1},
    },
    "occupied": {"workers": 1, "seconds": 3.25, "at": 1.0},
    "lanes": [{"name": "default", "waiting": 1, "working": 1, "oldest": 0.5, "arrived": 9, "shed": 0}],
    "workers": [WORKER, {**WORKER, "state": "idle"}, {**WORKER, "pid": 8, "memory": 500}, {**WORKER, "pid": 9, "memory": None}],
    "incidents": 0,
    "crash_loop": None,
    "distributions": {
        "lanes": [{"name": "default", "wait": TIMES, "service": TIMES}],
        "routes": [{**ROUTE, "wait": TIMES, "service": TIMES}],
    },
}


def values(told: dict[str, Any]) -> dict[tuple[str, str], float]:
    return {
        (sample.name, ",".join(sample.labels.values())): sample.value
        for family in parsed(exposition(told))
        for sample in family.samples
    }


def test_every_family_is_read_with_its_kind_and_help() -> None:
    told = copy.deepcopy(TOLD)
    told["distributions"]["routes"][0] |= {"queries": 8, "sql": 0.25}
    found = {family.name: (family.type, family.documentation) for family in parsed(exposition(told))}
    assert found == {family.name.removesuffix("_total"): (family.kind, family.help) for family in FAMILIES}


def test_names_follow_the_conventions() -> None:
    for family in FAMILIES:
        assert family.name.startswith("prefork_")
        assert family.name.endswith("_total") == (family.kind == "counter")
        assert family.help.endswith(".")


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("prefork_info", "1.0,shop:app", 1),
        ("prefork_state", "running", 1),
        ("prefork_state", "stopping", 0),
        ("prefork_answers_total", "5xx", 1),
        ("prefork_requests_lent_total", "", 5),
        ("prefork_dispatcher_cpu_seconds_total", "", 1.75),
        ("prefork_workers_ready", "cron", 1),
        ("prefork_workers", "http,busy", 3),
        ("prefork_workers", "http,idle", 1),
        ("prefork_workers_memory_bytes", "http", 1500),
        ("prefork_worker_memory_max_bytes", "cron", 0),
        ("prefork_workers_in_flight_seconds_total", "", 3.25),
        ("prefork_queue_oldest_seconds", "default", 0.5),
        ("prefork_wait_seconds_bucket", "default,0.0016", 3),
        ("prefork_wait_seconds_bucket", "default,+Inf", 4),
        ("prefork_wait_seconds_sum", "default", 2.5),
        ("prefork_route_errors_total", "GET,/a", 1),
        ("prefork_crash_loop", "", 0),
    ],
)
def test_what_is_said(name: str, labels: str, value: float) -> None:
    assert values(TOLD)[name, labels] == value


def test_a_worker_with_a_loop_has_room_for_more() -> None:
    assert values(TOLD)["prefork_capacity", ""] == 1
    assert values({**TOLD, "concurrency": 64})["prefork_capacity", ""] == 64


def test_nothing_is_said_of_a_dispatcher_that_is_not_there() -> None:
    told = {**TOLD, "dispatcher": {**TOLD["dispatcher"], "cpu": None}}
    assert "prefork_dispatcher_cpu_seconds_total" not in exposition(told)


def test_queries_are_said_of_routes_that_have_some_only() -> None:
    assert "prefork_route_queries_total" not in exposition(TOLD)


def test_what_somebody_has_named_is_escaped() -> None:
    told = copy.deepcopy(TOLD)
    told["app"] = 'a"b\\c\nd'
    (info,) = [family for family in parsed(exposition(told)) if family.name == "prefork_info"]
    assert info.samples[0].labels["app"] == 'a"b\\c\nd'


def test_a_server_without_requests_and_workers_is_told_of() -> None:
    told = {**TOLD, "workers": [], "lanes": [], "distributions": {"lanes": [], "routes": []}}
    found = values(told)
    assert found["prefork_workers_memory_bytes", "http"] == 0
    assert not [name for name, _ in found if name.startswith("prefork_route")]
