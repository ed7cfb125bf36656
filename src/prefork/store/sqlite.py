"""The store in a file, for threaded mode: of a connection of psycopg what `jobs` and `board` use, made of the standard library.

Who writes has the file's lock, and others wait for it: that takes the place of locked rows. A pipe beside the file takes that of
notices. Times are seconds since 1970 in there, and JSON is text; what comes out is what PostgreSQL would give.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Callable

    from typing_extensions import Self

SCHEME = "sqlite:"
PATIENCE = 10.0  # seconds for others to end their transactions
TIMES = {"due_at", "now", "claimed_at", "lease_until", "ended_at", "first_failed_at"}
FLAGS = {"active", "present", "recurring", "held"}


class Column(NamedTuple):
    """A column of an answer."""

    name: str


class Answer:
    """The rows of the last statement that has any."""

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self.description = [Column(each[0]) for each in cursor.description or ()]
        self._rows = iter([tuple(map(read, self.description, row)) for row in cursor.fetchall()])

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row, None after the last one."""
        return next(self._rows, None)

    def fetchall(self) -> list[tuple[Any, ...]]:
        """All that are left."""
        return list(self._rows)


class File:
    """A connection to the store in a file, for one thread at a time. Raises sqlite3.Error."""

    dialect = "sqlite"

    def __init__(self, dsn: str) -> None:
        self.path = dsn[len(SCHEME) :]
        self.closed = False
        self._bell = -1
        self._within = self._rung = False
        self._hears: list[Callable[[object], None]] = []
        with suppress(OSError):  # SQLite says better what is in the way
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        self._connection = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.create_function("ring", 0, self._ring)
        self._connection.create_function("listen", 0, self._listen)
        self._prepare()

    def _prepare(self) -> None:
        """Bring the tables up to date; the file remembers the number of the last migration."""
        with self.transaction():
            (had,) = self._connection.execute("PRAGMA user_version").fetchone()
            for file in sorted((Path(__file__).parent / "migrations" / "sqlite").glob("[0-9]*.sql")):
                if int(file.stem[:4]) > had:
                    for statement in apart(file.read_text(encoding="utf-8")):
                        self._connection.execute(statement)
                    self._connection.execute(f"PRAGMA user_version = {int(file.stem[:4])}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        """End it."""
        self.closed = True
        self._connection.close()
        if self._bell >= 0:
            os.close(self._bell)
            self._bell = -1

    def execute(self, statements: bytes, values: Mapping[str, Any] | None = None) -> Answer:
        """Do one statement, or several with semicolons at the ends of lines between, in one transaction with one time, `:now`."""
        self._hear()
        given = {"now": time.time(), **{name: written(value) for name, value in (values or {}).items()}}
        with self.transaction():
            for statement in apart(statements.decode()):
                cursor = self._connection.execute(statement, given)
            return Answer(cursor)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; one within another is a part of it. Bells ring when it has been written."""
        if self._within:
            yield
            return
        self._connection.execute("BEGIN IMMEDIATE")
        self._within, self._rung = True, False
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # after some errors SQLite has taken everything back by itself
                self._connection.execute("ROLLBACK")
            raise
        finally:
            self._within = False
        if self._rung:
            self._pull()

    # The bell: who listens reads from the pipe.

    def _ring(self) -> None:
        self._rung = True

    def _pull(self) -> None:
        with suppress(OSError):  # nobody listens, or the bell rings already
            pipe = os.open(self._pipe, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                os.write(pipe, b"!")
            finally:
                os.close(pipe)

    @property
    def _pipe(self) -> str:
        return f"{self.path}.bell"

    def _listen(self) -> None:
        with suppress(FileExistsError):
            os.mkfifo(self._pipe, 0o600)
        if self._bell < 0:
            # For writing, too: so it does not end when others do.
            self._bell = os.open(self._pipe, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def add_notify_handler(self, callback: Callable[[object], None]) -> None:
        """Call this when the bell has rung, with the next `execute`."""
        self._hears.append(callback)

    def _hear(self) -> None:
        with suppress(BlockingIOError):
            if self._bell >= 0 and os.read(self._bell, 4096):
                for callback in self._hears:
                    callback(None)

    def fileno(self) -> int:
        """What is readable when the bell has rung; -1 for who does not listen."""
        return self._bell


def apart(text: str) -> list[str]:
    """The statements of a text."""
    return [each for each in text.strip().split(";\n") if each]


def written(value: object) -> object:
    """A value as it stands in the file."""
    if isinstance(value, datetime):
        return value.timestamp()
    return json.dumps(value) if isinstance(value, (list, dict)) else value


def read(column: Column, value: Any) -> Any:
    """What stands there, as it was written."""
    if value is None:
        return None
    if column.name in TIMES:
        return datetime.fromtimestamp(value, timezone.utc)
    if column.name in FLAGS:
        return bool(value)
    return json.loads(value) if column.name == "arguments" else value
