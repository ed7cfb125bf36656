"""Which lane a path belongs to, and that no other spelling of it is a way around."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefork.config.kinds import lanes
from prefork.dispatcher.lanes import Lanes
from prefork.dispatcher.queue import UNLIMITED, Share
from prefork.http.paths import glob

LANES = Lanes(lanes("reports:/report/*|/print:0-3, api:/api/*/v*:2, menu:/café:1-2, rest:/r*:0"))


@pytest.mark.parametrize(
    ("target", "name"),
    [
        (b"/report/", "reports"),
        (b"/report/a/b?c=/api/", "reports"),
        (b"/print", "reports"),
        (b"/print?", "reports"),
        (b"/%72eport/1", "reports"),
        (b"//report///1", "reports"),
        (b"/%2Freport/1", "reports"),
        (b"/report/%0A", "reports"),
        (b"/report", "rest"),
        (b"/printer", "default"),
        (b"/x/report/1", "default"),
        (b"/?/report/1", "default"),
        (b"/%2572eport/1", "default"),
        (b"/api/x/v1", "api"),
        (b"/api/vv", "default"),
        (b"/caf%C3%A9", "menu"),
        (b"/caf%c3%a9?x", "menu"),
        (b"/%zz%7", "default"),
        (b"*", "default"),
        (b"/\xff", "default"),
    ],
)
def test_the_lane_of_a_target(target: bytes, name: str) -> None:
    assert LANES.names[LANES.of(target)] == name


def test_names_and_shares_end_with_everything_else() -> None:
    assert LANES.names == ["reports", "api", "menu", "rest", "default"]
    assert LANES.shares == [Share(0, 3), Share(2, UNLIMITED), Share(1, 2), Share(0, UNLIMITED), Share(0, UNLIMITED)]
    assert LANES.rest == 4


def test_without_lanes_everything_is_in_the_same() -> None:
    none = Lanes(())
    assert (none.of(b"/report/1"), none.names, none.shares) == (0, ["default"], [Share()])


def fits(pattern: str, text: str) -> bool:
    """What a pattern means, tried in every way."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(fits(pattern[1:], text[start:]) for start in range(len(text) + 1))
    return text[:1] == pattern[0] and fits(pattern[1:], text[1:])


@given(st.text("/ab*", max_size=6), st.text("/ab", max_size=8))
def test_a_star_stands_for_anything(pattern: str, path: str) -> None:
    one = Lanes(lanes(f"one:/{pattern}:1"))
    squeezed = "/" + path.lstrip("/")
    while "//" in squeezed:
        squeezed = squeezed.replace("//", "/")
    assert (one.of(f"/{path}".encode()) == 0) == fits("/" + pattern, squeezed)


def test_a_path_that_was_made_up_for_a_pattern_costs_little() -> None:
    lane = Lanes(lanes("one:*ab*ab*ab*ab*ab*ab*c:1"))
    begun = time.process_time()
    assert lane.of(b"/" + b"ab" * 30_000) == 1
    assert time.process_time() - begun < 0.5


def test_signs_of_regular_expressions_mean_themselves() -> None:
    assert glob("/a.b(c)+") == rb"/a\.b\(c\)\+"
