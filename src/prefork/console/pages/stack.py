"""The stacks of a worker as a page shows them, pure: which lines are heads, which frames, and which one is to blame."""

from __future__ import annotations

from typing import NamedTuple

from prefork.instances.blame import place


class Line(NamedTuple):
    """A line, and how it looks: `head`, `frame` or `guilty`."""

    text: str
    look: str


def lines(stacks: str) -> list[Line]:
    """All lines. Where the guilty one stands more than once, the first is it."""
    found = place(stacks)
    start = f'File "{found.file}", line {found.line}' if found else None
    shown = []
    for text in stacks.rstrip().splitlines():
        guilty = start is not None and text.lstrip().startswith(start) and not text.lstrip()[len(start) :][:1].isdigit()
        shown.append(Line(text, "guilty" if guilty else "frame" if text.startswith(" ") else "head"))
        start = None if guilty else start
    return shown


def culprit(stacks: str) -> str:
    """The guilty line in a few words, `report.py:7 in totals`; empty where there is none."""
    found = place(stacks)
    if found is None:
        return ""
    where = f"{found.file.rpartition('/')[2]}:{found.line}"
    return f"{where} in {found.function}" if found.function else where
