"""The arithmetic of the benchmark's report."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from figures import Column, cell, percentile, ratio, summarize

MEDIAN = Column("p99", "p99, ms", decimals=1, ratio=True)
TOTAL = Column("failed", "failed", summary="total")


@pytest.mark.parametrize(
    ("percent", "expected"), [(0, 1.0), (1, 1.0), (50, 50.0), (50.5, 51.0), (99, 99.0), (99.1, 100.0), (100, 100.0)]
)
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(percent: float, expected: float) -> None:
    assert percentile([float(n) for n in range(1, 101)], percent) == expected


@given(st.lists(st.floats(0, 1e9), min_size=1).map(sorted), st.floats(0, 100))
def test_a_percentile_is_one_of_the_values_and_enough_are_not_above_it(values: list[float], percent: float) -> None:
    found = percentile(values, percent)
    assert found in values
    assert sum(value <= found for value in values) >= math.floor(len(values) * percent / 100)


@pytest.mark.parametrize(("values", "percent"), [([], 50), ([1.0], -1), ([1.0], 101)])
def test_a_percentile_of_nothing_or_outside_the_scale_is_refused(values: list[float], percent: float) -> None:
    with pytest.raises(ValueError, match="percentile"):
        percentile(values, percent)


def test_rounds_become_their_median_so_that_one_disturbed_round_does_not_count() -> None:
    assert summarize([{"p99": 1.0}, {"p99": 900.0}, {"p99": 2.0}], MEDIAN) == 2.0
    assert summarize([{"p99": 1.0}, {"p99": 2.0}], MEDIAN) == 1.5


def test_failures_are_added_up_so_that_one_failing_round_is_not_hidden() -> None:
    assert summarize([{"failed": 0.0}, {"failed": 5.0}, {"failed": 0.0}], TOTAL) == 5.0


def test_a_figure_that_no_round_has_is_missing_and_not_zero() -> None:
    assert summarize([{"p99": 1.0}], TOTAL) is None
    assert summarize([], MEDIAN) is None


@pytest.mark.parametrize(
    ("figure", "reference", "expected"), [(6.0, 3.0, 2.0), (0.0, 3.0, 0.0), (6.0, 0.0, None), (6.0, None, None)]
)
def test_a_ratio_needs_something_to_divide_by(figure: float, reference: float | None, expected: float | None) -> None:
    assert ratio(figure, reference) == expected


@pytest.mark.parametrize(
    ("figure", "reference", "column", "expected"),
    [
        (1.26, 0.9, MEDIAN, "1.3 (1.40×)"),
        (1.26, None, MEDIAN, "1.3"),
        (None, 0.9, MEDIAN, "–"),
        (3.0, 1.0, TOTAL, "3"),
        (12345.6, None, TOTAL, "12\N{NO-BREAK SPACE}346"),
    ],
)
def test_a_cell_prints_the_figure_and_its_ratio(
    figure: float | None, reference: float | None, column: Column, expected: str
) -> None:
    assert cell(figure, reference, column) == expected


def test_what_is_no_quantity_is_what_most_rounds_had_and_may_be_a_word() -> None:
    column = Column("status", "the request got", summary="most", words={0.0: "a cut connection"})
    assert cell(summarize([{"status": 504.0}, {"status": 0.0}, {"status": 504.0}], column), None, column) == "504"
    assert cell(summarize([{"status": 0.0}], column), None, column) == "a cut connection"
