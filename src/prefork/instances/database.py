"""The console's one SQLite file: opened by its owner alone, brought up to date by numbered files, each applied once.

Any thread may use it, one at a time. Times are seconds since 1970. A newer schema than ours is used as it is: migrations only add.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

NAME = "console.sqlite"
OWN = "console"  # the directory, in the server's, of a console that runs as another account
MIGRATIONS = Path(__file__).parent / "migrations"
PATIENCE = 10.0  # seconds for another process to end its transaction
AGAIN = 5.0  # seconds between attempts at what has to be written
FAULTS = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.DataError)  # of a statement, not of the file
BEGINNING = """
CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL)
"""


class Unusable(Exception):
    """The file cannot be used; the sentence says why."""


class Migration(NamedTuple):
    """One file: its number, its name and what is in it."""

    version: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """What tells an edited file from the one that was applied."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]


def migrations(place: Path = MIGRATIONS) -> list[Migration]:
    """All that this release knows, in order."""
    files = sorted(place.glob("[0-9]*.sql"))
    return [Migration(int(file.stem[:4]), file.stem[5:], file.read_text(encoding="utf-8")) for file in files]


def file_in(data_dir: Path) -> Path:
    """That of a data directory's console, whether it is there or not."""
    own = data_dir / OWN
    return (own if os.path.isdir(own) else data_dir) / NAME


@contextmanager
def as_owner_of(directory: Path) -> Iterator[None]:
    """Root opens what is in somebody's directory as that one, who could have a name there lead to anything. Raises OSError."""
    status, group = os.stat(directory), os.getegid()
    if os.geteuid() != 0 or status.st_uid == 0:
        yield
        return
    os.setegid(status.st_gid)
    os.seteuid(status.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)


class Database:
    """The file at `path`, made where there is none. Raises Unusable."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._closed = threading.Event()
        try:
            with as_owner_of(path.parent):
                self._open()
        except OSError as error:
            raise Unusable(f"{path} cannot be opened: {reason(error)}") from None

    def _open(self) -> None:
        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # SQLite would follow the umask
            self._connection = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise Unusable(f"{self.path} cannot be opened: {reason(error)}") from None
        self._connection.row_factory = sqlite3.Row
        try:
            self._prepare()
        except sqlite3.Error as error:
            self.close()
            raise Unusable(f"{self.path} cannot be used: {reason(error)}") from None
        except Unusable:
            self.close()
            raise

    def _prepare(self) -> None:
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
            self._connection.execute(f"PRAGMA {pragma}")
        with self.transaction():
            self._connection.execute(BEGINNING)
            had = {row["version"]: row["checksum"] for row in self.rows("SELECT version, checksum FROM migrations")}
            for each in migrations():
                if each.version not in had:
                    self._apply(each)
                elif had[each.version] != each.checksum:
                    raise Unusable(
                        f"{self.path} had migration {each.version} ({each.name}) with another content; reinstall Prefork"
                    )

    def _apply(self, migration: Migration) -> None:
        for statement in apart(migration.text):
            self._connection.execute(statement)
        self.change(
            "INSERT INTO migrations (version, name, checksum) VALUES (?, ?, ?)",
            migration.version,
            migration.name,
            migration.checksum,
        )

    def rows(self, statement: str, *values: Any) -> list[sqlite3.Row]:
        """What a query finds. Raises Unusable."""
        with self._held() as connection:
            return connection.execute(statement, values).fetchall()

    def row(self, statement: str, *values: Any) -> sqlite3.Row | None:
        """The first row that a query finds. Raises Unusable."""
        with self._held() as connection:
            found: sqlite3.Row | None = connection.execute(statement, values).fetchone()
            return found

    def change(self, statement: str, *values: Any) -> sqlite3.Cursor:
        """Change something; the cursor has `rowcount` and `lastrowid`. Raises Unusable."""
        with self._held() as connection:
            return connection.execute(statement, values)

    def insist(self, statement: str, *values: Any) -> None:
        """Change something now, or as soon as there is room: how something has ended, which nobody else can say later."""
        try:
            self.change(statement, *values)
        except Unusable:
            threading.Thread(target=self._change_later, args=(statement, *values), name="insist", daemon=True).start()

    def _change_later(self, statement: str, *values: Any) -> None:
        while not self._closed.wait(AGAIN):
            with suppress(Unusable), self._lock:
                if not self._closed.is_set():
                    self.change(statement, *values)
                return

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Have all statements of this block count, or none; another block inside it is a part of it. Raises Unusable."""
        with self._lock:
            if self._connection.in_transaction:
                yield
                return
            self.change("BEGIN IMMEDIATE")
            try:
                yield
                self.change("COMMIT")
            except BaseException:
                self._take_back()
                raise

    def _take_back(self) -> None:
        if self._connection.in_transaction:  # after some errors SQLite has done it by itself
            self.change("ROLLBACK")

    @contextmanager
    def _held(self) -> Iterator[sqlite3.Connection]:
        """The connection, for one thread at a time. Raises Unusable where the disk, a lock or what is in the file is in the way."""
        with self._lock:
            try:
                yield self._connection
            except sqlite3.DatabaseError as error:
                if isinstance(error, FAULTS):
                    raise
                raise Unusable(f"{self.path} cannot be used: {reason(error)}") from error

    def close(self) -> None:
        """End it."""
        with self._lock:
            self._closed.set()
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def apart(text: str) -> list[str]:
    """The statements of a file, each ended by a semicolon at the end of a line where SQLite sees one as whole."""
    found, statement = [], ""
    for line in text.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            found.append(statement)
            statement = ""
    return found


def reason(error: Exception) -> str:
    """What is wrong, in the system's words."""
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower()
    return str(error)
