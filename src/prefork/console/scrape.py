"""`/metrics`: what Prometheus reads of the console's own server, with a token of the scope `metrics`."""

from __future__ import annotations

from fastapi import APIRouter, Response

from prefork.console.access import AnyVisitor
from prefork.console.desk import AtDesk
from prefork.console.problems import ProblemError
from prefork.instances.registry import OWN
from prefork.metrics import CONTENT_TYPE, exposition

router = APIRouter()


@router.get("/metrics", include_in_schema=False)
def scrape(desk: AtDesk, visitor: AnyVisitor) -> Response:
    """All families, as `prefork metrics` prints them."""
    if not visitor.may_read_metrics():
        raise ProblemError(403, "this takes the role viewer, or a token of the scope metrics", "forbidden")
    return Response(exposition(desk.server(OWN).ask("metrics")), headers={"Content-Type": CONTENT_TYPE})
