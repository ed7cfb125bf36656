"""The instances that the console knows: its own server, others on this machine by their data directory, others by URL."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from prefork.instances.remote import Remote, check
from prefork.instances.users import Declined

if TYPE_CHECKING:
    from prefork.instances.database import Database

OWN = "default"  # the id of the server that has started the console
ID = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
COLUMNS = "id, name, kind, directory, url, created_at"


class Instance(NamedTuple):
    """One of them. `kind` is own, local or remote; `directory` is the data directory of one on this machine."""

    id: str
    name: str
    kind: str
    directory: Path | None
    url: str | None
    created_at: float


def read(row: tuple[str, str, str, str | None, str | None, float]) -> Instance:
    """An instance from its row."""
    name, directory = row[1], row[3]
    return Instance(row[0], name, row[2], Path(directory) if directory else None, row[4], row[5])


def listed(db: Database) -> list[Instance]:
    """All, the console's own first."""
    return [read(tuple(row)) for row in db.rows(f"SELECT {COLUMNS} FROM instances ORDER BY kind <> 'own', name, id")]  # noqa: S608 - the columns above


def find(db: Database, instance: str) -> Instance | None:
    """One by its id."""
    row = db.row(f"SELECT {COLUMNS} FROM instances WHERE id = ?", instance)  # noqa: S608 - the columns above
    return read(tuple(row)) if row else None


def keep_own(db: Database, name: str, directory: Path) -> None:
    """Know the server that has started the console."""
    db.change(
        "INSERT INTO instances (id, name, kind, directory, created_at) VALUES (?, ?, 'own', ?, ?) "
        "ON CONFLICT (id) DO UPDATE SET directory = excluded.directory",
        OWN,
        name,
        str(directory),
        time.time(),
    )


def add_local(db: Database, instance: str, name: str, directory: Path) -> Instance:
    """Know a server on this machine by its data directory. Raises Declined."""
    check_id(instance)
    if not directory.is_absolute() or ".." in directory.parts:
        raise Declined(f"{directory} is no absolute path; name the data_dir of the server from / on")
    with db.transaction():
        if find(db, instance):
            raise Declined(f"there is an instance {instance} already; choose another id")
        row = (instance, name, str(directory), time.time())
        db.change("INSERT INTO instances (id, name, kind, directory, created_at) VALUES (?, ?, 'local', ?, ?)", *row)
    return Instance(instance, name, "local", directory, None, row[3])


def add_remote(db: Database, instance: str, name: str, remote: Remote) -> Instance:
    """Know a server on another machine by the console there. Raises Declined."""
    check_id(instance)
    url = check(remote.url)
    with db.transaction():
        if find(db, instance):
            raise Declined(f"there is an instance {instance} already; choose another id")
        row = (instance, name, url, remote.token, time.time())
        db.change("INSERT INTO instances (id, name, kind, url, token, created_at) VALUES (?, ?, 'remote', ?, ?, ?)", *row)
    return Instance(instance, name, "remote", None, url, row[4])


def way_to(db: Database, instance: str) -> Remote | None:
    """How to reach one that is on another machine."""
    row = db.row("SELECT url, token FROM instances WHERE id = ? AND kind = 'remote'", instance)
    return Remote(row["url"], row["token"]) if row else None


def check_id(instance: str) -> None:
    """Raises Declined for what is no id."""
    if not ID.fullmatch(instance):
        raise Declined("an id has 1 to 63 lower-case letters, digits and hyphens, and begins and ends with no hyphen")


def rename(db: Database, instance: str, name: str) -> None:
    """Call it something else."""
    db.change("UPDATE instances SET name = ? WHERE id = ?", name, instance)


def remove(db: Database, instance: str) -> None:
    """Know it no more; it goes on. Raises Declined for the console's own."""
    if instance == OWN:
        raise Declined(f"{OWN} is the server that has started the console; it cannot be removed")
    db.change("DELETE FROM instances WHERE id = ?", instance)
