"""Usage against limits: what follows, and in which words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefork.limits import DEADLY, STATUS, Limit, Limits, Usage, Verdict, judge, next_look

MIB = 1 << 20
LIMITS = Limits(memory_soft=100 * MIB, memory_hard=200 * MIB, time_cpu=2.0, time_real=5.0, age=60.0)


@pytest.mark.parametrize(
    ("usage", "limit"),
    [
        (Usage(), None),
        (Usage(100 * MIB, 5.0, 2.0, 60.0), None),
        (Usage(memory=100 * MIB + 1), Limit.MEMORY_SOFT),
        (Usage(memory=200 * MIB + 1), Limit.MEMORY_HARD),
        (Usage(elapsed=5.001), Limit.TIME_REAL),
        (Usage(elapsed=3.0, cpu=2.001), Limit.TIME_CPU),
        (Usage(age=60.001), Limit.AGE),
        (Usage(101 * MIB, 6.0, 3.0, 61.0), Limit.TIME_REAL),
        (Usage(201 * MIB, 6.0, 3.0, 61.0), Limit.MEMORY_HARD),
    ],
)
def test_the_worst_limit_counts_and_none_is_reached_by_using_it_up(usage: Usage, limit: Limit | None) -> None:
    verdict = judge(usage, LIMITS)
    assert (verdict.limit if verdict else None) == limit


@given(st.builds(Usage, *[st.floats(0, 1e12)] * 4))
def test_without_limits_nothing_is_reached(usage: Usage) -> None:
    assert judge(usage, Limits()) is None
    assert next_look(usage, Limits()) == float("inf")


@given(st.builds(Usage, st.just(0), st.floats(0.001, 9), st.floats(0, 9), st.floats(0, 99)), st.integers(1, 64))
def test_the_next_look_is_never_later_than_the_first_moment_at_which_a_limit_of_time_can_be_reached(
    usage: Usage, cpus: int
) -> None:
    pause = next_look(usage, LIMITS, cpus)
    assert pause >= 0
    if judge(usage, LIMITS) is None:
        moment = 0.999 * pause
        later = usage._replace(elapsed=usage.elapsed + moment, cpu=usage.cpu + moment * cpus, age=usage.age + moment)
        assert judge(later, LIMITS) is None


def test_an_idle_worker_has_no_time_to_run_out_of() -> None:
    assert next_look(Usage(), Limits(time_real=5.0, time_cpu=1.0)) == float("inf")


@pytest.mark.parametrize(
    ("verdict", "reason", "odoo"),
    [
        (
            Verdict(Limit.MEMORY_SOFT, 101 * MIB, 100 * MIB),
            "it uses 101 MiB of memory, limit_memory_soft allows 100 MiB",
            "Worker (7) virtual memory limit (105906176) reached.",
        ),
        (
            Verdict(Limit.MEMORY_HARD, 2049 * MIB, 2048 * MIB),
            "it uses 2,049 MiB of memory, limit_memory_hard allows 2,048 MiB",
            "Worker (7) virtual memory limit (2148532224) reached.",
        ),
        (
            Verdict(Limit.TIME_REAL, 120.0312, 120.0),
            "its request took 120.03 s, limit_time_real allows 120 s",
            "WorkerHTTP (7) timeout after 120s",
        ),
        (
            Verdict(Limit.TIME_CPU, 60.06, 60.0),
            "its request took 60.06 s of processor time, limit_time_cpu allows 60 s",
            "Worker (7) CPU time limit (60) reached.",
        ),
        (
            Verdict(Limit.AGE, 61.0, 60.0),
            "it is 61.00 s old, limit_time_worker allows 60 s",
            "Worker (7) max age (60s) reached.",
        ),
    ],
)
def test_reasons(verdict: Verdict, reason: str, odoo: str) -> None:
    assert (verdict.reason, verdict.in_odoos_words(7)) == (reason, odoo)


def test_what_kills_has_a_status_for_the_client() -> None:
    assert set(STATUS) == DEADLY
    assert [Verdict(limit, 2, 1).deadly for limit in Limit] == [limit in DEADLY for limit in Limit]
