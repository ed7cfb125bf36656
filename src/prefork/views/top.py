"""`prefork top`: what the keys choose, and a screen of any size for what has been measured. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from prefork.limits import mebibytes
from prefork.views.status import COLOURS, columns, fine, rough

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import RenderableType

    Line = Mapping[str, Any]

BLOCKS = "▁▂▃▄▅▆▇█"
LONGEST = 120  # lines that are remembered for sparklines
TABLES = ("routes", "workers")
ORDERS = {"routes": ("share", "requests", "p95", "errors"), "workers": ("name", "busy for", "memory", "requests")}
PACES = (0.5, 1.0, 2.0, 5.0, 10.0)  # seconds between two lines
HEAD = 9  # rows above a table, its own head included
BARS = ((0.95, "bold red"), (0.8, "red"), (0.6, "yellow"), (0.0, "green"))  # as the levels of usage


@dataclass(frozen=True)
class Choice:
    """What somebody has chosen with the keys."""

    table: str = "routes"
    orders: tuple[tuple[str, int], ...] = (("routes", 0), ("workers", 0))
    pace: int = 1  # of PACES
    paused: bool = False
    first: int = 0  # row of the table
    ended: bool = False

    @property
    def seconds(self) -> float:
        """From one line to the next."""
        return PACES[self.pace]

    @property
    def order(self) -> str:
        """What the table is ordered by."""
        return ORDERS[self.table][dict(self.orders)[self.table]]

    def press(self, key: str) -> Choice:
        """What is chosen after a key."""
        if key in {"q", "\x03", "\x1b"}:
            return replace(self, ended=True)
        if key in {"p", " "}:
            return replace(self, paused=not self.paused)
        if key in {"w", "r", "\t"}:
            other = {"w": "workers", "r": "routes"}.get(key, TABLES[self.table == TABLES[0]])
            return replace(self, table=other, first=0)
        if key == "s":
            moved = {**dict(self.orders), self.table: (dict(self.orders)[self.table] + 1) % len(ORDERS[self.table])}
            return replace(self, orders=tuple(moved.items()), first=0)
        if key in {"+", "-"}:
            return replace(self, pace=min(len(PACES) - 1, max(0, self.pace + (1 if key == "-" else -1))))
        if key in {"j", "k", "down", "up"}:
            return replace(self, first=max(0, self.first + (1 if key in {"j", "down"} else -1)))
        return self


def screen(lines: Sequence[Line], choice: Choice, width: int, height: int, trouble: str = "") -> Iterator[RenderableType]:
    """What to show, from top to bottom. `lines` are in the order of time; `trouble` is why there are no newer ones."""
    now = lines[-1] if lines else None
    if now is None:
        yield Text(trouble or "Measuring …", style="yellow" if trouble else "dim")
        return
    yield heading(now, choice, trouble)
    yield ""
    yield figures(lines, width)
    yield ""
    rows = ordered(now, choice)
    room = max(1, height - HEAD - 2)
    first = min(choice.first, max(0, len(rows) - room))
    draw = routes if choice.table == "routes" else workers
    yield draw(rows[first : first + room], width)
    shown = min(room, len(rows))
    yield from [""] * (room - max(1, shown))
    yield keys(choice, f"{first + 1}–{first + shown} of {len(rows)}" if len(rows) > room else "", width)


def heading(now: Line, choice: Choice, trouble: str) -> Text:
    """Which server, how it is, and what to look at first."""
    state = now["state"]
    line = Text("● ", style=COLOURS.get(state, ""), no_wrap=True, overflow="ellipsis")
    line.append(str(now["app"]), style="bold not green")
    line.append(f" {state} for {rough(now['uptime'])} · {at_work(now)}", style="default")
    if now["ready"] < now["wanted"]:
        line.append(f", {now['wanted']} wanted", style="yellow")
    for said, style in (
        (trouble, "red"),
        ("crash loop" if now["crash_loop"] else "", "bold red"),
        (f"{now['incidents']} incidents" if now["incidents"] else "", "red"),
        ("paused" if choice.paused else "", "yellow"),
    ):
        if said:
            line.append(f" · {said}", style=style)
    return line


def at_work(now: Line) -> str:
    """How many workers are, or how many requests they have where each has several at once."""
    if now["concurrency"]:
        return f"{now['busy']:,} requests in {now['ready']} workers"
    return f"{now['busy']} of {now['ready']} workers busy"


def figures(lines: Sequence[Line], width: int) -> Table:
    """The course of what matters most, newest on the right."""
    now = lines[-1]
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(no_wrap=True, width=34)
    table.add_column(no_wrap=True)
    room = max(8, min(LONGEST, width - 50))
    share = now["in_flight"]
    percent = "–" if share is None else f"{share * 100:.0f} %"
    table.add_row("In flight", Text(percent), course([line["in_flight"] for line in lines], room, top=1.0, style=level(share)))
    table.add_row("Requests", requests(now), course([line["requests"] for line in lines], room))
    for name, kind in (("Waited", "wait"), ("Served in", "service")):
        said = "  ".join(f"{each} {fine(now[kind][each])}" for each in ("p50", "p95"))
        table.add_row(name, said, course([line[kind]["p95"] for line in lines], room))
    queue = now["queue"]
    waiting = f"{queue['length']:,} waiting" + (f", {rough(queue['oldest'])}" if queue["length"] else "")
    table.add_row(
        "Queue",
        Text(f"{waiting} · {now['connections']:,} clients", style="yellow" if queue["length"] else ""),
        course([line["queue"]["length"] for line in lines], room, style="yellow"),
    )
    return table


def requests(now: Line) -> Text:
    """How many a second, and what did not end well meanwhile."""
    line = Text(f"{now['requests']:,.0f}/s" if now["requests"] >= 10 else f"{now['requests']:.1f}/s")
    for name in ("failed", "retried", "refused"):
        if now[name]:
            line.append(f" · {now[name]:,} {name}", style="red" if name == "failed" else "yellow")
    return line


def course(values: Sequence[float | None], room: int, top: float | None = None, style: str = "cyan") -> Text:
    """A sparkline: full at `top`, or at the highest value that there is room for; a gap where there was none."""
    shown = values[-room:]
    highest = top or max((value for value in shown if value is not None), default=0.0)
    line = "".join(spark(value, highest) for value in shown)
    return Text(line.rjust(room), style=style)


def spark(value: float | None, highest: float) -> str:
    """One value as a block."""
    if value is None:
        return " "
    return BLOCKS[min(len(BLOCKS) - 1, int(value / highest * len(BLOCKS)))] if highest else BLOCKS[0]


def level(share: float | None) -> str:
    """The colour of a share of the workers."""
    return next((style for least, style in BARS if (share or 0.0) >= least), "green")


def ordered(now: Line, choice: Choice) -> list[Line]:
    """The rows of the chosen table in the chosen order."""
    rows: list[Line] = list(now[choice.table])
    if choice.order == "name":
        return rows
    if choice.order == "p95":
        return sorted(rows, key=lambda row: row["service"]["p95"] or 0.0, reverse=True)
    return sorted(rows, key=lambda row: row[choice.order.replace(" ", "_")] or 0, reverse=True)


def routes(rows: list[Line], width: int) -> Table:
    """One line per route that had requests."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False, width=width)
    for name in ("SHARE", "REQ/S", "P50", "P95", "CPU", "ERRORS"):
        table.add_column(name, justify="right", no_wrap=True, min_width=6)
    table.add_column("ROUTE", no_wrap=True, overflow="ellipsis", ratio=1)
    for row in rows:
        cpu = "–" if row["cpu"] is None else f"{row['cpu'] * 100:.0f} %"
        errors = Text(f"{row['errors']:,}" if row["errors"] else "", style="red")
        times = [fine(row["service"][each]) for each in ("p50", "p95")]
        route = Text(f"{row['method']} {row['path']}".strip())
        table.add_row(f"{row['share'] * 100:.1f} %", f"{row['requests']:,.1f}", *times, cpu, errors, route)
    return table


def workers(rows: list[Line], width: int) -> Table:  # noqa: ARG001  every table is told how wide the screen is
    """One line per worker."""
    table = columns("WORKER", "STATE", "PID", "GEN", "REQUESTS", "MEMORY", "AGE", "BUSY FOR", "JOB")
    for row in rows:
        state = Text(row["state"], style=COLOURS.get(row["state"], ""))
        memory = "" if row["memory"] is None else mebibytes(row["memory"])
        busy = "" if row["busy_for"] is None else rough(row["busy_for"])
        counts = ["" if row["pid"] is None else str(row["pid"]), str(row["generation"]), f"{row['requests']:,}"]
        table.add_row(row["name"], state, *counts, memory, rough(row["age"]), busy, row["job"] or "")
    return table


def keys(choice: Choice, place: str, width: int) -> Text:
    """What can be pressed."""
    other = "w workers" if choice.table == "routes" else "r routes"
    said = f"q quit  {other}  s by {choice.order}  p {'go on' if choice.paused else 'pause'}  +/- every {choice.seconds:g} s"
    line = Text(said, style="dim", no_wrap=True, overflow="ellipsis")
    return line.append(place.rjust(max(2, width - len(said) - 1)) if place else "", style="dim")
