"""Jobs that recur: begun once, whoever is there; edited by operators; resting when they only fail."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

import prefork
from prefork.jobs import declaration, schedules
from prefork.jobs.source import Source
from prefork.store import board, jobs
from prefork.store.address import Address
from prefork.store.connection import connect

Sources = Callable[..., Source]


def test_one_of_many_workers_begins_it(source: Sources, database: psycopg.Connection) -> None:
    @prefork.cron.every("1 hour", name="tick")
    def tick() -> None: ...

    workers = [source(f"cron.{n}") for n in range(3)]
    runs = [run for run in (worker.claim() for worker in workers) if run]
    assert [run.name for run in runs] == ["tick"]
    runs[0].call()
    runs[0].finish(None)
    assert [worker.claim() for worker in workers] == [None, None, None]
    (ahead,) = database.execute("SELECT due_at - now() FROM prefork.jobs").fetchone() or ()
    assert timedelta(minutes=59) < ahead < timedelta(hours=1)


@pytest.mark.parametrize(("misfire", "runs"), [("once", 1), ("skip", 0)])
def test_what_was_missed_is_caught_up_once_or_not_at_all(
    source: Sources, database: psycopg.Connection, misfire: str, runs: int
) -> None:
    @prefork.cron.every("10 minutes", name="tick", misfire=misfire)
    def tick() -> None: ...

    source().close()
    database.execute("UPDATE prefork.jobs SET due_at = now() - interval '5 hours'")
    worker = source()
    found = []
    while run := worker.claim():
        run.call()
        run.finish(None)
        found.append(run)
    assert len(found) == runs


def test_an_operators_edit_stays_until_the_code_changes(source: Sources, database: psycopg.Connection) -> None:
    @prefork.cron.every("1 hour", name="tick")
    def tick() -> None: ...

    def schedule() -> object:
        return database.execute("SELECT schedule FROM prefork.jobs").fetchone()

    worker = source()
    database.execute("UPDATE prefork.jobs SET schedule = 'every 2 hours'")
    worker.connect()
    assert schedule() == ("every 2 hours",)
    prefork.cron.every("3 hours", name="tick")(tick.function)
    source("cron.2")
    assert schedule() == ("every 3 hours",)


def test_an_edit_moves_the_next_time_with_the_schedule_alone(source: Sources, dsn: str) -> None:
    @prefork.cron.every("1 hour", name="tick")
    def tick() -> None: ...

    source()
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    with connect(Address(dsn), "test") as connection:
        (old,) = board.listed(connection)
        row = {name: old[name] for name in ("schedule", "tz", "misfire", "priority", "retries")}
        board.edit(connection, "tick", {**row, "priority": 1, "arguments": {"args": [7], "kwargs": {}}}, later)
        (new,) = board.listed(connection)
        assert {name for name in old if old[name] != new[name]} == {"priority", "arguments"}
        assert new["arguments"] == {"args": [7], "kwargs": {}}
        board.edit(connection, "tick", {**row, "schedule": "0 3 * * *", "arguments": new["arguments"]}, later)
        assert board.listed(connection)[0]["due_at"] == later
        board.edit(connection, "tick", {**row, "schedule": None, "arguments": new["arguments"]}, None)
        assert board.listed(connection)[0]["due_at"] is None


@pytest.mark.parametrize("text", ["whenever", "every 00 minutes", "every 99999999999 weeks"])
def test_an_edit_that_cannot_be_read_lets_the_job_rest(source: Sources, database: psycopg.Connection, text: str) -> None:
    told = []

    @prefork.cron.every("1 hour", name="tick")
    def tick() -> None: ...

    worker = source(tell=lambda kind, **fields: told.append((kind, fields)))
    database.execute(f"UPDATE prefork.jobs SET schedule = '{text}'")
    assert worker.claim() is None
    assert told[0][0] == "job_deactivated"
    active, remark = database.execute("SELECT active, remark FROM prefork.jobs").fetchone() or (None, "")
    assert not active
    assert remark.startswith(f'"{text}" is n')


def test_a_job_that_fails_for_more_than_a_week_rests(source: Sources, database: psycopg.Connection) -> None:
    told = []

    @prefork.cron.every("1 second", name="bad")
    def bad() -> None: ...

    worker = source(tell=lambda kind, **fields: told.append(kind))
    database.execute("UPDATE prefork.jobs SET failures = 4, first_failed_at = now() - interval '8 days'")
    run = worker.claim()
    assert run
    run.call()
    run.finish(ValueError("again"))
    assert told == ["job_deactivated"]
    assert database.execute("SELECT active, failures FROM prefork.jobs").fetchone() == (False, 5)


def test_a_failure_postpones_the_next_time_and_a_success_forgets_it(source: Sources, database: psycopg.Connection) -> None:
    @prefork.cron.every("1 second", name="moody")
    def moody() -> None: ...

    worker = source()
    run = worker.claim()
    assert run
    run.finish(ValueError("once"))
    assert database.execute("SELECT failures, due_at > now() + interval '8 s' FROM prefork.jobs").fetchone() == (1, True)
    database.execute("UPDATE prefork.jobs SET due_at = now()")
    worker.look_at = 0.0
    run = worker.claim()
    assert run
    run.finish(None)
    worker.settle()
    assert database.execute("SELECT failures FROM prefork.jobs").fetchone() == (0,)


def test_a_failure_leads_to_a_later_time_of_the_schedule_and_never_to_one_beside_it(
    source: Sources, database: psycopg.Connection
) -> None:
    @prefork.cron.schedule("*/5 * * * *", name="often")
    def often() -> None: ...

    worker = source()
    database.execute("UPDATE prefork.jobs SET due_at = now(), failures = 4")
    run = worker.claim()
    assert run
    run.finish(ValueError("again"))
    assert worker.connection
    due = board.listed(worker.connection)[0]["due_at"].astimezone(UTC)
    assert due > datetime.now(UTC) + timedelta(minutes=40)
    assert (due.minute % 5, due.second, due.microsecond) == (0, 0, 0)


def test_what_was_planned_by_a_clock_that_was_ahead_is_planned_anew(source: Sources, database: psycopg.Connection) -> None:
    @prefork.cron.every("1 hour", name="tick")
    def tick() -> None: ...

    @prefork.cron.every("1 hour", name="later")
    def later() -> None: ...

    worker = source()
    while run := worker.claim():
        run.finish(None)
    database.execute("UPDATE prefork.jobs SET due_at = now() + interval '3 years'")
    database.execute("UPDATE prefork.jobs SET planned_at = now() + interval '3 years' WHERE name = 'tick'")
    worker.look_at = 0.0
    assert worker.claim() is None, "its time has not come"
    ahead = dict(database.execute("SELECT name, due_at - now() FROM prefork.jobs").fetchall())
    assert timedelta(minutes=59) < ahead["tick"] <= timedelta(hours=1)
    assert ahead["later"] > timedelta(days=900), "so somebody wants it"


def test_what_no_node_has_any_more_was_removed(source: Sources) -> None:
    for name in ("tick", "tock"):
        prefork.cron.every("1 hour", name=name)(lambda: None)

    here, there = source(node="here"), source(node="there")
    connection = here.connection
    assert connection

    def present() -> list[str]:
        return [job["name"] for job in board.listed(connection) if job["present"]]

    del declaration.registry["tock"]
    source(node="here")
    assert present() == ["tick", "tock"], "another node has it"
    source(node="there")
    assert present() == ["tick"]
    assert [job["name"] for job in board.listed(connection)] == ["tick", "tock"], "its history stays"
    there.forget_at = there.look_at = 0.0
    there.claim()
    assert present() == ["tick", "tock"], "who has older code and is there says so now and then"


def test_a_node_that_nobody_has_heard_of_for_long_has_nothing(source: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    @prefork.cron.every("1 hour", name="tick")
    def tick() -> None: ...

    worker = source(node="gone")
    connection = worker.connection
    assert connection
    jobs.dismiss(connection)
    assert board.listed(connection)[0]["present"]
    monkeypatch.setattr(jobs, "ABSENT", -1.0)
    jobs.dismiss(connection)
    assert not board.listed(connection)[0]["present"]


def test_a_database_whose_clocks_change_keeps_intervals(database: psycopg.Connection, dsn: str) -> None:
    database.execute(f"ALTER DATABASE {dsn.rpartition('/')[2]} SET timezone = 'Europe/Berlin'")
    due, now = (datetime(2026, 10, 25, 0, minute, tzinfo=UTC) for minute in (50, 51))
    with connect(Address(dsn), "test") as connection:
        zoned = connection.execute("SELECT %s::timestamptz, %s::timestamptz", [due, now]).fetchone()
    assert zoned
    assert str(zoned[0].tzinfo) == "Europe/Berlin"
    assert schedules.parse("every 10 minutes", "UTC").after(*zoned) == datetime(2026, 10, 25, 1, 0, tzinfo=UTC)
