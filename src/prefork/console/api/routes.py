"""Where an instance's time goes."""

from __future__ import annotations

from fastapi import APIRouter

from prefork.console.access import AsViewer
from prefork.console.api.paging import InstanceId
from prefork.console.desk import AtDesk
from prefork.console.models import Page, Route
from prefork.usage.tips import judged

router = APIRouter(tags=["usage"])


@router.get("/instances/{instance_id}/routes")
def list_routes(desk: AtDesk, _visitor: AsViewer, instance_id: InstanceId) -> Page[Route]:
    """Those that took most time of workers first, with their share and what would help."""
    return Page(items=[Route(**route) for route in judged(desk.server(instance_id).ask("routes")["routes"])])
