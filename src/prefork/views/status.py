"""`prefork status`: the state of a running server on one screen, readable in 80 columns and without colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from prefork.config.quantities import time_words
from prefork.limits import mebibytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import RenderableType

MANY = 24  # workers: what is left of a screen
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
    "offline": "red",
    "retiring": "dim",
}


def screen(status: Mapping[str, Any]) -> Iterator[RenderableType]:
    """What to print, from top to bottom, for an answer to the `status` command."""
    yield heading(status)
    yield Text("  " + ("  ".join(status["addresses"]) or "not listening"), style="" if status["addresses"] else "dim")
    yield ""
    yield figures(status)
    if len(status["lanes"]) > 1:
        yield ""
        yield lanes(status["lanes"])
    if status["workers"]:
        yield ""
        yield from crew(status["workers"])
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
    """Workers, queue, times and requests, a line each."""
    queue, dispatcher = status["queue"], status["dispatcher"]
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    if status["threads"]:
        table.add_row("Threads", ready(status).append(", in one process"))
    else:
        table.add_row("Workers", ready(status).append(each(status["concurrency"])).append(busy(status["workers"])))
    if status["autoscale"]:
        table.add_row("Scaling", scaling(status["autoscale"]))
    if status["cron"]["wanted"]:
        table.add_row("For jobs", ready(status["cron"]))
    if status["websocket"]["wanted"]:
        table.add_row("WebSockets", f"{ready(status['websocket'])}, {status['websocket']['connections']} connections")
    elif status["websocket"]["connections"]:
        table.add_row("WebSockets", f"{status['websocket']['connections']} connections, in the workers above")
    waiting = f"{queue['length']:,} of {queue['size']:,} places taken"
    if len(status["lanes"]) > 1:
        waiting = f"{queue['length']:,} waiting, {queue['size']:,} places for each lane"
    if queue["length"]:
        waiting += f", the oldest for {rough(queue['oldest'])}"
    table.add_row("Queue", Text(waiting, style="yellow" if queue["length"] else ""))
    table.add_row("Waited", spread(status["wait"]))
    table.add_row("Served in", spread(status["service"]))
    table.add_row("Requests", requests(dispatcher))
    table.add_row("Clients", f"{dispatcher['connections']:,} connected")
    table.add_row("Fuse", fuse(status["fuse"]))
    if status["incidents"]:
        said = f"{status['incidents']:,} since the start; `prefork incidents` shows them"
        table.add_row("Incidents", Text(said, style="red"))
    return table


def scaling(told: Mapping[str, Any]) -> Text:
    """Between which bounds the server finds the number of its workers, what binds now, and the last change."""
    if told["held"]:
        return Text("held by hand; `prefork scale auto` lets it go", style="yellow")
    line, bound, last = Text(f"from {told['min']} to {told['max']}"), told["bound"], told["last"]
    if bound["what"] != "workers_max" and bound["workers"] is not None:
        line.append(f", {bound['what']} allows {bound['workers']} now")
    if last:
        line.append(f"; {last['before']} → {last['workers']} {rough(last['age'])} ago: {last['reason']}", style="dim")
    return line


def fuse(told: Mapping[str, Any]) -> Text:
    """Where the kernel bounds the memory of each worker, or why it does not."""
    if told["path"] is None:
        return Text(f"none: {told['reason']}", style="dim")
    return Text(f"below {told['path']} (version {told['version']})")


def ready(pool: Mapping[str, Any]) -> Text:
    """How many of the wanted workers are ready."""
    return Text(f"{pool['ready']} of {pool['wanted']} ready", style="yellow" if pool["ready"] < pool["wanted"] else "")


def each(concurrency: int) -> str:
    """How many requests a worker serves at a time, where that is more than one."""
    return f", {concurrency} requests each" if concurrency else ""


def busy(rows: list[Mapping[str, Any]]) -> str:
    """How many of the HTTP workers have a request, in words."""
    return f", {sum(row['busy_for'] is not None for row in rows if row['pool'] == 'http')} busy"


def requests(dispatcher: Mapping[str, Any]) -> Text:
    """How requests ended; what should be zero stands out when it is not."""
    line = Text(f"{dispatcher['requests']:,} served")
    for name, colour in (("retried", "yellow"), ("failed", "red"), ("refused", "yellow"), ("abandoned", "yellow")):
        line.append(" · ")
        line.append(f"{dispatcher[name]:,} {name}", style=colour if dispatcher[name] else "dim")
    return line


def spread(times: Mapping[str, float | None]) -> Text:
    """How long it took for half of the requests, and for nearly all."""
    line = Text()
    for name, seconds in times.items():
        line.append(f"{name} ", style="dim")
        line.append(f"{fine(seconds):<10}")
    line.rstrip()
    return line


def lanes(rows: list[Mapping[str, Any]]) -> Table:
    """One line per lane."""
    table = columns("LANE", "WORKERS", "BUSY", "WAITING", "OLDEST", "SERVED", "WAIT P95", "TIME P95")
    for row in rows:
        share = f"{row['reserved']}–{row['limit']}" if row["limit"] else f"{row['reserved']}+"
        full = row["limit"] is not None and row["working"] >= row["limit"]
        waiting = Text(f"{row['waiting']:,}", style="yellow" if row["waiting"] else "")
        oldest = rough(row["oldest"]) if row["waiting"] else ""
        times = [fine(row[kind]["p95"]) for kind in ("wait", "service")]
        busy = Text(str(row["working"]), style="yellow" if full else "")
        table.add_row(row["name"], share, busy, waiting, oldest, f"{row['served']:,}", *times)
    return table


def columns(*names: str) -> Table:
    """An empty table in which words stand on the left and figures on the right."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for name in names:
        table.add_column(name, justify="left" if name in {"LANE", "WORKER", "STATE", "JOB"} else "right", no_wrap=True)
    return table


