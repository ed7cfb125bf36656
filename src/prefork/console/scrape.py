"""What Prometheus reads: the console's own server, for who has a token with the scope metrics, or may see it anyway."""

from __future__ import annotations

from fastapi import APIRouter, Response

from prefork.console.access import AnyVisitor
from prefork.console.desk import AtDesk
from prefork.console.problems import ProblemError
from prefork.instances.registry import OWN
from prefork.metrics import CONTENT_TYPE, exposition

router = APIRouter(include_in_schema=False)


@router.get("/metrics")
def scrape(desk: AtDesk, visitor: AnyVisitor) -> Response:
    """The server's metrics in the text format."""
    if not visitor.may_read_metrics(OWN):
        raise ProblemError(403, "this takes a token with the scope metrics, or the role viewer", "forbidden")
    return Response(exposition(desk.server(OWN).told("metrics")), media_type=CONTENT_TYPE)
