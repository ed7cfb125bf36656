"""What becomes of a run: claimed once, ended once, released when its worker is gone."""

import os
import select
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

import prefork
from prefork.jobs import source as module
from prefork.jobs.source import Run, Source
from prefork.store import board, jobs

Sources = Callable[..., Source]


def outcomes(database: psycopg.Connection) -> list[tuple[str, int, str]]:
    return database.execute("SELECT job, attempt, outcome FROM prefork.history ORDER BY ended_at, run").fetchall()


def done(run: Run | None) -> Run:
    """Call and finish a run as a worker does."""
    assert run
    try:
        run.call()
    except ZeroDivisionError as error:
        run.finish(error)
    else:
        run.finish(None)
        run.source.settle()
    return run


def test_a_deferred_job_is_done_with_its_arguments(source: Sources, database: psycopg.Connection) -> None:
    heard = []

    @prefork.job(name="greet")
    def greet(who: str, times: int = 1) -> None:
        heard.append((who, times))

    worker = source()
    number = greet.defer("you", times=2)
    run = done(worker.claim())
    assert (run.name, run.number, heard) == ("greet", number, [("you", 2)])
    assert outcomes(database) == [("greet", 1, "done")]
    assert worker.claim() is None


def test_deferring_refuses_what_the_function_does_not_take(dsn: str) -> None:
    @prefork.job(name="greet")
    def greet(who: str) -> None: ...

    with pytest.raises(TypeError, match="missing a required argument: 'who'"):
        greet.defer()
    with pytest.raises(TypeError, match="not JSON serializable"):
        greet.defer(object())
    with pytest.raises(ValueError, match="has no time zone"):
        greet.defer("you", at=datetime(2030, 1, 1))  # noqa: DTZ001


