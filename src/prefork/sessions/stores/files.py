"""Sessions as files, on a disk or on a mount that nodes share. A file's time of modification is the time when it expires.

So whether one has expired is known without reading it, and sweeping costs no reads. Nothing is flushed to the disk: a power failure
may cost the sessions of the last seconds, and an empty file is no session.
"""

from __future__ import annotations

import itertools
import os
import time
from typing import TYPE_CHECKING

from prefork.fanout import SHELVES, Fanout, remove, write_all
from prefork.sessions.store import Unavailable

if TYPE_CHECKING:
    from prefork.sessions.store import Change


class FileStore:
    """The sessions below a directory."""

    shared = True

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.files = Fanout(os.fspath(directory), 0o600)
        # Workers that were forked together do not all sweep the same shelf.
        self.shelves = itertools.cycle(SHELVES)

    def load(self, key: str) -> bytes | None:
        """See `Store`."""
        try:
            with open(self.files.place(key), "rb") as file:
                return file.read() if os.fstat(file.fileno()).st_mtime > time.time() else None
        except FileNotFoundError:
            return None
        except OSError as error:
            raise failed(error) from error

    def create(self, key: str, payload: bytes, seconds: float) -> None:
        """See `Store`."""
        try:
            self._write(key, payload, seconds)
        except OSError as error:
            raise failed(error) from error

    def update(self, key: str, change: Change, seconds: float) -> bool:
        """See `Store`."""
        try:
            with self.files.locked(key):
                current = self.load(key)
                if current is None:
                    return False
                self._write(key, change(current), seconds)
                return True
        except OSError as error:
            raise failed(error) from error

    def delete(self, key: str) -> None:
        """See `Store`."""
        try:
            with self.files.locked(key):
                remove(self.files.place(key))
        except OSError as error:
            raise failed(error) from error

    def collect(self, most: int | None = None) -> int:
        """See `Store`. With `most` it looks into one directory of 256, at each call into another one."""
        try:
            if most is None:
                return sum(self._sweep(shelf, None) for shelf in SHELVES)
            return self._sweep(next(self.shelves), most)
        except OSError as error:
            raise failed(error) from error

    def _sweep(self, shelf: str, most: int | None) -> int:
        found = (entry.name for entry in self.files.listed(shelf) if entry.stat().st_mtime <= time.time())
        return sum(self._expire(name) for name in itertools.islice(found, most))

    def _expire(self, name: str) -> bool:
        """Remove a file unless somebody has used it in the meantime."""
        with self.files.locked(name):
            return self.load(name) is None and remove(self.files.place(name))

    def _write(self, key: str, payload: bytes, seconds: float) -> None:
        expires = time.time() + seconds
        with self.files.draft(key[:2]) as (descriptor, path):
            write_all(descriptor, payload)
            os.utime(descriptor, (expires, expires))
            os.rename(path, self.files.place(key))


def failed(error: OSError) -> Unavailable:
    """What keeps the files from being used."""
    return Unavailable(f"the directory of sessions cannot be used: {error}")
