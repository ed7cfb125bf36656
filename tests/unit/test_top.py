"""The screen of `prefork top`: what keys choose, and that it fits wherever it is shown."""

import copy
from typing import Any

import pytest
from rich.console import Console, Group
from tests.unit.test_metrics import TOLD, WORKER

from prefork.usage.rates import between
from prefork.views.top import LONGEST, PACES, Choice, course, screen


def line(number: int) -> dict[str, Any]:
    before, now = {**TOLD, "pid": 1}, {**copy.deepcopy(TOLD), "pid": 1, "uptime": 13.5}
    row = {**WORKER, "generation": 1, "requests": number, "age": 7.0, "busy_for": None, "job": None}
    now["workers"] = [{**row, "name": f"http.{each}", "memory": each << 20} for each in range(1, 31)]
    route = now["distributions"]["routes"][0]
    now["distributions"]["routes"] = [
        {**route, "path": f"/{'long/' * 30}{each}", "requests": 10 + each, "errors": 5, "seconds": 3.0 - each / 100}
        for each in range(30)
    ]
    now["occupied"] = {"workers": 1, "seconds": 3.25 + number / 100, "at": 2.0}
    return between(before, now, float(number))


LINES = [line(number) for number in range(LONGEST)]


def drawn(choice: Choice, width: int = 80, height: int = 24, lines: list[dict[str, Any]] = LINES, trouble: str = "") -> list[str]:
    console = Console(width=width, height=height, color_system=None, highlight=False)
    with console.capture() as capture:
        console.print(Group(*screen(lines, choice, width, height, trouble)))
    return capture.get().splitlines()


@pytest.mark.parametrize("table", ["routes", "workers"])
@pytest.mark.parametrize(("width", "height"), [(80, 24), (132, 50), (60, 12), (200, 15)])
def test_it_fits(table: str, width: int, height: int) -> None:
    said = drawn(Choice(table=table), width, height)
    assert len(said) <= height
    assert max(map(len, said)) <= width
    assert said[0].startswith("● shop:app running for")
    assert "q quit" in said[-1]


def test_what_matters_most_is_on_it() -> None:
    said = "\n".join(drawn(Choice()))
    for part in ("1 of 1 workers busy, 2 wanted", "In flight", "60 %", "Waited", "1 waiting, 0.5 s · 4 clients", "1–13 of 30", "▁"):
        assert part in said


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("", Choice()),
        ("q", Choice(ended=True)),
        ("\x1b", Choice(ended=True)),
        ("p", Choice(paused=True)),
        (" p", Choice()),
        ("w", Choice(table="workers")),
        ("\t\t", Choice()),
        ("wr", Choice()),
        ("-", Choice(pace=2)),
        ("++++", Choice(pace=0)),
        ("-" * 9, Choice(pace=len(PACES) - 1)),
        ("jjk", Choice(first=1)),
        ("k", Choice()),
        ("jjw", Choice(table="workers")),
        ("s", Choice(orders=(("routes", 1), ("workers", 0)))),
        ("ssss", Choice()),
        ("xyz?", Choice()),
    ],
)
def test_keys(keys: str, expected: Choice) -> None:
    choice = Choice()
    for key in keys:
        choice = choice.press(key)
    assert choice == expected


def test_the_order_is_chosen() -> None:
    def first(choice: Choice) -> list[str]:
        return drawn(choice, width=300)[9].split()

    assert first(Choice())[-1].endswith("/0"), "most time of workers first"
    assert first(Choice().press("s"))[-1].endswith("/29"), "most requests first"
    assert first(Choice().press("w"))[0] == "http.1"
    assert first(Choice().press("w").press("s").press("s"))[0] == "http.30", "most memory first"


def test_workers_with_loops_have_requests() -> None:
    assert "300 requests in 1 workers" in drawn(Choice(), lines=[{**LINES[0], "concurrency": 1000, "busy": 300}])[0]


def test_scrolling_ends_where_the_table_does() -> None:
    assert "18–30 of 30" in drawn(Choice(first=1000))[-1]


def test_a_server_that_is_away_is_said() -> None:
    assert drawn(Choice(), lines=[]) == ["Measuring …"]
    assert drawn(Choice(), lines=[], trouble="no server runs") == ["no server runs"]
    assert "no server runs" in drawn(Choice(), trouble="no server runs")[0]


def test_a_course() -> None:
    assert course([0.0, 0.5, None, 1.0], 4, top=1.0).plain == "▁▅ █"
    assert course([1.0, 2.0], 4).plain == "  ▅█"
    assert course([0.0], 2).plain == " ▁"
    assert course([None], 1).plain == " "
