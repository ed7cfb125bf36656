"""Advice about routes: for the few that take most time, and by what they have cost."""

from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from prefork.usage.tips import FEW, judged, tips
from prefork.views.routes import amount, screen

SPREAD = {"p50": 0.01, "p95": 0.05, "p99": 0.1}
ROUTE: dict[str, Any] = {
    "method": "GET",
    "path": "/orders/{id}",
    "requests": 100,
    "errors": 0,
    "seconds": 10.0,
    "cpu": 4.0,
    "bytes": 1000,
    "queries": 0,
    "sql": 0.0,
    "growth": 0,
    "wait": SPREAD,
    "service": SPREAD,
}


@pytest.mark.parametrize(
    ("facts", "beginnings"),
    [
        ({}, []),
        ({"queries": 5000}, ["aggregate in SQL: 50 queries"]),
        ({"queries": 5000, "method": "POST"}, ["batch operations: 50 queries"]),
        ({"queries": 200, "sql": 6.0}, ["index what it searches and sorts by, and archive old records: 60 % of its time"]),
        ({"service": {**SPREAD, "p95": 8.0}}, ["move it to a job"]),
        ({"cpu": 9.0}, ["compute less, or in SQL: 90 % of its time"]),
        ({"cpu": 0.1}, ["batch what it asks of the database and of others: 99 %"]),
        ({"cpu": 0.1, "queries": 10}, []),
        ({"growth": 300 << 20}, ["load less at once: each request leaves 3.0 MiB"]),
        ({"growth": -(300 << 20)}, []),
        ({"cpu": 9.0, "requests": 3}, []),
    ],
)
def test_what_would_help(facts: dict[str, Any], beginnings: list[str]) -> None:
    found = list(tips({**ROUTE, **facts}))
    assert [tip[: len(beginning)] for tip, beginning in zip(found, beginnings, strict=True)] == beginnings


def test_only_the_few_that_take_most_are_spoken_of() -> None:
    found = judged([{**ROUTE, "cpu": 0.9 * seconds, "seconds": seconds} for seconds in (60.0, 25.0, 10.0, 5.0)])
    assert [each["share"] for each in found] == [0.6, 0.25, 0.1, 0.05]
    assert [bool(each["tips"]) for each in found] == [True, True, False, False]
    many = judged([{**ROUTE, "cpu": 9.0}] * 20)
    assert sum(bool(each["tips"]) for each in many) == FEW


def test_nothing_is_advised_about_what_is_no_route() -> None:
    (other,) = judged([{**ROUTE, "path": "(other)", "cpu": 9.0}])
    assert other["tips"] == []


def test_a_server_that_nobody_has_asked_for_anything() -> None:
    assert judged([]) == []
    assert list(screen({"uptime": 1.0, "routes": []}, 80)) == ["No request has reached a worker yet."]


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_fits(width: int) -> None:
    routes = judged([{**ROUTE, "cpu": 9.0, "path": "/" + "long/" * 25, "errors": 3, "requests": 1_234_567}] * 12)
    console = Console(width=width, color_system=None, highlight=False)
    with console.capture() as capture:
        console.print(*screen({"uptime": 90061.0, "routes": routes}, width), sep="\n")
    said = capture.get()
    assert max(map(len, said.splitlines())) <= width
    assert "and 2 more with 17 % of the time: --all shows them" in said
    assert "What would help" in said


def test_amounts() -> None:
    assert [amount(count) for count in (0, 1023, 1536, 20 << 20, 3 << 40)] == ["0 B", "1023 B", "1.5 KiB", "20 MiB", "3.0 TiB"]


def test_without_a_server_the_commands_say_so(tmp_path: Any) -> None:
    from prefork.cli import main

    for verb in ("routes", "metrics"):
        result = CliRunner().invoke(main, [verb, "--data-dir", str(tmp_path)])
        assert (result.exit_code, "no server runs at" in result.output) == (4, True)
