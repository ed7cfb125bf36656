"""`prefork incidents`: a list of what happened, and one incident with everything that is known of it. Readable in 80 columns."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from prefork.limits import mebibytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType

    from prefork.incidents import Incident

BARS = "▁▂▃▄▅▆▇█"


def listing(incidents: Sequence[Incident]) -> RenderableType:
    """One line for each, the latest last, where the eye is."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for name in ("ID", "TIME", "WORKER", "CAUSE"):
        table.add_column(name, no_wrap=True)
    table.add_column("REQUEST", no_wrap=True, overflow="ellipsis")
    for incident in incidents:
        table.add_row(incident.id, clock(incident.time), incident.worker, Text(incident.cause, style="red"), subject(incident))
    return table


def detail(incident: Incident) -> Iterator[RenderableType]:
    """Everything about one."""
    yield Text.assemble((incident.id, "bold"), f"  {clock(incident.time)} on {incident.node}")
    yield Text(f"{incident.worker} (pid {incident.pid}, generation {incident.generation}) was lost: {incident.reason}", style="red")
    yield ""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for name, text in facts(incident):
        table.add_row(name, Text(text))
    yield table
    if incident.children:
        yield ""
        yield Text("Ended with it", style="bold")
        for child in incident.children:
            yield Text(f"  {child['pid']}  {child['name']}  {mebibytes(child['resident'])}")
    if incident.stacks:
        yield ""
        yield Text("What it was doing", style="bold")
        yield Text(incident.stacks.rstrip())
    yield ""
    yield Text.assemble(("What to do  ", "bold"), incident.advice)


def facts(incident: Incident) -> Iterator[tuple[str, str]]:
    """What is known, by name."""
    request = incident.request or {}
    if request:
        yield "Request", f"{request['method']} {request['target']}"
        yield "Client", f"{request['client']}, request id {request['id']}"
    if request.get("tag"):
        yield "Tag", request["tag"]
    if incident.status:
        yield "Answered", f"{incident.status}"
    if incident.elapsed is not None:
        yield (
            "Running for",
            f"{incident.elapsed:.2f} s" + (f", {incident.cpu:.2f} s of processor" if incident.cpu is not None else ""),
        )
    if incident.memory is not None:
        yield "Memory", mebibytes(incident.memory)
    if len(incident.curve) > 1:
        seconds = incident.curve[0][0] - incident.curve[-1][0]
        yield (
            f"Last {abs(seconds):.0f} s",
            f"{curve([size for _, size in incident.curve])} up to {mebibytes(max(s for _, s in incident.curve))}",
        )


def subject(incident: Incident) -> str:
    """What the worker was doing, on one line."""
    if incident.request is None:
        return "-"
    return f"{incident.request['method']} {incident.request['target']}"


def curve(sizes: Sequence[int]) -> str:
    """Sizes as a line of bars, the highest one full."""
    highest = max(*sizes, 1)
    return "".join(BARS[min(len(BARS) - 1, size * len(BARS) // highest)] for size in sizes)


def clock(moment: float) -> str:
    """A time in the reader's own zone."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))
