"""What the end of a worker is taken for, by its state, its exit status and what it had got."""

from __future__ import annotations

import pytest

from prefork.master.fleet import State, Worker
from prefork.master.gauges import Task
from prefork.master.pools import CRON, HTTP, Pool
from prefork.master.remains import MOST_FATAL, Legacy, Remains, remains_of
from prefork.master.spawn import Death
from prefork.scoreboard import BEGUN, RECEIVED, REQUEST, Scoreboard, pack_progress

TASK = Task(7, 1000.0, 0.0, 0.0)


def worker(state: State, concurrency: int = 0, pool: Pool = HTTP) -> Worker:
    return Worker(pool.first, 1, 0.0, state, pid=4000, concurrency=concurrency, pool=pool)


def remains(state: State, code: int = 0, task: Task | None = None, said: str | None = None, *, served: bool = False) -> Remains:
    return Remains(worker(state), Death(4000, code), task, None, said, "", served=served)


@pytest.mark.parametrize(
    ("found", "left"),
    [
        (remains(State.RETIRING), True),
        (remains(State.LEAVING), True),
        (remains(State.READY), False),
        (remains(State.LEAVING, 1), False),
        (remains(State.LEAVING, -9), False),
        (remains(State.RETIRING, task=TASK), False),
    ],
)
def test_who_was_asked_to_leave_has_left_when_nothing_was_in_its_hands(found: Remains, left: bool) -> None:
    assert found.left == left


@pytest.mark.parametrize(
    ("found", "settled", "failed", "complaint"),
    [
        (remains(State.BOOTING, 1), False, True, "it died: exit status 1"),
        (remains(State.BOOTING, 1), True, True, "it died: exit status 1"),
        (remains(State.KILLED, -9, said="it took too long"), True, True, "it took too long"),
        (remains(State.KILLED, -9), False, False, None),
        (remains(State.READY, 1), False, True, None),
        (remains(State.READY, 1), True, False, None),
        (remains(State.READY, 1, served=True), False, False, None),
        (remains(State.RETIRING, 1), False, False, None),
    ],
)
def test_a_start_has_failed_unless_it_lived_or_had_got_something(
    found: Remains, settled: bool, failed: bool, complaint: str | None
) -> None:
    assert (found.failed_start(settled=settled), found.complaint) == (failed, complaint)


def test_what_it_was_in_is_in_its_first_place_and_on_a_loop_in_any() -> None:
    scoreboard = Scoreboard.create()
    scoreboard.slot(1)[REQUEST] = pack_progress(7, BEGUN)
    for concurrency, number in ((0, None), (2, 7)):
        found = remains_of(worker(State.READY, concurrency), Death(4000, -9), scoreboard, None, "stacks")
        assert (found.task.number if found.task else None, found.served, found.stacks) == (number, number is not None, "stacks")


def test_a_job_is_named_and_who_only_looked_for_one_had_got_nothing() -> None:
    scoreboard = Scoreboard.create()
    slot = scoreboard.slot(CRON.first)
    slot[REQUEST] = pack_progress(0, RECEIVED)
    found = remains_of(worker(State.READY, pool=CRON), Death(4000, -9), scoreboard, None, "")
    assert (found.job, found.served) == (None, False)
    slot.set_tag(7, "mail")
    slot[REQUEST] = pack_progress(7, BEGUN)
    found = remains_of(worker(State.READY, pool=CRON), Death(4000, -9), scoreboard, None, "")
    assert (found.job, found.served) == ({"name": "mail", "run": 7}, True)


def test_the_jobs_that_workers_died_in_are_remembered_once_and_not_for_ever() -> None:
    legacy = Legacy()
    for job in (*map(str, range(MOST_FATAL)), "0", "mail"):
        legacy.leave(worker(State.READY, pool=CRON), job)
    assert legacy.places == {CRON.first}
    assert legacy.fatal == [*map(str, range(2, MOST_FATAL)), "0", "mail"]
