"""Sessions as files, on a disk or on a mount that nodes share. A file's time of modification is the time when it expires.

So whether one has expired is known without reading it, and sweeping costs no reads. Nothing is flushed to the disk: a power failure
may cost the sessions of the last seconds, and an empty file is no session.
"""

from __future__ import annotations

import itertools
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from prefork.fanout import SHELVES, Fanout, remove, write_all
from prefork.sessions.stores.outage import Outage
from prefork.sessions.stores.whole import changed, pack, unpack

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from prefork.sessions.store import Fields


class FileStore:
    """The sessions below a directory."""

    shared = True

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.files = Fanout(os.fspath(directory), 0o600)
        self.outage = Outage("files")
        # Workers that were forked together do not all sweep the same shelf.
        self.shelves = itertools.cycle(SHELVES)

    def load(self, key: str) -> Fields | None:
        """See `Store`."""
        with self._told():
            return self._read(key)

    def create(self, key: str, fields: Fields, seconds: float) -> None:
        """See `Store`."""
        with self._told():
            self._write(key, fields, seconds)

    def update(self, key: str, fields: Fields, gone: Collection[str], seconds: float) -> bool:
        """See `Store`."""
        with self._told(), self.files.locked(key):
            current = self._read(key)
            if current:
                self._write(key, changed(current, fields, gone), seconds)
            return current is not None

    def end(self, key: str, seconds: float) -> bool:
        """See `Store`."""
        with self._told(), self.files.locked(key):
            kept = self._read(key) is not None
            if kept:
                self._write(key, {}, seconds)
            return kept

    def delete(self, key: str) -> None:
        """See `Store`."""
        with self._told(), self.files.locked(key):
            remove(self.files.place(key))

    def collect(self, most: int | None = None) -> int:
        """See `Store`. With `most` it looks into one directory of 256, at each call into another one."""
        with self._told():
            if most is None:
                return sum(self._sweep(shelf, None) for shelf in SHELVES)
            return self._sweep(next(self.shelves), most)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tell how it went. Raises Unavailable."""
        try:
            yield
        except OSError as error:
            self.outage.fail(f"the directory of sessions cannot be used: {error}")
        self.outage.over()

    def _sweep(self, shelf: str, most: int | None) -> int:
        found = (entry.name for entry in self.files.listed(shelf) if entry.stat().st_mtime <= time.time())
        return sum(self._expire(name) for name in itertools.islice(found, most))

    def _expire(self, name: str) -> bool:
        """Remove a file unless somebody has used it in the meantime."""
        with self.files.locked(name):
            return self._read(name) is None and remove(self.files.place(name))

    def _read(self, key: str) -> Fields | None:
        try:
            with open(self.files.place(key), "rb") as file:
                return unpack(file.read()) if os.fstat(file.fileno()).st_mtime > time.time() else None
        except FileNotFoundError:
            return None

    def _write(self, key: str, fields: Fields, seconds: float) -> None:
        expires = time.time() + seconds
        with self.files.draft(key[:2]) as (descriptor, path):
            write_all(descriptor, pack(fields))
            os.utime(descriptor, (expires, expires))
            os.rename(path, self.files.place(key))
