"""The end of a server's log file, line by line: when, how bad, what it says. Text and JSON are understood, all else is shown.

It reads no more than the last part of a file, however large that is.
"""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

PART = 512 << 10  # bytes
LEVELS = ("debug", "info", "warning", "error", "critical")
# As lines.py writes them, and Odoo's.
TEXT = re.compile(r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),\d{3} \d+ (?P<level>[A-Z]+) (?P<words>.*)", re.DOTALL)


class Line(NamedTuple):
    """One line of the log with what belongs to it; `time` as it stands there."""

    time: str
    level: str
    text: str


def tail(path: Path, level: str, text: str, most: int) -> Sequence[Line]:
    """The latest lines at or above a level that contain a text, the latest last. Raises OSError."""
    least = LEVELS.index(level)
    sought = text.casefold()
    found = [line for line in lines(ending(path)) if rank(line.level) >= least and sought in line.text.casefold()]
    return found[-most:]


def rank(level: str) -> int:
    """How bad a level is; one that nobody knows is as bad as `info`."""
    return LEVELS.index(level) if level in LEVELS else 1


def ending(path: Path) -> str:
    """The last part of a file, from the beginning of a line on."""
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - PART))
        found = file.read(PART)
    if size > PART:
        found = found.partition(b"\n")[2]
    return found.decode(errors="replace")


def lines(text: str) -> Iterator[Line]:
    """Its lines. What does not begin as one, such as a traceback, belongs to the line before."""
    last: Line | None = None
    for written in text.splitlines():
        line = parse(written)
        if line is None and last is not None:
            last = last._replace(text=f"{last.text}\n{written}")
            continue
        if last is not None:
            yield last
        last = line or Line("", "info", written)
    if last is not None:
        yield last


def parse(written: str) -> Line | None:
    """One line, where it begins as one."""
    if found := TEXT.fullmatch(written):
        return Line(found["time"], found["level"].lower(), found["words"])
    if written.startswith("{"):
        try:
            told = json.loads(written)
            return Line(str(told["time"])[:19].replace("T", " "), str(told["level"]), str(told["message"]))
        except (ValueError, KeyError, TypeError):
            pass
    return None
