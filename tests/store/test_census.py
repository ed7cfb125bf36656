"""What the console asks a database: how many connections it has, and of jobs; and for how long it waits for an answer."""

from pathlib import Path

import psycopg
import pytest

from prefork.config import Settings
from prefork.instances.database import Database
from prefork.instances.local import Denied, Local
from prefork.instances.watch import Watch
from prefork.store import board
from prefork.store.address import Address
from prefork.store.census import connections
from prefork.store.connection import Unavailable, bounded, connect, translated

TIMEOUT = "the database cannot be used: canceling statement due to statement timeout"


def test_each_connection_counts_the_one_that_asks_too(dsn: str) -> None:
    with psycopg.connect(dsn) as one, psycopg.connect(dsn):
        found = connections(one)
        (most,) = one.execute("SHOW max_connections").fetchone() or ("",)
    assert found["used"] >= 2
    assert found["most"] == int(most)
    assert found["percent"] == round(100 * found["used"] / found["most"], 1)


def test_a_statement_that_waits_for_a_lock_is_given_up(database: psycopg.Connection, dsn: str) -> None:
    with connect(Address(dsn), "test") as connection, psycopg.connect(dsn) as other:
        other.execute("LOCK TABLE prefork.jobs")
        with pytest.raises(Unavailable, match=TIMEOUT), translated(), bounded(connection, 0.1):
            board.listed(connection)
        other.rollback()
        with bounded(connection, 60):
            assert board.listed(connection) == []
        assert connection.execute("SHOW statement_timeout").fetchone() == ("0",), "whoever comes next has no limit"


def test_a_lock_in_the_database_holds_up_no_watch(
    database: psycopg.Connection, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prefork.instances.watch.STATEMENT_LIMIT", 0.1)
    monkeypatch.setattr("prefork.instances.local.STATEMENT_LIMIT", 0.1)
    monkeypatch.setattr(Local, "settings", lambda _: Settings(store_dsn=dsn, jobs=("shop",), job_source="shop:jobs"))
    with Database(tmp_path / "console.sqlite") as db, psycopg.connect(dsn) as other:
        watch = Watch(db, "default", "shop", tmp_path)
        other.execute("LOCK TABLE prefork.jobs")
        watch.inquire()
        assert (watch.jobs, watch.sampler.database) == (None, {"error": TIMEOUT})
        with pytest.raises(Denied, match=TIMEOUT), Local(tmp_path).store() as connection:
            board.listed(connection)
        other.rollback()
        watch.inquire()
        assert watch.jobs == []
