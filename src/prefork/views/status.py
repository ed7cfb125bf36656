"""`prefork status`: the state of a running server on one screen, readable in 80 columns and without colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from prefork.config.quantities import time_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import RenderableType

COLOURS = {
    "running": "green",
    "starting": "yellow",
    "reloading": "cyan",
    "stopping": "yellow",
    "forking": "yellow",
    "booting": "yellow",
    "idle": "green",
    "busy": "cyan",
    "waiting": "yellow",
    "retiring": "dim",
}


def screen(status: Mapping[str, Any]) -> Iterator[RenderableType]:
    """What to print, from top to bottom, for an answer to the `status` command."""
    yield heading(status)
    yield Text("  " + ("  ".join(status["addresses"]) or "not listening"), style="" if status["addresses"] else "dim")
    yield ""
    yield figures(status)
    if status["workers"]:
        yield ""
        yield workers(status["workers"])
    if status["crash_loop"] is not None:
        yield ""
        yield crash_loop(status["crash_loop"])


def heading(status: Mapping[str, Any]) -> Text:
    """Which server this is, and how it is."""
    state = status["state"]
    line = Text.from_markup(f"[{COLOURS.get(state, 'default')}]●[/] [bold]{escape(str(status['app']))}[/] ")
    line.append(state, style=COLOURS.get(state, ""))
    line.append(f" for {rough(status['uptime'])} · generation {status['generation']}")
    line.append(f"\n  Prefork {status['version']}, pid {status['pid']}", style="dim")
    return line


def figures(status: Mapping[str, Any]) -> Table:
    """Workers, queue and requests in three lines."""
    queue, dispatcher = status["queue"], status["dispatcher"]
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    short = status["ready"] < status["wanted"]
    table.add_row("Workers", Text(f"{status['ready']} of {status['wanted']} ready", style="yellow" if short else ""))
    waiting = f"{queue['length']:,} of {queue['size']:,} places taken"
    if queue["length"]:
        waiting += f", the oldest for {rough(queue['oldest'])}"
    table.add_row("Queue", Text(waiting, style="yellow" if queue["length"] else ""))
    table.add_row("Requests", requests(dispatcher))
    table.add_row("Clients", f"{dispatcher['connections']:,} connected")
    return table


def requests(dispatcher: Mapping[str, Any]) -> Text:
    """How requests ended; what should be zero stands out when it is not."""
    line = Text(f"{dispatcher['requests']:,} served")
    for name, colour in (("retried", "yellow"), ("failed", "red"), ("refused", "yellow")):
        line.append(" · ")
        line.append(f"{dispatcher[name]:,} {name}", style=colour if dispatcher[name] else "dim")
    return line


def workers(rows: list[Mapping[str, Any]]) -> Table:
    """One line per worker."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for name in ("WORKER", "STATE", "PID", "GEN", "REQUESTS", "AGE", "BUSY FOR"):
        table.add_column(name, justify="left" if name in {"WORKER", "STATE"} else "right", no_wrap=True)
    for row in rows:
        state = Text(row["state"], style=COLOURS.get(row["state"], ""))
        busy = "" if row["busy_for"] is None else rough(row["busy_for"])
        table.add_row(row["name"], state, str(row["pid"]), str(row["generation"]), f"{row['requests']:,}", rough(row["age"]), busy)
    return table


def crash_loop(loop: Mapping[str, Any]) -> Text:
    """Why workers do not get ready, with the first traceback."""
    line = Text(f"Crash loop: {loop['failures']} failures, next try in {rough(loop['next_try'])}", style="bold red")
    if loop["traceback"]:
        line.append("\n" + loop["traceback"].rstrip(), style="not bold default")
    return line


def rough(seconds: float) -> str:
    """A duration in its two largest units, below ten seconds to a tenth of a second."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    return " ".join(time_words(float(int(seconds))).split()[:4])
