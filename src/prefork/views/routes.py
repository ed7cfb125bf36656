"""`prefork routes`: where the workers' time goes, and what would help."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from prefork.views.status import fine, rough

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import RenderableType

MOST = 10  # routes in a list
WIDE = 110  # columns from which on there is room for what matters less


def screen(told: Mapping[str, Any], width: int, most: int | None = MOST) -> Iterator[RenderableType]:
    """What to print for routes with their shares and tips."""
    routes = told["routes"]
    if not routes:
        yield "No request has reached a worker yet."
        return
    yield table(routes[:most], width)
    if left := routes[len(routes[:most]) :]:
        share = sum(route["share"] for route in left)
        yield Text(f"and {len(left)} more with {percent(share)} of the time: --all shows them", style="dim")
    yield from advice(routes)
    yield ""
    yield Text(f"Since the start {rough(told['uptime'])} ago. SHARE is of all the time that workers had requests.", style="dim")


def table(routes: list[Mapping[str, Any]], width: int) -> Table:
    """One line per route."""
    wide = width >= WIDE
    found = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for head in ("SHARE", "REQUESTS", "P50", "P95", "CPU", *(("P99", "WAIT P95", "ERRORS", "SENT") if wide else ())):
        found.add_column(head, justify="right", no_wrap=True)
    found.add_column("ROUTE", no_wrap=True, overflow="ellipsis")
    for route in routes:
        found.add_row(*usual(route), *(further(route) if wide else ()), title(route, wide))
    return found


def usual(route: Mapping[str, Any]) -> Iterator[str]:
    """What there is room for in 80 columns."""
    yield percent(route["share"])
    yield f"{route['requests']:,}"
    yield fine(route["service"]["p50"])
    yield fine(route["service"]["p95"])
    yield percent(route["cpu"] / route["seconds"]) if route["seconds"] else "–"


def further(route: Mapping[str, Any]) -> Iterator[RenderableType]:
    """What there is room for in more."""
    yield fine(route["service"]["p99"])
    yield fine(route["wait"]["p95"])
    yield Text(f"{route['errors']:,}", style="red" if route["errors"] else "dim")
    yield amount(route["bytes"])


def title(route: Mapping[str, Any], wide: bool) -> Text:
    """A route's name, and its errors where no column has them."""
    line = Text(name(route))
    if route["errors"] and not wide:
        line.append(f"  {route['errors']:,} errors", style="red")
    return line


def advice(routes: list[Mapping[str, Any]]) -> Iterator[RenderableType]:
    """What would help with the few that take most."""
    if any(route["tips"] for route in routes):
        yield ""
        yield Text("What would help", style="bold")
    for route in routes:
        if route["tips"]:
            yield f"{escape(name(route))}, {percent(route['share'])} of the time"
            yield from (Padding(Text(tip, style="dim"), (0, 0, 0, 2)) for tip in route["tips"])


def name(route: Mapping[str, Any]) -> str:
    """A route in words."""
    return f"{route['method']} {route['path']}".strip()


def percent(share: float) -> str:
    """A share without decimals."""
    return "<1 %" if 0 < share < 0.005 else f"{share * 100:.0f} %"


def amount(count: int) -> str:
    """Bytes, in the unit that suits them."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if value >= 10 or unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"