def crew(rows: list[Mapping[str, Any]]) -> Iterator[RenderableType]:
    """A line per worker; where they are many, those that are idle share one."""
    idle = [row for row in rows if row["state"] == "idle"] if len(rows) > MANY else []
    if shown := [row for row in rows if row not in idle]:
        yield workers(shown)
    if idle:
        largest = max((row["memory"] or 0 for row in idle), default=0)
        memory = f", the largest has {mebibytes(largest)}" if largest else ""
        yield Text(f"and {len(idle)} idle{memory}", style="dim")


def workers(rows: list[Mapping[str, Any]]) -> Table:
    """One line per worker; what a worker for jobs counts as requests are its jobs."""
    job = ("JOB",) if any(row["job"] for row in rows) else ()
    loop = ("NOW", "LAG") if any(row["lag"] is not None for row in rows) else ()
    table = columns("WORKER", "STATE", "PID", "GEN", "REQUESTS", "MEMORY", "AGE", "BUSY" if loop else "BUSY FOR", *loop, *job)
    for row in rows:
        state = Text(row["state"], style=COLOURS.get(row["state"], ""))
        busy = "" if row["busy_for"] is None else rough(row["busy_for"])
        memory = "" if row["memory"] is None else mebibytes(row["memory"])
        counts = ["" if row["pid"] is None else str(row["pid"]), str(row["generation"]), f"{row['requests']:,}"]
        turning = ("", "") if row["lag"] is None else (str(row["in_flight"]), fine(row["lag"]))
        table.add_row(
            row["name"], state, *counts, memory, rough(row["age"]), busy, *turning[: len(loop)], *(row["job"] or "" for _ in job)
        )
    return table


def crash_loop(loop: Mapping[str, Any]) -> Text:
    """Why workers do not get ready, with the first traceback."""
    line = Text(f"Crash loop: {loop['failures']} failures, next try in {rough(loop['next_try'])}", style="bold red")
    if loop["traceback"]:
        line.append("\n" + loop["traceback"].rstrip(), style="not bold default")
    return line


def fine(seconds: float | None) -> str:
    """A duration that may be very short, to two digits or three."""
    if seconds is None:
        return "–"
    if seconds < 0.0995:
        return f"{seconds * 1000:.1f} ms"
    return f"{seconds * 1000:.0f} ms" if seconds < 0.9995 else rough(seconds)


def rough(seconds: float) -> str:
    """A duration in its two largest units, such as days and hours, below ten seconds to a tenth of a second."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    smallest = next((size for unit, size in ((86_400, 3600), (3600, 60)) if seconds >= unit), 1)
    return time_words(float(seconds // smallest * smallest))
