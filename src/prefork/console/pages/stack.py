"""The stacks of a worker as a page shows them, pure: which lines are heads, which frames, and which one is to blame."""

from __future__ import annotations

import re
from typing import NamedTuple

FRAME = re.compile(r'\s*File "(?P<path>[^"]*)", line (?P<line>\d+),? in (?P<name>.*)')
CURRENT = re.compile(r"(Current thread|Fatal|Thread .*active)")
# What has been called, or calls: an application's own frame lies between the two.
FOREIGN = ("/lib/python", "/site-packages/", "/dist-packages/", "/prefork/worker/", "<frozen ", "/lib64/python")


class Line(NamedTuple):
    """A line, and how it looks: `head`, `frame` or `guilty`."""

    text: str
    look: str


def lines(stacks: str) -> list[Line]:
    """All lines; the guilty one is the innermost frame of the application in the thread that had the request."""
    texts = stacks.rstrip().splitlines()
    guilty = blame(texts)
    return [Line(text, "guilty" if number == guilty else "frame" if text.startswith(" ") else "head") for number, text in enumerate(texts)]


def blame(texts: list[str]) -> int | None:
    """The number of that line; where all is foreign, of the innermost frame."""
    start = next((number for number, text in enumerate(texts) if CURRENT.match(text)), 0)
    frames = [number for number in range(start, len(texts)) if FRAME.match(texts[number])]
    ours = [number for number in frames if not any(part in texts[number] for part in FOREIGN)]
    return next(iter(ours or frames), None)


def culprit(stacks: str) -> str:
    """The guilty line in a few words, `report.py:7 in totals`; empty where there is none."""
    texts = stacks.splitlines()
    number = blame(texts)
    found = FRAME.match(texts[number]) if number is not None else None
    return f"{found['path'].rpartition('/')[2]}:{found['line']} in {found['name']}" if found else ""
