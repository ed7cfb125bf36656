"""What `prefork usage` shows: both measures, each worker, and how the machine is.

Colours are the terminal's own; nothing is said by colour alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from prefork.config.quantities import about

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import RenderableType

BAR = 30  # columns of a full bar
COLOURS = {"normal": "green", "moderate": "yellow", "high pressure": "red", "critical": "bold red"}


def screen(told: Mapping[str, Any]) -> Iterator[RenderableType]:
    """What to print for a report, from top to bottom."""
    colour = COLOURS[told["level"]]
    yield Text.assemble(("● ", colour), (told["level"], f"bold {colour}"), f": {told['recommendation']}")
    yield ""
    yield measures(told)
    if told["workers"]:
        yield ""
        yield workers(told["workers"])
    yield ""
    yield health(told["health"])
    if told["handing"] and (advice := told["handing"]["advice"]):
        yield ""
        yield Text(advice["recommendation"], style="bold")
        yield Text(advice["reason"])
    for note in told["notes"]:
        yield ""
        yield Text(note, style="dim")


def measures(told: Mapping[str, Any]) -> Table:
    """A bar for each of the two."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    for _ in range(3):
        table.add_column(no_wrap=True)
    for name, share in (("In flight", told["in_flight"]), ("Processor", told["cpu"])):
        if share:
            count = f"{share['busy']} of {share['configured']} busy"
            table.add_row(name, bar(share), f"{share['percent']:.1f} %", f"{count}, over {share['seconds']:.1f} s")
    return table


def bar(share: Mapping[str, Any]) -> Text:
    """A share as a length."""
    full = round(BAR * share["percent"] / 100)
    return Text("━" * full, style=COLOURS[share["level"]]).append("─" * (BAR - full), style="dim")


def workers(rows: list[Mapping[str, Any]]) -> Table:
    """What each worker has used in the window."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for name in ("PID", "PROCESSOR"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    for row in rows:
        table.add_row(str(row["pid"]), f"{row['cpu'] * 1000:.1f} ms", "busy" if row["busy"] else Text("idle", style="dim"))
    return table


def health(told: Mapping[str, Any]) -> Table:
    """The machine, a line for each part."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    cpu, memory, disk, swap = (told[name] for name in ("cpu", "memory", "disk", "swap"))
    table.add_row("CPU", f"{percent(cpu['percent'])} of {cpu['cpus']:g}, load {' '.join(f'{each:.2f}' for each in cpu['load'])}")
    table.add_row("Memory", of(memory["percent"], memory["total"]))
    table.add_row("Swap", of(swap["percent"], swap["total"]) if swap["total"] else "none")
    table.add_row("Disk", f"{of(disk['percent'], disk['total'])}, {disk['kind']}, {disk['path']}")
    table.add_row("Waited", ", ".join(f"{what} {percent(share)}" for what, share in told["pressure"].items()))
    if group := told["cgroup"]:
        table.add_row("Group", f"{of(group['percent'], group['memory'])}, {group['path']}")
    table.add_row("Database", database(told["database"]))
    return table


def database(told: Mapping[str, Any] | None) -> str:
    """Its connections."""
    if told is None:
        return "none is configured"
    return told["error"] if "error" in told else f"{told['used']} of {told['most']} connections"


def of(share: float | None, size: int | None) -> str:
    """A share of a size."""
    return f"{percent(share)} of {about(size)}" if size else "unknown"


def percent(share: float | None) -> str:
    """A share."""
    return "–" if share is None else f"{share:.1f} %"
