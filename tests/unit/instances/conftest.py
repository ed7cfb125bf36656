"""A console's file with one instance."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from prefork.instances.database import Database


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "console.sqlite") as db:
        db.change("INSERT INTO instances (id, name, kind, created_at) VALUES ('default', 'shop', 'own', 0)")
        yield db
