"""Where the time of an instance's workers goes."""

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
    """All routes since the server's start, those that took most of the workers' time first, and what would help with these."""
    return Page(items=[Route(**row) for row in judged(desk.server(instance_id).ask("routes")["routes"])])
