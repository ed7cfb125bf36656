"""The schema: made once, by whoever comes first, and never in a database of Odoo."""

import threading

import psycopg
import pytest

from prefork.store import board, schema
from prefork.store.address import Address
from prefork.store.connection import Unavailable, connect, shared, translated


def test_many_that_start_at_once_make_it_once(dsn: str) -> None:
    applied: list[int] = []

    def prepare() -> None:
        with psycopg.connect(dsn, autocommit=True) as connection:
            applied.extend(each.version for each in schema.prepare(connection))

    threads = [threading.Thread(target=prepare) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert applied == [each.version for each in schema.migrations()]


def test_a_newer_schema_is_used_as_it_is(database: psycopg.Connection) -> None:
    database.execute("INSERT INTO prefork.migrations VALUES (9000, 'of the future', 'x')")
    assert schema.prepare(database) == []


def test_a_migration_that_was_edited_is_refused(database: psycopg.Connection) -> None:
    database.execute("UPDATE prefork.migrations SET checksum = 'other' WHERE version = 1")
    with pytest.raises(schema.Refused, match=r"migration 1 \(jobs\) was applied with another content"):
        schema.prepare(database)


def test_a_database_of_odoo_is_left_alone(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE ir_module_module ()")
        with pytest.raises(Unavailable, match="is a database of Odoo, which Prefork leaves alone; set store_dsn"), shared.use():
            pass
        assert connection.execute("SELECT to_regnamespace('prefork')").fetchone() == (None,)


def test_who_looks_before_it_is_made_is_told_so(dsn: str) -> None:
    said = "its schema prefork is not there yet"
    with connect(Address(dsn), "test") as connection, pytest.raises(Unavailable, match=said), translated():
        board.listed(connection)
