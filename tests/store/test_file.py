"""Threaded mode's store, a SQLite file, keeps the same promises: the same tests, and what only a file can do."""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.store import test_recurring, test_runs

import prefork
from prefork import given
from prefork.jobs import declaration
from prefork.jobs.source import Source
from prefork.store import board
from prefork.store.address import Address
from prefork.store.connection import Unavailable, connect, shared

Sources = Callable[..., Source]
WEEK = 7 * 86_400.0
SAME = (
    test_recurring.test_a_failure_leads_to_a_later_time_of_the_schedule_and_never_to_one_beside_it,
    test_recurring.test_an_edit_moves_the_next_time_with_the_schedule_alone,
    test_recurring.test_an_edit_that_cannot_be_read_lets_the_job_rest,
    test_recurring.test_an_operators_edit_stays_until_the_code_changes,
    test_recurring.test_a_node_that_nobody_has_heard_of_for_long_has_nothing,
    test_recurring.test_what_no_node_has_any_more_was_removed,
    test_runs.test_a_dead_workers_run_is_released_by_its_replacement,
    test_runs.test_a_deferred_job_is_done_with_its_arguments,
    test_runs.test_a_job_is_found_by_the_end_of_its_name_and_by_nothing_like_it,
    test_runs.test_a_list_counts_what_waits_up_to_a_bound_and_one_job_all_of_it,
    test_runs.test_a_failure_is_tried_again_later_and_then_given_up,
    test_runs.test_a_run_for_later_waits,
    test_runs.test_a_run_that_cost_a_worker_goes_behind_all_others,
    test_runs.test_a_success_is_said_with_the_next_claim_in_one_transaction,
    test_runs.test_each_run_is_claimed_once,
    test_runs.test_old_history_is_forgotten_piece_by_piece,
    test_runs.test_progress_is_shown_while_it_runs,
    test_runs.test_the_bell_wakes_a_worker,
)
globals().update({test.__name__: test for test in SAME})


@pytest.fixture
def dsn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    dsn = f"sqlite:{tmp_path / 'store.db'}"
    monkeypatch.setitem(given.settings, "store", {"dsn": dsn})
    monkeypatch.setattr(declaration, "registry", {})
    monkeypatch.setattr("prefork.jobs.source.registry", declaration.registry)
    yield dsn
    shared.close()