def test_a_run_for_later_waits(source: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL", 600.0)

    @prefork.job(name="later")
    def later() -> None: ...

    worker = source()
    later.defer(at=datetime.now(UTC) + timedelta(seconds=300))
    assert worker.claim() is None, "the bell has rung, for nothing"
    assert worker.claim() is None
    assert 0 < worker.patience() <= 300


def put_off(database: psycopg.Connection) -> None:
    """What a clock that was three years ahead leaves behind when it is set back."""
    database.execute("UPDATE prefork.runs SET due_at = due_at + interval '3 years' WHERE planned_at IS NOT NULL")
    database.execute("UPDATE prefork.runs SET planned_at = planned_at + interval '3 years'")
    database.execute("UPDATE prefork.runs SET lease_until = lease_until + interval '3 years'")


def test_what_a_clock_has_put_off_that_was_ahead_is_recalled(source: Sources, database: psycopg.Connection) -> None:
    @prefork.job(name="mail")
    def mail() -> None: ...

    @prefork.cron.every("1 hour", name="tick")
    def tick() -> None: ...

    worker = source()
    assert done(worker.claim()).name == "tick"
    database.execute("UPDATE prefork.jobs SET due_at = now() WHERE name = 'tick'")
    with database.transaction():
        jobs.occur(database, jobs.due(database, ["tick"])[0])
    now, then = board.run(database, "mail"), mail.defer(at=datetime.now(UTC) + timedelta(days=900))
    mail.defer()
    put_off(database)
    worker.look_at = 0.0
    assert worker.claim() is None
    assert worker.ahead
    worker.ahead += 3 * 365 * 86_400.0  # as it was at the last look
    worker.sweep_at = worker.look_at = 0.0
    assert sorted(done(worker.claim()).name for _ in range(3)) == ["mail", "mail", "tick"]
    assert worker.claim() is None
    assert now < then
    assert database.execute("SELECT id, due_at > now() + interval '899 days' FROM prefork.runs").fetchall() == [(then, True)]


def test_a_failure_under_such_a_clock_is_tried_again_and_a_lease_ends(source: Sources, database: psycopg.Connection) -> None:
    @prefork.job(name="fail")
    def fail() -> None:
        raise ZeroDivisionError

    @prefork.job(name="hang")
    def hang() -> None: ...

    worker, other = source(), source("cron.1", node="there")
    fail.defer()
    done(worker.claim())
    hang.defer()
    assert other.claim()
    put_off(database)
    database.execute("UPDATE prefork.nodes SET seen_at = now() + interval '3 years'")
    again = source("cron.2")  # which has seen nothing of it but what the nodes have left
    run = again.claim()
    assert run
    assert (run.name, run.claimed.attempt) == ("fail", 2)
    lease, seen = database.execute(
        "SELECT max(lease_until) < now() + interval '1 minute', (SELECT max(seen_at) <= now() FROM prefork.nodes) FROM prefork.runs"
    ).fetchone()  # type: ignore[misc]
    assert (lease, seen) == (True, True)


def test_a_run_in_the_callers_transaction_is_there_when_that_commits(source: Sources, dsn: str) -> None:
    @prefork.job(name="order")
    def order() -> None: ...

    worker = source()
    with psycopg.connect(dsn) as mine:
        order.defer(connection=mine)
        assert worker.claim() is None
        mine.rollback()
        assert worker.claim() is None
        order.defer(connection=mine)
    assert worker.claim()


def test_the_bell_wakes_a_worker(source: Sources) -> None:
    @prefork.job(name="now")
    def now() -> None: ...

    worker = source()
    assert worker.claim() is None
    now.defer()
    assert select.select([worker], [], [], 5)[0]
    assert worker.claim()


def test_each_run_is_claimed_once(source: Sources, dsn: str) -> None:
    @prefork.job(name="one")
    def one() -> None: ...

    workers = [source(f"cron.{n}", pid=os.getpid()) for n in range(4)]
    for _ in range(100):
        one.defer()
    claimed: list[int] = []

    def work(worker: Source) -> None:
        while run := worker.claim():
            claimed.append(run.number)
            done(run)

    threads = [threading.Thread(target=work, args=[worker]) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claimed) == len(set(claimed)) == 100


def test_a_success_is_said_with_the_next_claim_in_one_transaction(source: Sources, database: psycopg.Connection) -> None:
    @prefork.job(name="one")
    def one() -> None: ...

    worker = source()
    one.defer()
    one.defer()
    first = worker.claim()
    assert first
    first.call()
    first.finish(None)
    assert outcomes(database) == []
    second = worker.claim()
    assert second
    ended = "SELECT history.ended_at = runs.claimed_at FROM prefork.history, prefork.runs"
    assert database.execute(ended).fetchall() == [(True,)], "both have the time of their transaction"
    second.call()
    second.finish(None)
    worker.close()
    assert outcomes(database) == [("one", 1, "done")] * 2, "who leaves says it before"


def test_taking_a_run_reads_a_few_of_those_that_wait_without_statistics_too(source: Sources, database: psycopg.Connection) -> None:
    @prefork.job(name="one")
    def one() -> None: ...

    worker = source()
    database.execute("ALTER TABLE prefork.runs SET (autovacuum_enabled = off)")
    one.defer()
    copies = "INSERT INTO prefork.runs (job, priority, arguments) SELECT job, priority, arguments FROM prefork.runs"
    for _ in range(11):
        database.execute(copies)
    for _ in range(10):
        done(worker.claim())
    assert worker.connection
    worker.connection.execute("SELECT pg_stat_force_next_flush()")
    read = "SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE schemaname = 'prefork' AND indexrelname LIKE 'runs_%'"
    (found,) = database.execute(read).fetchone() or (0,)
    assert 0 < found < 2000


def test_no_transaction_is_open_during_a_job(source: Sources, database: psycopg.Connection) -> None:
    seen = []

    @prefork.job(name="look")
    def look() -> None:
        # Clients: PostgreSQL vacuums a database in a transaction, too, when it pleases.
        others = "datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        query = f"SELECT count(*) FROM pg_stat_activity WHERE xact_start IS NOT NULL AND {others}"
        seen.append(database.execute(query).fetchone())

    worker = source()
    look.defer()
    done(worker.claim())
    assert seen == [(0,)]


def test_a_failure_is_tried_again_later_and_then_given_up(source: Sources, database: psycopg.Connection) -> None:
    @prefork.job(name="bad", retries=1)
    def bad() -> None:
        raise ZeroDivisionError

    worker = source()
    bad.defer()
    done(worker.claim())
    assert worker.claim() is None
    database.execute("UPDATE prefork.runs SET due_at = now()")
    assert done(worker.claim()).claimed.attempt == 2
    assert outcomes(database) == [("bad", 1, "failed"), ("bad", 2, "failed")]
    assert database.execute("SELECT count(*) FROM prefork.runs").fetchone() == (0,)
    (error,) = database.execute("SELECT error FROM prefork.history WHERE attempt = 2").fetchone() or ()
    assert error.rstrip().endswith("ZeroDivisionError")


def test_a_dead_workers_run_is_released_by_its_replacement(source: Sources, database: psycopg.Connection) -> None:
    told: list[tuple[str, object]] = []

    @prefork.job(name="long")
    def long() -> None: ...

    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True)
    victim = source("cron.1", pid=int(dead.stdout))
    number = long.defer()
    lost = victim.claim()
    assert lost
    replacement = source("cron.2", pid=os.getpid(), tell=lambda kind, **fields: told.append((kind, fields["run"])))
    assert told == [("run_lost", number)]
    again = done(replacement.claim())
    assert (again.number, again.claimed.attempt) == (number, 2)
    lost.finish(None)
    lost.source.settle()
    assert outcomes(database) == [("long", 1, "lost"), ("long", 2, "done")], "who comes late changes nothing"


