"""Files that people name, read whole: a device or a pipe may have no end, and nobody's file is as long as memory."""

from __future__ import annotations

from errno import EFBIG
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

LONGEST = 4 << 20  # bytes


def content(path: Path | str) -> bytes:
    """What is in a file, or comes out of a pipe. Raises OSError, also for what is too long."""
    with open(path, "rb") as file:
        found = file.read(LONGEST + 1)
    if len(found) > LONGEST:
        raise OSError(EFBIG, f"it is longer than {LONGEST} bytes", str(path))
    return found


def text(path: Path | str) -> str:
    """The same as UTF-8 text, in which a line ends with a line feed. Raises OSError, UnicodeDecodeError."""
    return content(path).decode().replace("\r\n", "\n").replace("\r", "\n")
