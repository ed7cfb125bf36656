"""Where an instance's time goes."""

from __future__ import annotations

from fastapi import APIRouter

from prefork.console.access import AsViewer
from prefork.console.api.paging import Cursor, InstanceId, Limit, part
from prefork.console.desk import AtDesk
from prefork.console.models import Page, Route
from prefork.usage.tips import judged

router = APIRouter(tags=["usage"])


@router.get("/instances/{instance_id}/routes")
def list_routes(
    desk: AtDesk, _visitor: AsViewer, instance_id: InstanceId, limit: Limit = 100, cursor: Cursor = None
) -> Page[Route]:
    """Those that took most time of workers first, with their share and what would help."""
    return part([Route(**route) for route in judged(desk.server(instance_id).told("routes")["routes"])], limit, cursor)
