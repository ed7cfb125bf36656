"""What happened to workers: by cause, and one with everything that is known of it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from prefork.console.pages.curve import curve
from prefork.console.pages.monitoring import frame
from prefork.console.pages.stack import culprit, lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from starlette.responses import Response

    from prefork.console.pages.visit import Visit
    from prefork.incidents import Incident

FEW, MANY = 5, 200  # rows of a group among others, and alone


def listing(visit: Visit) -> Response:
    """All, or those of one cause."""
    incidents = visit.source.incidents(visit.identity)
    cause = visit.asked("cause")
    chosen = [each for each in incidents if not cause or each.cause == cause]
    groups = list(grouped(chosen, MANY if cause else FEW))
    return visit.page(
        "incidents.html", **frame(visit, "incidents"), incidents=chosen, total=len(incidents), cause=cause, groups=groups
    )


def grouped(incidents: Sequence[Incident], most: int) -> Iterator[dict[str, Any]]:
    """By cause, the one with the latest incident first, each with the line that is to blame most often."""
    causes: dict[str, list[Incident]] = {}
    for each in incidents:
        causes.setdefault(each.cause, []).append(each)
    for cause, those in causes.items():
        blamed = Counter(filter(None, (culprit(each.stacks) for each in those))).most_common(1)
        yield {
            "cause": cause,
            "number": len(those),
            "latest": those[0].time,
            "blame": blamed[0][0] if blamed else "",
            "shown": those[:most],
        }


def detail(visit: Visit) -> Response:
    """One."""
    incident = visit.source.incident(visit.identity, str(visit.request.path_params["name"]))
    limits = visit.source.limits(visit.identity)
    return visit.page(
        "incident.html",
        **frame(visit, "incidents"),
        incident=incident,
        lines=lines(incident.stacks) if incident.stacks else [],
        blame=culprit(incident.stacks),
        curve=curve(incident.curve, {name.split()[0]: limit for name, limit in limits.items()}),
    )