@pytest.fixture
def database(dsn: str, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to look at what is there, by the names that PostgreSQL has for it."""
    connect(Address(dsn), "").close()
    found = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    found.create_function("now", 0, time.time)
    found.execute("ATTACH ? AS prefork", [str(tmp_path / "store.db")])
    yield found
    found.close()


def test_a_recurring_job_runs_once_and_rests_after_a_week_of_failures(source: Sources, database: sqlite3.Connection) -> None:
    told = []

    @prefork.cron.every("1 second", name="bad")
    def bad() -> None: ...

    workers = [source(f"cron.{n}", tell=lambda kind, **fields: told.append(kind)) for n in range(3)]
    database.execute("UPDATE prefork.jobs SET failures = 3, first_failed_at = now() - ?", [WEEK + 9])
    for count in (4, 5):
        database.execute("UPDATE prefork.jobs SET due_at = now()")
        for worker in workers:
            worker.look_at = 0.0
        (run,) = filter(None, [worker.claim() for worker in workers])
        run.finish(ValueError("again"))
        later = "SELECT failures, due_at > now() + 8 FROM prefork.jobs"
        assert database.execute(later).fetchone() == (count, True)
    assert told == ["job_deactivated"]
    assert database.execute("SELECT active FROM prefork.jobs").fetchone() == (0,)


def test_what_was_planned_by_a_clock_that_was_ahead_is_planned_anew(source: Sources, database: sqlite3.Connection) -> None:
    @prefork.cron.every("1 hour", name="tick")
    def tick() -> None: ...

    worker = source()
    run = worker.claim()
    assert run
    run.finish(None)
    worker.settle()
    database.execute("UPDATE prefork.jobs SET due_at = now() + 1e8, planned_at = now() + 1e8")
    worker.look_at = 0.0
    assert worker.claim() is None
    assert database.execute("SELECT due_at - now() < 3601 FROM prefork.jobs").fetchone() == (1,)


def test_what_a_clock_has_put_off_that_was_ahead_is_recalled(source: Sources, database: sqlite3.Connection) -> None:
    @prefork.job(name="mail")
    def mail() -> None: ...

    worker = source()
    later = datetime.now(UTC) + timedelta(days=900)
    now, then = mail.defer(), mail.defer(at=later)
    database.execute("UPDATE prefork.runs SET due_at = now() + 1e8, planned_at = planned_at + 1e8")
    assert worker.claim() is None
    worker.ahead = 1e8 + (worker.ahead or 0.0)
    worker.sweep_at = worker.look_at = 0.0
    run = worker.claim()
    assert run
    assert run.number == now
    run.finish(None)
    assert worker.claim() is None
    assert [row[0] for row in database.execute("SELECT id FROM prefork.runs")] == [then]


def test_a_success_forgets_the_failures(source: Sources, database: sqlite3.Connection) -> None:
    @prefork.cron.every("1 second", name="moody")
    def moody() -> None: ...

    worker = source()
    database.execute("UPDATE prefork.jobs SET failures = 2, first_failed_at = now()")
    run = worker.claim()
    assert run
    run.finish(None)
    worker.settle()
    assert database.execute("SELECT failures, first_failed_at FROM prefork.jobs").fetchone() == (0, None)


def test_a_lease_that_nobody_renews_ends(source: Sources, database: sqlite3.Connection) -> None:
    @prefork.job(name="long")
    def long() -> None: ...

    abroad = source("cron.1", node="elsewhere")
    long.defer()
    assert abroad.claim()
    here = source("cron.1", node="here")
    assert here.claim() is None
    database.execute("UPDATE prefork.runs SET lease_until = now() - 1")
    here.sweep_at = here.look_at = 0.0
    run = here.claim()
    assert run
    assert run.claimed.attempt == 2


def test_operators_see_and_steer_it_as_they_do_elsewhere(source: Sources, dsn: str) -> None:
    @prefork.cron.every("1 hour", name="site.tick")
    def tick() -> None: ...

    worker = source()
    run = worker.claim()
    assert run
    with connect(Address(dsn), "board") as connection:
        (running,) = board.running(connection, "site.tick")
        assert running["worker"] == "cron.1"
        run.finish(None)
        worker.settle()
        (job,) = board.listed(connection, "tick")
        assert (job["name"], job["active"], job["outcome"], job["due_at"].tzname()) == ("site.tick", True, "done", "UTC")
        board.pause(connection, "site.tick")
        assert not board.listed(connection)[0]["active"]
        board.resume(connection, "site.tick")
        number = board.run(connection, "site.tick")
        again = worker.claim()
        assert again
        assert again.number == number
        again.finish(None)
        worker.settle()
        assert [each["run"] for each in board.history(connection, None, 9)] == [number, run.number]


def test_a_place_where_no_file_can_be_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="the database cannot be used: unable to open database file"):
        connect(Address(f"sqlite:{tmp_path}/none/store.db"), "")


def test_it_needs_no_driver(tmp_path: Path) -> None:
    code = """
import sys
sys.modules["psycopg"] = None
import prefork
@prefork.job(name="one")
def one(): print("done")
one.defer()
from prefork import given
from prefork.jobs.source import Source
from prefork.store.jobs import Holder
worker = Source(Holder("here", "cron.1", 1))
worker.connect()
worker.claim().call()
worker.close()
"""
    env = {"PREFORK_STORE_DSN": f"sqlite:{tmp_path / 'store.db'}", "PYTHONPATH": str(Path(prefork.__file__).parent.parent)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("done\n", "")


def test_a_bus_is_refused_in_one_sentence(dsn: str) -> None:
    with pytest.raises(Unavailable, match="the bus needs PostgreSQL, and the store is a SQLite file here; name a database"):
        prefork.bus.publish(None, "orders", 7)
