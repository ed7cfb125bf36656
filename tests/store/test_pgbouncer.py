"""Jobs whose database is behind PgBouncer, in both of its modes that Prefork works with."""

import select
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from tests.applications.postgres import Postgres
from tests.process.wire import until

import prefork
from prefork import given
from prefork.jobs.source import Source
from prefork.store.connection import Unavailable, shared

from .pgbouncer import PgBouncer

OFTEN = 8  # the driver prepares a statement when it is used for the sixth time


@pytest.fixture(params=["session", "transaction"])
def behind(request: pytest.FixtureRequest, dsn: str, postgres: Postgres, tmp_path: Path) -> Iterator[str]:
    """This process's store is behind a PgBouncer in this mode."""
    with PgBouncer.before(postgres, tmp_path, request.param) as pgbouncer:
        pooled = {"dsn": dsn.replace(postgres.uri, pgbouncer.uri)}
        given.settings["store"] = pooled if request.param == "session" else {**pooled, "listen": dsn, "prepare": None}
        yield request.param


@pytest.mark.usefixtures("behind")
def test_jobs_are_done_and_notices_arrive(source: Callable[..., Source], database: psycopg.Connection) -> None:
    @prefork.job(name="now")
    def now() -> None: ...

    workers = [source(f"cron.{n}") for n in range(2)]
    for _ in range(OFTEN):
        for worker in workers:
            assert worker.claim() is None
        now.defer()
        for worker in workers:
            assert select.select([worker], [], [], 5)[0], "each of them hears the bell"
        (run,) = [run for run in (worker.claim() for worker in workers) if run]
        run.call()
        run.finish(None)
        run.source.settle()
    assert database.execute("SELECT outcome, count(*) FROM prefork.history GROUP BY outcome").fetchall() == [("done", OFTEN)]


@pytest.mark.usefixtures("behind")
def test_what_a_restart_of_the_database_has_cut_off_goes_on(source: Callable[..., Source], dsn: str, postgres: Postgres) -> None:
    @prefork.job(name="now")
    def now() -> None: ...

    worker = source()
    number = now.defer()
    run = worker.claim()
    assert run
    run.call()
    postgres.restart()
    run.finish(None)

    def idle() -> bool:
        """As a worker does: what fails is tried again on new connections."""
        try:
            return worker.claim() is None
        except Unavailable:
            worker.close()
            return reconnected()

    def reconnected() -> bool:
        with suppress(Unavailable):
            worker.connect()
        return False

    until(idle, "the worker is back")
    with psycopg.connect(dsn) as database:
        assert database.execute("SELECT run, attempt, outcome FROM prefork.history").fetchall() == [(number, 1, "done")]
    shared.close()
    again = now.defer()
    assert select.select([worker], [], [], 5)[0]
    run = worker.claim()
    assert run
    assert run.number == again
