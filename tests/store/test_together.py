"""Runs of a job that takes no time, claimed and ended several at once: none waits for another, is lost or counted wrongly."""

import os
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

import prefork
from prefork.jobs import lease
from prefork.jobs.declaration import Job
from prefork.jobs.run import Run
from prefork.jobs.source import Source
from prefork.store import jobs
from prefork.store.connection import Unavailable

Sources = Callable[..., Source]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is, on however busy a machine; and the thread looks when a test has it look."""
    monkeypatch.setattr("prefork.jobs.tray.QUICK", 60.0)
    monkeypatch.setattr(lease.Lease, "watch", lambda self: None)


@pytest.fixture
def one() -> Job:
    @prefork.job(name="one", retries=1)
    def one() -> None: ...

    return one


def done(run: Run | None) -> int:
    assert run
    run.call()
    run.finish(None)
    return run.number


def crowded(worker: Source, job: Job) -> list[int]:
    """Have a worker do one of twelve runs; its next claim is one of several. Returns the others."""
    first, *rest = [job.defer() for _ in range(12)]
    assert done(worker.claim()) == first
    return rest


def states(database: psycopg.Connection) -> list[Any]:
    return database.execute("SELECT state, attempt, spared, lost FROM prefork.runs ORDER BY id").fetchall()


def history(database: psycopg.Connection) -> list[Any]:
    return database.execute("SELECT run, attempt, outcome FROM prefork.history ORDER BY ended_at, run").fetchall()


def test_they_are_claimed_and_ended_in_one_transaction_and_in_their_order(
    source: Sources, database: psycopg.Connection, one: Job
) -> None:
    worker = source()
    rest = crowded(worker, one)
    assert [done(worker.claim()) for _ in rest] == rest
    assert worker.claim() is None
    assert history(database) == [(number, 1, "done") for number in (rest[0] - 1, *rest)]
    transactions = "SELECT count(*) FROM prefork.history GROUP BY ended_at ORDER BY ended_at"
    assert database.execute(transactions).fetchall() == [(1,), (jobs.SEVERAL,), (1,)]


def test_another_worker_gets_what_is_left_and_one_with_more_important_work_does_that(source: Sources, one: Job) -> None:
    @prefork.job(name="urgent", priority=0)
    def urgent() -> None: ...

    worker, other = source("cron.1", pid=os.getpid()), source("cron.2", pid=os.getpid())
    rest = crowded(worker, one)
    assert worker.claim()
    run = other.claim()
    assert run
    assert run.number == rest[-1]
    urgent.defer()
    done(run)
    run = other.claim()
    assert run
    assert run.name == "urgent"


def test_when_one_takes_long_the_others_go_to_others(source: Sources, database: psycopg.Connection, one: Job) -> None:
    worker, other = source("cron.1", pid=os.getpid()), source("cron.2", pid=os.getpid())
    rest = crowded(worker, one)
    done(worker.claim())
    slow = worker.claim()
    assert slow
    worker.tray.hold(slow.claimed)
    worker.lease.look(time.monotonic() + 1)
    assert worker.lease._connection
    worker.lease._connection.close()
    assert [run for run, _, _ in history(database)] == [rest[0] - 1, rest[0]], "what had ended was kept for itself"
    assert [done(other.claim()) for _ in rest[2:]] == rest[2:]
    other.settle()
    assert database.execute("SELECT id, together FROM prefork.runs").fetchall() == [(slow.number, False)]
    slow.finish(None)
    worker.settle()
    assert {outcome for _, _, outcome in history(database)} == {"done"}


def test_a_worker_that_dies_with_several_counts_as_an_attempt_of_none(
    source: Sources, database: psycopg.Connection, one: Job
) -> None:
    victim = source("cron.1", pid=1)
    rest = crowded(victim, one)
    done(victim.claim())
    assert victim.claim()
    replacement = source("cron.1", pid=os.getpid())
    held = rest[: jobs.SEVERAL]
    assert [run for run, _, outcome in history(database) if outcome == "lost"] == held
    assert states(database) == [("waiting", 1, 1, 1)] * len(held) + [("waiting", 0, 0, 0)]
    assert [done(replacement.claim()) for _ in rest] == [rest[-1], *held], "what costs workers comes after all others"
    replacement.settle()
    assert database.execute("SELECT count(DISTINCT ended_at) FROM prefork.history WHERE attempt = 2").fetchone() == (len(held),)


def test_one_that_kills_alone_is_over_after_its_attempts(source: Sources, database: psycopg.Connection, one: Job) -> None:
    victim = source("cron.1", pid=1)
    killer = crowded(victim, one)[0]
    assert victim.claim()
    database.execute("DELETE FROM prefork.runs WHERE id <> %s", [killer])
    for pid in (2, 3):
        assert source("cron.1", pid=pid).claim()
    source("cron.1", pid=os.getpid())
    attempts = database.execute("SELECT attempt, outcome FROM prefork.history WHERE run = %s ORDER BY attempt", [killer])
    assert attempts.fetchall() == [(1, "lost"), (2, "lost"), (3, "lost")], "one in company, and the two that its job has"
    assert states(database) == []


def test_a_job_that_is_not_to_be_repeated_is_claimed_alone(source: Sources, database: psycopg.Connection) -> None:
    @prefork.job(name="once", retries=0)
    def once() -> None: ...

    worker = source()
    crowded(worker, once)
    assert worker.claim()
    assert [state for state, *_ in states(database)].count("running") == 1


def test_who_leaves_gives_back_what_was_not_begun(source: Sources, database: psycopg.Connection, one: Job) -> None:
    worker = source()
    rest = crowded(worker, one)
    done(worker.claim())
    worker.close()
    assert [run for run, _, outcome in history(database) if outcome == "done"] == [rest[0] - 1, rest[0]]
    assert states(database) == [("waiting", 0, 0, 0)] * len(rest[1:])


def test_what_a_broken_connection_left_is_said_and_given_back_when_it_is_there_again(
    source: Sources, database: psycopg.Connection, one: Job
) -> None:
    worker = source(pid=os.getpid())
    rest = crowded(worker, one)
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    done(worker.claim())
    database.execute(cut)
    worker.close()
    worker.connect()
    assert [run for run, _, outcome in history(database) if outcome == "done"] == [rest[0] - 1, rest[0]]
    assert states(database) == [("waiting", 0, 0, 0)] * len(rest[1:])
    done(worker.claim())
    done(worker.claim())
    database.execute(cut)
    for _ in range(jobs.SEVERAL - 2):
        done(worker.claim())
    with pytest.raises(Unavailable):
        worker.claim()
    worker.close()
    worker.connect()
    assert [outcome for _, _, outcome in history(database)] == ["done"] * 12
    assert states(database) == []
