"""Buckets that leave no gap, and percentiles that are right to the width of one."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefork.histogram import EDGES, below, bucket, percentiles
from prefork.scoreboard import BUCKETS

durations = st.floats(0, 1500)


def counted(seconds: list[float]) -> list[int]:
    counts = [0] * BUCKETS
    for each in seconds:
        counts[bucket(each)] += 1
    return counts


def test_edges() -> None:
    assert len(EDGES) == BUCKETS + 1
    assert (EDGES[0], EDGES[4], EDGES[8]) == (0, 50e-6, 100e-6)
    assert EDGES[-1] > 20 * 60
    ratios = [after / before for before, after in itertools.pairwise(EDGES[4:])]
    assert 1.14 < min(ratios) <= max(ratios) <= 1.25 + 1e-9


@given(durations)
def test_a_duration_lies_in_its_bucket(seconds: float) -> None:
    number = bucket(seconds)
    assert EDGES[number] <= seconds < EDGES[number + 1]


@pytest.mark.parametrize(("seconds", "number"), [(-1e-9, 0), (0.0, 0), (1e6, BUCKETS - 1)])
def test_what_is_beyond_counts_at_the_end(seconds: float, number: int) -> None:
    assert bucket(seconds) == number


@given(st.lists(durations, min_size=1), st.sampled_from([0.5, 0.95, 0.99, 1.0]))
def test_percentiles_are_right_to_a_bucket(seconds: list[float], share: float) -> None:
    rank = next(n for n in range(1, len(seconds) + 1) if n >= share * len(seconds))
    exact = bucket(sorted(seconds)[rank - 1])
    (said,) = percentiles(counted(seconds), [share])
    assert said is not None
    assert EDGES[exact] <= said <= EDGES[exact + 1]


def test_percentiles_of_nothing() -> None:
    assert percentiles([0] * BUCKETS, [0.5, 0.99]) == [None, None]


@given(st.lists(durations), st.lists(durations, min_size=1))
def test_what_was_counted_before_can_be_left_out(before: list[float], after: list[float]) -> None:
    shares = [0.5, 0.95, 0.99]
    assert percentiles(counted(before + after), shares, before=counted(before)) == percentiles(counted(after), shares)


def test_marks_for_those_who_count_on() -> None:
    counts = counted([10e-6, 99e-6, 100e-6, 0.0002, 0.0399, 3000.0])
    found = below(counts, 2)
    assert found[:3] == [(0.0001, 2), (0.0004, 4), (0.0016, 4)]
    assert found[-1][1] == 5, "what lasts longer is below none"
    assert dict(below(counts, 1))[0.0002] == 3
