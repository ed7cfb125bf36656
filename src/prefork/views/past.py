"""`prefork usage --range`: what a server has done, a line of bars for each figure, readable in 80 columns and without colours."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from prefork.config.problems import plain
from prefork.limits import mebibytes
from prefork.views.incidents import BARS
from prefork.views.status import fine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from rich.console import RenderableType

    Told = Mapping[str, Any]
    Figure = tuple[str, Callable[[Told], float | None], float, Callable[[float], str]]

WIDTH = 48  # columns of a line of bars
MOST_MARKS = 8


def share(value: float) -> str:
    """In per cent."""
    return f"{value:.0f} %"


def rate(value: float) -> str:
    """A second."""
    return f"{value:,.1f}/s"


def answered(told: Told) -> float | None:
    """Answers a second."""
    return sum(told["requests"][name] for name in ("2xx", "3xx", "4xx", "5xx")) / told["seconds"] if told["seconds"] else None


def failed(told: Told) -> float | None:
    """Answers that were errors of the server's, a second."""
    return told["requests"]["5xx"] / told["seconds"] if told["seconds"] else None


# A name, where it is in a sample, the least value of a full bar, and how it is written.
FIGURES: tuple[Figure, ...] = (
    ("In flight", lambda told: told["in_flight"], 100, share),
    ("Processor", lambda told: told["cpu"], 100, share),
    ("Waited, p95", lambda told: told["wait"]["p95"], 0.001, fine),
    ("Served in, p95", lambda told: told["service"]["p95"], 0.001, fine),
    ("Answers", answered, 1, rate),
    ("Errors (5xx)", failed, 1, rate),
    ("Memory, most", lambda told: told["memory"]["most"], 1, lambda value: mebibytes(int(value))),
    ("Disk", lambda told: told["health"]["disk"], 100, share),
)


def screen(samples: Sequence[Told], marks: Sequence[Told], start: float, end: float) -> Iterator[RenderableType]:
    """What to print for a time, the latest on the right."""
    if not samples:
        yield Text("Nothing has been recorded in this time.", style="dim")
        return
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("", style="bold", no_wrap=True)
    table.add_column(f"{clock(start)} … {clock(end)}", no_wrap=True)
    table.add_column("HIGHEST", justify="right", no_wrap=True)
    for name, read, least, written in FIGURES:
        values = columns([(told["at"], read(told)) for told in samples], start, end)
        highest = max((value for value in values if value is not None), default=None)
        if highest is not None:
            table.add_row(name, bars(values, max(highest, least)), written(highest))
    yield table
    if marks:
        yield ""
        for mark in marks[-MOST_MARKS:]:
            yield Text(f"{clock(mark['at'])}  {mark['kind']}: {plain(mark['text'])}", style="dim")


def columns(points: Sequence[tuple[float, float | None]], start: float, end: float) -> list[float | None]:
    """The highest value in each column's part of the time, None where nothing is known of it."""
    found: list[float | None] = [None] * WIDTH
    for at, value in points:
        column = min(WIDTH - 1, max(0, int((at - start) / (end - start) * WIDTH)))
        if value is not None:
            found[column] = max(value, found[column] or 0.0)
    return found


def bars(values: Sequence[float | None], full: float) -> str:
    """A bar for each value; a gap where nothing is known."""
    return "".join(" " if value is None else BARS[min(len(BARS) - 1, int(value * len(BARS) / full))] for value in values)


def clock(moment: float) -> str:
    """A time in the reader's own zone."""
    return time.strftime("%m-%d %H:%M", time.localtime(moment))
