"""How instances are: all of them, one with its charts, its workers and their stacks, its log."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response, StreamingResponse

from prefork.console.pages import charts
from prefork.console.pages.machine import findings
from prefork.console.pages.source import RANGES
from prefork.console.pages.stack import lines
from prefork.console.pages.visit import lead_on
from prefork.console.pages.words import look
from prefork.instances.local import Denied
from prefork.instances.roles import ADMINISTRATOR, OPERATOR

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from prefork.console.pages.visit import Visit

TABS = {
    "": "Overview",
    "workers": "Workers",
    "routes": "Routes",
    "incidents": "Incidents",
    "jobs": "Jobs",
    "log": "Log",
    "settings": "Settings",
}
MOST_ROUTES = 50
LEVELS = ("debug", "info", "warning", "error")
PANELS = [(key, chart.heading, chart.whole) for key, chart in charts.CHARTS.items()]


def frame(visit: Visit, tab: str) -> dict[str, Any]:
    """What all pages of an instance have around them."""
    found = visit.source.instance(visit.identity)
    tabs = {**TABS, "server": "Server"} if visit.source.provisions.find(visit.identity) else TABS
    return {"instance": found, "tabs": tabs, "tab": tab, "root": visit.root}


def instances(visit: Visit) -> Response:
    """All that the visitor may see."""
    rows = visit.source.instances()
    troubled = sum(look(row["state"]) == "bad" for row in rows)
    maker = visit.visitor.may(ADMINISTRATOR) and visit.source.provisions.means() is not None
    return visit.page("instances.html", section="instances", instances=rows, troubled=troubled, maker=maker)


def overview(visit: Visit) -> Response:
    """One, with its charts. What was recorded of it is shown although it does not answer now."""
    around = frame(visit, "")
    status = usage = None
    if around["instance"]["uptime"] is not None:  # it has answered
        status, usage = visit.source.status(visit.identity), visit.source.usage(visit.identity)
    health = visit.source.health(visit.identity)
    return visit.page(
        "overview.html",
        **around,
        status=status,
        usage=usage,
        health=health,
        findings=findings(health["machine"]),
        ranges=RANGES,
        range=span(visit),
        charts=PANELS,
    )


def span(visit: Visit) -> str:
    """The range that charts show."""
    asked = visit.asked("range", "1h")
    return asked if asked in RANGES else "1h"


def series(visit: Visit) -> Response:
    """What the charts draw."""
    told = visit.source.series(visit.identity, span(visit))
    return JSONResponse(charts.board(told["samples"], told["marks"], told["limits"], told["step"]))


def live(visit: Visit) -> Response:
    """What happens from now on, as server-sent events."""
    happening = visit.source.live(visit.identity)
    return StreamingResponse(events(happening), media_type="text/event-stream")


async def events(happening: AsyncIterator[tuple[str, Mapping[str, Any]]]) -> AsyncIterator[str]:
    """In their format; what has no name is a comment."""
    async for name, told in happening:
        if name == "sample":
            yield f"event: point\ndata: {json.dumps(charts.point(told))}\n\n"
        elif name:
            yield f"event: {name}\ndata: {json.dumps(told)}\n\n"
        else:
            yield ":\n\n"


def workers(visit: Visit) -> Response:
    """The live table."""
    said = "The worker leaves as soon as its current work is done, and another one takes its place." if visit.asked("done") else ""
    status = visit.source.status(visit.identity)
    return visit.page("workers.html", **frame(visit, "workers"), status=status, steerable=visit.may(OPERATOR), said=said)


def routes(visit: Visit) -> Response:
    """Where the time goes, and what would help."""
    found = visit.source.routes(visit.identity)
    return visit.page("routes.html", **frame(visit, "routes"), routes=found[:MOST_ROUTES])


def stacks(visit: Visit) -> Response:
    """What one worker is doing, now."""
    told = visit.source.stacks(visit.identity, visit.asked("worker"))
    return visit.page("stacks.html", **frame(visit, "workers"), stacks=told, lines=lines(told["stacks"]), at=time.time())


def retire(visit: Visit) -> Response:
    """Have one replaced."""
    visit.source.retire(visit.identity, visit.number("pid") or 0)
    return lead_on(f"{visit.root}/workers?done=retire")


def log(visit: Visit) -> Response:
    """The latest lines, or why there are none."""
    around = frame(visit, "log")
    level = visit.asked("level", "info")
    level = level if level in LEVELS else "info"
    text = visit.asked("text")[:200]
    try:
        found, problem = visit.source.log(visit.identity, level, text), ""
    except Denied as error:
        found, problem = [], str(error)
    return visit.page("log.html", **around, level=level, text=text, lines=found, problem=problem)
