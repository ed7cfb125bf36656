"""Writes an instance's files: whoever reads one sees the old text or the new one, and only those read it who have to."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PRIVATE, SHARED, PUBLIC = 0o600, 0o640, 0o644


def put(path: Path, content: bytes | None, mode: int = PRIVATE, group: int = -1) -> None:
    """Have a file with this content, at once, or none at all. Raises OSError, and then it is as it was."""
    if content is None:
        path.unlink(missing_ok=True)
        return
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            os.fchown(file.fileno(), -1, group)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except OSError:
        with suppress(OSError):
            os.unlink(draft)
        raise


def content_of(path: Path) -> bytes | None:
    """What is in a file; None where there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
