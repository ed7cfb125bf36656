"""What was wanted of a report's figures, and whether it is said that they are so."""

from __future__ import annotations

import pytest

from goals import GOALS, Goal, chapter, judge
from report import Row
from scenarios import failures, hello, memory, proxied, shapes, stranding, tail
from servers import SERVERS

RATE = Goal("rate", "hello", "rate", "at least", 1.15, ("granian", "uwsgi"))
CPU = Goal("cpu", "hello", "cpu", "at most", 0.5, ("granian", "uwsgi"))
NONE = Goal("failures", "hello", "failed", "at most", 0.0)


def rows(**rounds: list[dict[str, float]]) -> dict[tuple[str, str], Row]:
    return {("hello", server): Row(server, found) for server, found in rounds.items()}


def found(goal: Goal, **rounds: list[dict[str, float]]) -> float | None:
    (verdict,) = judge(rows(**rounds), [goal])
    return verdict.found


def test_ours_is_divided_by_the_best_median_of_theirs() -> None:
    theirs = {"granian": [{"rate": 90.0, "cpu": 20.0}] * 3, "uwsgi": [{"rate": 100.0, "cpu": 40.0}] * 3}
    ours = [{"rate": 110.0, "cpu": 5.0}, {"rate": 120.0, "cpu": 10.0}, {"rate": 900.0, "cpu": 11.0}]
    assert found(RATE, prefork=ours, **theirs) == pytest.approx(1.2)
    assert found(CPU, prefork=ours, **theirs) == pytest.approx(0.5)


def test_another_column_of_theirs_may_count() -> None:
    goal = Goal("memory", "hello", "fresh", "at most", 0.45, ("granian",), their_column="collected")
    assert found(goal, prefork=[{"fresh": 20.0}], granian=[{"fresh": 30.0, "collected": 80.0}]) == pytest.approx(0.25)


def test_where_there_are_to_be_none_the_worst_round_counts() -> None:
    assert found(NONE, prefork=[{"failed": 0.0}, {"failed": 0.0}, {"failed": 2.0}]) == 2.0


def test_what_was_not_measured_is_not_met() -> None:
    (verdict,) = judge(rows(prefork=[{"rate": 1.0}]), [RATE])
    assert (verdict.found, verdict.met(), verdict.line()) == (None, False, "| rate | ≥ 1.15 × | – | **no** |")
    assert judge({}, [RATE]) == []


@pytest.mark.parametrize(("rate", "met", "nearly"), [(115.0, True, True), (104.0, False, True), (103.0, False, False)])
def test_a_goal_may_be_missed_by_a_tenth_before_a_run_fails(rate: float, met: bool, nearly: bool) -> None:
    (verdict,) = judge(rows(prefork=[{"rate": rate}], uwsgi=[{"rate": 100.0}]), [RATE])
    assert (verdict.met(), verdict.met(0.1)) == (met, nearly)


def test_the_table_says_what_was_wanted_what_is_and_whether_that_is_so() -> None:
    text = chapter(judge(rows(prefork=[{"rate": 120.0, "failed": 0.0}], uwsgi=[{"rate": 100.0}]), [RATE, NONE]))
    assert text.startswith("## Goals\n")
    assert text.endswith("| rate | ≥ 1.15 × | 1.20 × | yes |\n| failures | ≤ 0 | 0.00 | yes |")
    assert not chapter([])


def test_goals_are_of_columns_and_servers_that_there_are() -> None:
    modules = (failures, hello, memory, proxied, shapes, stranding, tail)
    scenarios = {module.NAME: {column.key for column in module.COLUMNS} for module in modules}
    servers = {server.name: server for server in SERVERS}
    for goal in GOALS:
        assert {goal.column, goal.their_column or goal.column} <= scenarios[goal.scenario]
        assert all(servers[name].supports(goal.scenario) for name in (goal.ours, *goal.theirs))
