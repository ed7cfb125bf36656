"""The schema `prefork`: made and brought up to date by numbered files, each applied once, under a lock, and remembered by checksum.

A file that was released never changes, and only adds: a server of the last release works on the schema of this one. So a newer
schema than ours is used as it is.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from prefork.store.statements import POSTGRES, dialect

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[Any]

LOCK = 0x70726566  # "pref": the advisory lock of those who change the schema
STATE = """
SELECT to_regclass('public.ir_module_module') IS NOT NULL, to_regclass('prefork.migrations') IS NOT NULL, current_database()
"""
BEGINNING = """
CREATE SCHEMA IF NOT EXISTS prefork;
CREATE TABLE IF NOT EXISTS prefork.migrations (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


class Refused(Exception):
    """This database is not one to keep things in; the sentence says why."""


class Migration(NamedTuple):
    """One file: its number, its name and what is in it."""

    version: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """What tells an edited file from the one that was applied."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]


def migrations() -> list[Migration]:
    """All that this release knows, in order."""
    files = sorted((Path(__file__).parent / "migrations").glob("[0-9]*.sql"))
    return [Migration(int(file.stem[:4]), file.stem[5:], file.read_text(encoding="utf-8")) for file in files]


def applied(connection: Connection) -> dict[int, str]:
    """The checksums of what this database has, by number. Raises Refused."""
    row = connection.execute(STATE).fetchone()
    assert row is not None
    odoo, known, name = row
    if odoo:
        raise Refused(f"{name} is a database of Odoo, which Prefork leaves alone; set store_dsn to another one")
    if not known:
        return {}
    return dict(connection.execute("SELECT version, checksum FROM prefork.migrations").fetchall())


def missing(had: dict[int, str]) -> list[Migration]:
    """What a database lacks. Raises Refused where a file is not the one that was applied."""
    for each in migrations():
        if each.version in had and had[each.version] != each.checksum:
            raise Refused(f"migration {each.version} ({each.name}) was applied with another content; reinstall Prefork")
    return [each for each in migrations() if each.version not in had]


def prepare(connection: Connection) -> list[Migration]:
    """Bring the schema up to date and return what was applied. Others who do the same wait. Raises Refused."""
    if dialect(connection) != POSTGRES or not missing(applied(connection)):  # a file has its tables since it was opened
        return []
    with connection.transaction():
        # The lock ends with the transaction: one of the session would stay with a pooler's connection.
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        connection.execute(BEGINNING)
        wanted = missing(applied(connection))
        for each in wanted:
            connection.execute(each.text.encode())
            row = [each.version, each.name, each.checksum]
            connection.execute("INSERT INTO prefork.migrations (version, name, checksum) VALUES (%s, %s, %s)", row)
    return wanted
