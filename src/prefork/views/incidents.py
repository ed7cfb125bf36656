"""`prefork incidents`: a list of what happened, and one incident with everything that is known of it. Readable in 80 columns.

What clients and applications have said is shown as text that can do nothing to a terminal.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from prefork.config.problems import plain
from prefork.limits import mebibytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType

    from prefork.incidents import Incident

BARS = "▁▂▃▄▅▆▇█"


def listing(incidents: Sequence[Incident]) -> Iterator[Text]:
    """One line for each, the latest last, where the eye is. The longest part, a request's target, is at its end."""
    rows = [("ID", "TIME", "WORKER", "CAUSE", "WORK"), *map(row, incidents)]
    *widths, _ = (max(map(len, column)) for column in zip(*rows, strict=True))
    for number, cells in enumerate(rows):
        line = "  ".join([*(cell.ljust(width) for cell, width in zip(cells, widths, strict=False)), cells[-1]])
        yield Text(line, style="" if number else "dim")


def more(shown: int, kept: int) -> Text:
    """What stands above a list that does not have them all."""
    return Text(f"The latest {shown} of {kept}; with --json all are printed.", style="dim")


def row(incident: Incident) -> tuple[str, ...]:
    """What its line says."""
    moment = time.strftime("%m-%d %H:%M:%S", time.localtime(incident.time))
    return incident.id, moment, incident.worker, incident.cause, subject(incident)


def details(incidents: Sequence[Incident]) -> Iterator[RenderableType]:
    """Everything about each; a request may have been in several."""
    for number, incident in enumerate(incidents):
        if number:
            yield ""
        yield from detail(incident)


def detail(incident: Incident) -> Iterator[RenderableType]:
    """Everything about one."""
    yield Text.assemble((incident.id, "bold"), f"  {clock(incident.time)} on {plain(incident.node)}")
    yield Text(plain(f"{incident.worker} (pid {incident.pid}, generation {incident.generation}): {incident.reason}"), style="red")
    yield ""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in facts(incident):
        table.add_row(name, Text(plain(text)))
    yield table
    if others := incident.beside():
        yield ""
        yield Text("Other requests on its loop" if incident.request else "Requests on its loop", style="bold")
        for request in others:
            outcome = request["status"] or "by another worker, or not at all"
            yield Text(plain(f"  {request['method']} {request['target']}  {request['id']}  answered: {outcome}"))
    if incident.children:
        yield ""
        yield Text("Processes below it", style="bold")
        for child in incident.children:
            yield Text(plain(f"  {child['pid']}  {child['name']}  {mebibytes(child['memory'])}"))
    if incident.stacks:
        yield ""
        yield Text("What it was doing", style="bold")
        yield frames(incident.stacks)


def frames(stacks: str) -> Group:
    """Stacks as they are, the heads of threads dimmed. A long line is left to the terminal: its path can be copied whole."""
    lines = [plain(line) for line in stacks.rstrip().splitlines()]
    return Group(*(Text(line, "" if line.startswith(" ") else "dim", no_wrap=True, overflow="ignore") for line in lines))


def facts(incident: Incident) -> Iterator[tuple[str, str]]:
    """What is known, by name."""
    request = incident.request
    if request:
        yield "Request", f"{request['method']} {request['target']}"
        yield "Client", f"{request['client']}, request id {request['id']}"
        if request["attempt"] > 1:
            yield "Attempt", f"{request['attempt']}; `prefork incidents {request['id']}` shows the others"
        if request["tag"]:
            yield "Tag", request["tag"]
        yield "Answered", f"{incident.status}" if incident.status else "by another worker, or not at all"
    if incident.job:
        yield "Job", f"{incident.job['name']}, run {incident.job['run']}"
    if incident.elapsed is not None:
        cpu = "" if incident.cpu is None else f", {incident.cpu:.2f} s of processor time"
        yield "Ran for", f"{incident.elapsed:.2f} s{cpu}"
    if incident.memory is not None:
        yield "Memory", mebibytes(incident.memory)
    if len(incident.curve) > 1:
        sizes = [size for _, size in incident.curve]
        lowest, highest = mebibytes(min(sizes)), mebibytes(max(sizes))
        span = lowest if lowest == highest else f"{lowest} to {highest}"
        yield f"Last {-incident.curve[0][0]:.0f} s", f"{curve(sizes)}  {span}"
    yield "What to do", incident.advice


def subject(incident: Incident) -> str:
    """What the worker was doing, on one line."""
    if incident.job:
        return plain(incident.job["name"])
    if incident.request is None and incident.requests:
        return f"{len(incident.requests)} requests"
    return plain(f"{incident.request['method']} {incident.request['target']}") if incident.request else "-"


def curve(sizes: Sequence[int]) -> str:
    """Sizes as a line of bars, the highest one full."""
    highest = max(*sizes, 1)
    return "".join(BARS[min(len(BARS) - 1, size * len(BARS) // highest)] for size in sizes)


def clock(moment: float) -> str:
    """A time in the reader's own zone."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))
