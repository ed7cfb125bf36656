"""How busy an instance's workers are, and were."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from prefork import usage
from prefork.console.access import AsViewer
from prefork.console.api.paging import InstanceId
from prefork.console.desk import AtDesk, Desk
from prefork.console.models import Mark, Point, UsageHistory, WorkerUsage

router = APIRouter(tags=["usage"])
Range = Literal["1h", "24h", "7d", "180d"]


@router.get("/instances/{instance_id}/worker-usage")
def get_worker_usage(
    desk: AtDesk,
    _visitor: AsViewer,
    instance_id: InstanceId,
    span: Annotated[Range, Query(alias="range", description="The time of the history, up to now.")] = "24h",
    resolution: Annotated[
        int | None, Query(ge=10, le=604_800, description="Seconds of a point; what fits the range where it is not given.")
    ] = None,
) -> WorkerUsage:
    """Both measures of now, over half a second, with their level and what is recommended; and the past, up to now."""
    told = usage.of_server(desk.server(instance_id).status).told()
    return WorkerUsage.model_validate({**told, "history": past(desk, instance_id, span, resolution)})


def past(desk: Desk, instance: str, span: Range, resolution: float | None = None) -> UsageHistory:
    """What an instance has done."""
    samples, marks, apart = desk.monitor.chart(instance, span, resolution)
    points = [Point.model_validate(sample.told()) for sample in samples]
    return UsageHistory(range=span, resolution=apart, points=points, marks=[Mark(**mark._asdict()) for mark in marks])
