"""Sessions in PostgreSQL where only psycopg2 is installed, as in an Odoo."""

import sys

import psycopg
import pytest

from prefork.sessions import PostgresStore, Unavailable
from prefork.store import connection, elder

KEY, OTHER = "a" * 40, "b" * 40
ONE = {"one": "ü"}


@pytest.fixture
def store(dsn: str, monkeypatch: pytest.MonkeyPatch) -> PostgresStore:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    return PostgresStore(dsn)


def test_what_is_kept_can_be_read_changed_and_ended(store: PostgresStore) -> None:
    assert store.load(KEY) is None
    store.create(KEY, {**ONE, "two": "2"}, 60)
    store.create(KEY, {}, 60)  # said twice, after a connection that broke
    assert (store.load(KEY), store.load(OTHER)) == ({**ONE, "two": "2"}, None)
    assert store.update(KEY, {"three": "3"}, ["two", "four"], 60)
    assert store.load(KEY) == {**ONE, "three": "3"}
    assert not store.update(OTHER, ONE, [], 60)
    assert store.end(KEY, 60)
    assert store.update(KEY, ONE, [], 60)
    assert store.load(KEY) == {}, "what has ended was written again"
    store.delete(KEY)
    assert store.load(KEY) is None


def test_what_is_over_is_in_nobodys_way_and_is_removed(store: PostgresStore) -> None:
    store.create(KEY, ONE, -1)
    assert store.load(KEY) is None
    store.create(KEY, {"new": "1"}, 60)
    assert store.load(KEY) == {"new": "1"}
    store.create(OTHER, ONE, -1)
    assert (store.collect(), store.collect()) == (1, 0)


def test_a_transaction_that_fails_leaves_nothing(store: PostgresStore, dsn: str) -> None:
    store.create(KEY, ONE, 60)
    with psycopg.connect(dsn) as other:
        other.execute("CREATE FUNCTION prefork.no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$")
        other.execute("CREATE TRIGGER no BEFORE UPDATE ON prefork.sessions EXECUTE FUNCTION prefork.no()")
    with pytest.raises(Unavailable):
        store.update(KEY, {"one": "2"}, [], 60)
    with psycopg.connect(dsn) as other:
        other.execute("DROP TRIGGER no ON prefork.sessions")
        assert other.execute(
            "SELECT count(*) FROM pg_locks WHERE relation = 'prefork.sessions'::regclass AND pid != pg_backend_pid()"
        ).fetchone() == (0,)
    store.link.outage.over()
    assert store.load(KEY) == ONE


def test_an_old_library_is_asked_for_nothing_that_it_does_not_know() -> None:
    manner = {"autocommit": True, "prepare_threshold": 5, "connect_timeout": 5, "tcp_user_timeout": 25_000}
    assert elder.understood(manner, 110_005) == {"connect_timeout": 5}
    assert elder.understood(manner, 120_000) == {"connect_timeout": 5, "tcp_user_timeout": 25_000}


def test_who_cannot_be_reached_and_a_missing_driver_are_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(Unavailable, match="the database cannot be used"):
        PostgresStore("host=127.0.0.1 port=1 dbname=x").load(KEY)
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    with pytest.raises(connection.Unavailable, match="psycopg 3 cannot be imported"):
        elder.either()
