"""How busy an instance's workers are, and were."""

from __future__ import annotations

import time
from typing import Annotated, Literal

from fastapi import APIRouter, Query

from prefork import usage
from prefork.console.access import AsViewer
from prefork.console.api.paging import InstanceId
from prefork.console.desk import AtDesk, Desk
from prefork.console.models import History, Mark, Point, WorkerUsage
from prefork.console.problems import ProblemError
from prefork.instances import history

router = APIRouter(tags=["usage"])
MOST_POINTS = 2000
Range = Annotated[Literal["1h", "24h", "7d", "180d"], Query(alias="range", description="How far the history goes back.")]
Resolution = Annotated[
    float | None, Query(ge=10, le=86_400, description="Seconds of a point; without it what fits the range: 10, 300, 3600, 21600.")
]


@router.get("/instances/{instance_id}/worker-usage")
def get_worker_usage(
    desk: AtDesk, _visitor: AsViewer, instance_id: InstanceId, span: Range = "24h", resolution: Resolution = None
) -> WorkerUsage:
    """Both measures of now, over half a second, with their level and what is recommended; and what they were."""
    past = known(desk, instance_id, span, resolution)
    return WorkerUsage.model_validate({**usage.of_server(desk.server(instance_id).status).told(), "history": past})


def known(desk: Desk, instance: str, span: str, resolution: float | None) -> History:
    """What was measured. Raises ProblemError where that would be too many points."""
    seconds, usual = history.RANGES[span]
    step = resolution or usual
    if seconds / step > MOST_POINTS:
        raise ProblemError(
            422, f"{span} in points of {step:g} s are more than {MOST_POINTS}; choose a larger resolution", "too-fine"
        )
    end = time.time()
    samples, marks, apart = desk.monitor.chart(instance, span, end, resolution)
    points = [Point.model_validate(sample.told()) for sample in samples]
    noted = [Mark(**mark._asdict()) for mark in marks]
    return History(start=end - seconds, end=end, resolution=apart, points=points, marks=noted)
