"""Several spans as one."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefork.histogram import bucket
from prefork.usage.sample import KEPT, Sample, merge


def test_shares_are_averaged_over_their_time_and_totals_added() -> None:
    one = Sample(at=10.0, seconds=10.0, configured=4, in_flight=100.0, in_flight_most=100.0, succeeded=5, queued=7, memory=None)
    two = Sample(at=20.0, seconds=30.0, configured=6, in_flight=20.0, in_flight_most=20.0, succeeded=1, queued=0, memory=50.0)
    found = merge([one, two])
    assert (found.at, found.seconds, found.configured) == (10.0, 40.0, 6)
    assert (found.in_flight, found.in_flight_most) == (40.0, 100.0)
    assert (found.succeeded, found.queued, found.memory) == (6, 7, 50.0), "what is not known does not count"


def test_percentiles_are_those_of_all_requests_not_averages_of_percentiles() -> None:
    fast = Sample(seconds=10, services={bucket(0.01): 990})
    slow = Sample(seconds=10, services={bucket(5.0): 10})
    assert merge([fast, slow]).told()["service"]["p95"] == pytest.approx(0.01, rel=0.25)
    assert slow.told()["service"]["p95"] == pytest.approx(5.0, rel=0.25)
    assert Sample().told()["wait"] == {"p50": None, "p95": None, "p99": None}


def test_a_worker_has_its_highest_memory() -> None:
    found = merge([Sample(workers={"http.1": 9}), Sample(workers={"http.1": 5, "http.2": 1})])
    assert found.workers == {"http.1": 9, "http.2": 1}
    assert "workers" not in KEPT, "it is for the live window only"


spans = st.builds(
    Sample,
    at=st.just(0.0),
    seconds=st.integers(1, 1000).map(float),
    in_flight=st.none() | st.integers(0, 100).map(float),
    memory_most=st.none() | st.integers(0, 1 << 40),
    refused=st.integers(0, 1000),
    waits=st.dictionaries(st.integers(0, 103), st.integers(1, 9)),
)


@given(st.lists(spans, min_size=2, max_size=6), st.data())
def test_it_does_not_matter_in_which_groups_spans_are_merged(samples: list[Sample], data: st.DataObject) -> None:
    """So that hours made of five minutes say what hours made of ten seconds would. Averages are rounded each time."""
    cut = data.draw(st.integers(1, len(samples) - 1))
    at_once, by_parts = merge(samples), merge([merge(samples[:cut]), merge(samples[cut:])])
    assert dataclasses.replace(at_once, in_flight=None) == dataclasses.replace(by_parts, in_flight=None)
    if all(each.in_flight is not None for each in samples):
        assert at_once.in_flight == pytest.approx(by_parts.in_flight, abs=0.01)
