"""A PostgreSQL for this tier, and a database in it for each test."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from tests.applications.postgres import Postgres

from prefork import given
from prefork.jobs import declaration
from prefork.jobs.source import Source
from prefork.store import schema
from prefork.store.jobs import Holder


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    made = Postgres(Path(sys.prefix), tmp_path_factory.mktemp("store") / "data")
    made.create()
    with made:
        yield made


@pytest.fixture
def dsn(postgres: Postgres, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty database, which is this process's store."""
    name = f"t{abs(hash(request.node.name))}"
    postgres.make_database(name)
    dsn = postgres.uri + name
    monkeypatch.setitem(given.settings, "store", {"dsn": dsn})
    monkeypatch.setattr(declaration, "registry", {})
    monkeypatch.setattr("prefork.jobs.source.registry", declaration.registry)
    yield dsn
    from prefork.store.connection import shared

    shared.close()


@pytest.fixture
def database(dsn: str) -> Iterator[psycopg.Connection]:
    """A connection to look at what is there."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        schema.prepare(connection)
        yield connection


@pytest.fixture
def source(dsn: str) -> Iterator[Callable[..., Source]]:
    """Makes sources that are connected, and closes them."""
    made: list[Source] = []

    def make(worker: str = "cron.1", node: str = "here", pid: int = 1, **more: object) -> Source:
        found = Source(Holder(node, worker, pid), **more)
        found.connect()
        made.append(found)
        return found

    yield make
    for each in made:
        each.close()