def test_a_run_that_cost_a_worker_goes_behind_all_others(source: Sources) -> None:
    @prefork.job(name="killer", priority=0)
    def killer() -> None: ...

    @prefork.job(name="harmless", priority=9)
    def harmless() -> None: ...

    first = source("cron.1", pid=1)
    killer.defer()
    harmless.defer()
    assert (run := first.claim())
    assert run.name == "killer"
    replacement = source("cron.1", pid=os.getpid())
    assert [done(replacement.claim()).name for _ in range(2)] == ["harmless", "killer"]


def test_a_lease_that_nobody_renews_ends(source: Sources, database: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    @prefork.job(name="long")
    def long() -> None: ...

    source("cron.1", node="lost").close()
    abroad = source("cron.1", node="elsewhere")
    long.defer()
    assert abroad.claim()
    here = source("cron.1", node="here")
    assert here.claim() is None
    database.execute("UPDATE prefork.runs SET lease_until = now() - interval '1 s'")
    assert jobs.expire(database) == [], "the database itself is younger than a lease: whoever was cut off may come back"
    monkeypatch.setattr(jobs, "LEASE", 0.0)
    (lost,) = jobs.expire(database)
    assert (lost.job, lost.attempt) == ("long", 1)
    assert (run := here.claim())
    assert run.claimed.attempt == 2


def test_what_the_database_missed_is_said_when_it_is_back(source: Sources, database: psycopg.Connection) -> None:
    @prefork.job(name="long")
    def long() -> None: ...

    worker = source(pid=os.getpid())
    long.defer()
    run = worker.claim()
    assert run
    run.call()
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    database.execute(cut)
    from prefork.store.connection import Unavailable

    run.finish(None)
    with pytest.raises(Unavailable):
        worker.claim()
    worker.close()
    worker.connect()
    assert outcomes(database) == [("long", 1, "done")]
    assert worker.claim() is None


def test_progress_is_shown_while_it_runs(source: Sources, database: psycopg.Connection) -> None:
    seen = []

    @prefork.job(name="sync")
    def sync() -> None:
        sync.progress(3, 7)
        seen.append(database.execute("SELECT done, remaining FROM prefork.runs").fetchone())

    worker = source()
    sync.defer()
    done(worker.claim())
    assert seen == [(3, 7)]


def test_a_list_counts_what_waits_up_to_a_bound_and_one_job_all_of_it(source: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    @prefork.cron.every("1 hour", name="tick")
    def tick() -> None: ...

    monkeypatch.setattr(board, "COUNTED", 2)
    worker = source()
    held = worker.claim()  # the recurring run, which is not counted when it waits
    assert held
    connection = worker.connection
    assert connection
    for _ in range(3):
        tick.defer()
        (found,) = board.listed(connection)
    assert (found["waiting"], found["running"]) == (2, 1)
    assert board.listed(connection, "tick")[0]["waiting"] == 3
    assert board.listed(connection)[0]["due_at"] > held.claimed.due_at
    jobs.give_back(connection, held.claimed)
    assert board.listed(connection)[0]["due_at"] == held.claimed.due_at, "it waits since then, whatever comes next"
    assert board.listed(connection)[0]["waiting"] == 2
    assert board.listed(connection, "tick")[0]["waiting"] == 3


def test_a_job_is_found_by_the_end_of_its_name_and_by_nothing_like_it(source: Sources) -> None:
    for name in ("shop.send_mail", "shop.send-mail", "shop.Send_mail", "send_mail"):

        @prefork.job(name=name)
        def job() -> None: ...

    connection = source().connection
    assert connection
    assert [each["name"] for each in board.listed(connection, "send_mail")] == ["send_mail", "shop.send_mail"]
    assert board.listed(connection, "%") == board.listed(connection, "send%") == []


def test_old_history_is_forgotten_piece_by_piece(source: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    @prefork.job(name="tick")
    def tick() -> None: ...

    monkeypatch.setattr(jobs, "AT_ONCE", 2)
    worker = source()
    numbers = [tick.defer() for _ in range(3)]
    for _ in numbers:
        done(worker.claim())
    connection = worker.connection
    assert connection
    assert jobs.forget(connection, 3600.0) == 0
    assert jobs.forget(connection, 0.0) == 2
    assert [each["run"] for each in board.history(connection, None, 9)] == numbers[2:]
    assert jobs.forget(connection, 0.0) == 1
