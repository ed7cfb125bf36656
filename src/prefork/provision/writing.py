"""Writes an instance's files: whoever reads one sees the old text or the new one. Gives them to the account that they are for."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PRIVATE, PUBLIC = 0o600, 0o644


def put(path: Path, content: bytes, mode: int = PRIVATE) -> None:
    """Have a file with this content, at once. Raises OSError, and then it is as it was."""
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except OSError:
        with suppress(OSError):
            os.unlink(draft)
        raise


def put_back(path: Path, content: bytes | None, mode: int = PRIVATE) -> None:
    """Have a file as it was: with that content, or none at all. Raises OSError."""
    if content is None:
        path.unlink(missing_ok=True)
    else:
        put(path, content, mode)


def content_of(path: Path) -> bytes | None:
    """What is in a file; None where there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def give(path: Path, like: Path) -> None:
    """Have a file belong to the account that another one belongs to, where root can say so. Raises OSError."""
    whose = os.stat(like)
    if os.geteuid() == 0 and whose.st_uid != 0:
        os.chown(path, whose.st_uid, whose.st_gid)
