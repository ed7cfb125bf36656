"""What an answer of another release lacks is named, whatever it is; what it says beyond is its own business."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.unit.test_cli import STATUS

from prefork.control.answers import ANSWERS, Shape, explained, lacking


def names(shape: Shape, name: str = "") -> Iterator[str]:
    """Those of everything in a shape that is always there."""
    if isinstance(shape, list):
        yield from names(shape[0], name)
    elif isinstance(shape, dict):
        for part, inner in shape.items():
            below = f"{name}.{part}" if name else part
            yield below
            yield from names(inner, below)


def without(answer: dict[str, Any], name: str, value: object = ...) -> dict[str, Any]:
    """An answer that lacks something, or has something else there; of rows, each."""
    made = json.loads(json.dumps(answer))  # no row is another one
    *path, last = name.split(".")
    places: list[Any] = [made]
    for part in path:
        below = [place[part] for place in places]
        places = [row for each in below for row in (each if isinstance(each, list) else [each])]
    for place in places:
        if value is ...:
            del place[last]
        else:
            place[last] = value
    return made


NAMES = list(names(ANSWERS["status"]))


def test_what_is_said_beyond_is_welcome() -> None:
    assert lacking("status", {**STATUS, "news": 1, "workers": [{**STATUS["workers"][0], "news": 1}]}) == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [..., object()], ids=["missing", "of another kind"])
def test_what_is_not_there_is_named(name: str, value: object) -> None:
    assert lacking("status", without(STATUS, name, value)) == [name]


@pytest.mark.parametrize(
    ("change", "lacks"),
    [
        ({"crash_loop": {"failures": 1, "next_try": 2.0}}, ["crash_loop.traceback"]),
        ({"crash_loop": {"failures": 1, "next_try": 2.0, "traceback": None}}, []),
        ({"autoscale": 7}, ["autoscale"]),
        ({"workers": [], "lanes": []}, []),
        ({"workers": [1, 2], "lanes": {}}, ["lanes", "workers"]),
        ({"addresses": ["a", 1]}, ["addresses"]),
    ],
)
def test_what_is_there_sometimes(change: dict[str, Any], lacks: list[str]) -> None:
    assert lacking("status", {**STATUS, **change}) == lacks


def test_nothing_is_asked_of_what_nobody_relies_on() -> None:
    assert lacking("stop", {"ok": True}) == []


@pytest.mark.parametrize("version", [None, 7, ""])
def test_who_says_no_release_is_of_another_one(version: object) -> None:
    assert explained("the server in /srv", ["lanes"], version).startswith(
        "what the server in /srv says is not understood (lanes): it is of another release, this is Prefork "
    )
