"""Files by name below one directory, spread over 256 others, each written whole or not at all: also on a mount that nodes share.

A name begins with two hexadecimal digits, which say where it lies. Whoever replaces or removes a file on the strength of what he
has read holds the lock of its directory. Runs inside the application's interpreter too: standard library only, Python 3.9+.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCK = ".lock"
DRAFT = ".draft-"  # begins the name of what is being written
ABANDONED = 86400.0  # seconds after which nobody is writing a draft any more
SHELVES = tuple(f"{number:02x}" for number in range(256))


class Fanout:
    """The files below `root`, with these permissions (less the umask)."""

    def __init__(self, root: str, mode: int) -> None:
        self.root = root
        self.mode = mode

    def place(self, name: str) -> str:
        """Where a file lies, whether it exists or not."""
        return f"{self.root}/{name[:2]}/{name}"

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Keep all others out who want to replace or remove a file of the same directory. Ends with the process, too."""
        descriptor = self._open(f"{self.root}/{name[:2]}/{LOCK}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def draft(self, shelf: str) -> Iterator[tuple[int, str]]:
        """Descriptor and path of a new file to write; it is gone afterwards unless it has been renamed."""
        path = f"{self.root}/{shelf}/{DRAFT}{os.urandom(12).hex()}"
        descriptor = self._open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC)
        try:
            yield descriptor, path
        finally:
            os.close(descriptor)
            remove(path)

    def now(self, shelf: str) -> float:
        """The time by the clock that stamps these files, which is not ours where another machine keeps them."""
        with self.draft(shelf) as (descriptor, _):
            return os.fstat(descriptor).st_mtime

    def listed(self, shelf: str) -> Iterator[os.DirEntry[str]]:
        """The files of one of the directories, without lock and drafts. Drafts that nobody writes any more are removed."""
        try:
            entries = os.scandir(f"{self.root}/{shelf}")
        except FileNotFoundError:
            return
        with entries:
            for entry in entries:
                if not entry.name.startswith("."):
                    yield entry
                elif entry.name.startswith(DRAFT) and stamp(entry.path) < time.time() - ABANDONED:
                    remove(entry.path)

    def _open(self, path: str, flags: int) -> int:
        try:
            return os.open(path, flags, self.mode)
        except FileNotFoundError:
            # Who may read a file may enter its directory.
            os.makedirs(os.path.dirname(path), self.mode | (self.mode & 0o444) >> 2, exist_ok=True)
            return os.open(path, flags, self.mode)


def stamp(path: str) -> float:
    """When a file was modified; now, where it has gone."""
    try:
        return os.stat(path).st_mtime
    except FileNotFoundError:
        return time.time()


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of it. Raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def remove(path: str) -> bool:
    """Remove a file; whether it was there."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True
