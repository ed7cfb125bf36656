"""How busy an instance's workers are."""

from __future__ import annotations

from fastapi import APIRouter

from prefork import usage
from prefork.console.access import AsViewer
from prefork.console.api.paging import InstanceId
from prefork.console.desk import AtDesk
from prefork.console.models import WorkerUsage

router = APIRouter(tags=["usage"])


@router.get("/instances/{instance_id}/worker-usage")
def get_worker_usage(desk: AtDesk, _visitor: AsViewer, instance_id: InstanceId) -> WorkerUsage:
    """Both measures of now, over half a second, with their level and what is recommended."""
    return WorkerUsage.model_validate(usage.of_server(desk.server(instance_id).status).told())
