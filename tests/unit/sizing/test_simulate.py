"""The simulation against what is known without one, and the work that is found again in a recording."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefork.dispatcher.queue import UNLIMITED, Share
from prefork.sizing.recording import Work, recording
from prefork.sizing.simulate import Place, simulate
from prefork.trace import RECORD, UNSERVED

from .traffic import poisson, recorded

MANY = 64  # processors: nobody waits for one


def test_one_after_the_other() -> None:
    work = [Work(0.0, 1.0, 1.0, 0), Work(0.5, 0.0, 1.0, 0), Work(1.0, 1.0, 0.0, 0)]
    outcome = simulate(work, Place(1, 1))
    assert outcome.waits == [0.0, 1.5, 2.0]
    assert outcome.answers == [2.0, 2.5, 3.0]
    assert (outcome.busy, outcome.lost) == (1.0, 0)


def test_two_share_a_processor_and_overlap_where_they_wait_for_others() -> None:
    outcome = simulate([Work(0.0, 1.0, 1.0, 0), Work(0.0, 1.0, 1.0, 0)], Place(2, 1))
    assert outcome.answers == pytest.approx([3.0, 3.0]), "two seconds for both on one processor, then one second at once"
    assert simulate([Work(0.0, 1.0, 1.0, 0)] * 2, Place(2, 2)).answers == pytest.approx([2.0, 2.0])


def test_who_comes_later_has_its_share_from_then_on() -> None:
    outcome = simulate([Work(0.0, 2.0, 0.0, 0), Work(1.0, 1.0, 0.0, 0)], Place(2, 1))
    assert outcome.answers == pytest.approx([2.0, 3.0])


@pytest.mark.parametrize("workers", [1, 3])
def test_it_agrees_with_the_formula_of_erlang(workers: int) -> None:
    """Poisson arrivals, exponential service: the share that waits and the mean wait are known (Erlang C)."""
    service, load = 0.1, 0.7 * workers
    outcome = simulate(poisson(60_000, load / service, 0.0, service), Place(workers, MANY, queue_size=10**6, queue_timeout=1e6))
    term = load**workers / math.factorial(workers) / (1 - load / workers)
    waiting = term / (sum(load**k / math.factorial(k) for k in range(workers)) + term)
    mean = waiting * service / (workers - load)
    assert sum(outcome.waits) / len(outcome.waits) == pytest.approx(mean, rel=0.08)
    assert sum(wait > 1e-9 for wait in outcome.waits) / len(outcome.waits) == pytest.approx(waiting, rel=0.05)
    assert outcome.busy == pytest.approx(0.7, rel=0.03)


@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 100))
def test_nobody_is_lost_and_nobody_is_faster_than_alone(workers: int, cpus: int, seed: int) -> None:
    work = poisson(60, 30, 0.02, 0.05, seed)
    outcome = simulate(work, Place(workers, cpus, queue_timeout=1e6))
    assert len(outcome.waits) == len(outcome.answers) == len(work)
    assert outcome.lost == 0
    assert sum(outcome.answers) >= sum(each.cpu + each.io for each in work) - 1e-6
    assert 0 <= outcome.busy <= 1 + 1e-9
    assert 0 <= outcome.computing <= 1 + 1e-9


def test_a_lane_waits_for_its_own_workers() -> None:
    shares = (Share(0, 1), Share(0, UNLIMITED))
    slow = [Work(0.0, 0.0, 10.0, 0), Work(0.1, 0.0, 1.0, 0)]
    outcome = simulate([*slow, Work(0.2, 0.0, 1.0, 1)], Place(2, MANY, shares))
    assert outcome.waits == pytest.approx([0.0, 0.0, 9.9]), "the second one of the limited lane waits beside an idle worker"


def test_what_waits_too_long_or_finds_the_queue_full_is_lost() -> None:
    work = [Work(0.01 * number, 0.0, 2.0, 0) for number in range(5)]
    assert simulate(work, Place(1, MANY, queue_size=2)).lost == 2
    late = simulate([*work, Work(1.5, 0.0, 1.0, 0), Work(3.0, 0.0, 1.0, 0)], Place(1, MANY, queue_timeout=1.0))
    assert late.lost > 0
    assert late.saturated


def test_more_than_the_workers_can_do_is_saturated_also_behind_a_quiet_beginning() -> None:
    quiet = [Work(0.0, 0.0, 0.1, 0)]
    busy = [Work(5 + 0.1 * number, 0.0, 0.3, 0) for number in range(60)]
    assert simulate([*quiet, *busy], Place(2, MANY)).saturated
    assert not simulate([*quiet, *busy], Place(4, MANY)).saturated
    assert simulate([*quiet, *busy], Place(2, MANY)).busy < 0.6


# What a recording gives back.


@pytest.mark.parametrize(
    ("cpu", "io"), [(0.03, 0.0), (0.03, 0.04), (0.005, 0.06)], ids=["only processors", "both", "mostly others"]
)
@pytest.mark.parametrize("workers", [2, 4, 6])
def test_work_is_found_again_although_it_was_served_in_a_crowd(cpu: float, io: float, workers: int) -> None:
    rate = 50 if io == 0 else 40
    work, place = poisson(4000, rate, cpu, io), Place(workers, 2, queue_size=10**6, queue_timeout=1e6)
    found = recorded(work, place)
    for count in (4, 6):
        real, predicted = (simulate(each, Place(count, 2)).wait(0.95) for each in (work, found.work))
        assert abs(predicted - real) <= max(0.5 * real, 0.01), f"{count} workers"
    assert sum(each.cpu for each in found.work) == pytest.approx(sum(each.cpu for each in work), rel=0.01)
    assert sum(each.io for each in found.work) == pytest.approx(sum(each.io for each in work), rel=0.1, abs=1)


def test_the_replay_with_the_same_workers_comes_to_what_was_measured() -> None:
    found = recorded(poisson(4000, 40, 0.03, 0.04), Place(4, 2))
    assert found.workers == (4, 4)
    real = sorted(found.waits)[int(0.95 * len(found.waits))]
    assert simulate(found.work, Place(4, 2)).wait(0.95) == pytest.approx(real, rel=0.15)


def test_a_request_that_no_worker_had_is_work_all_the_same() -> None:
    rows = [(1_000_000, 0, 200_000, 50_000, 0, 2), (2_000_000, 0, UNSERVED, 0, 1, 2)]
    found = recording(b"".join(RECORD.pack(*row) for row in rows), 2)
    assert (found.lost, found.seconds, len(found.waits)) == (1, 1.0, 1)
    assert found.work == (Work(0.0, 0.05, pytest.approx(0.15), 0), Work(1.0, 0.05, pytest.approx(0.15), 1))


def test_twice_the_arrivals_come_in_half_the_time() -> None:
    found = recorded(poisson(500, 40, 0.01, 0.01), Place(4, 2))
    assert found.faster(2).load == pytest.approx(2 * found.load)
    assert recording(b"", 2).load == 0
