"""What is kept of workers that were lost."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from prefork.console.access import AsViewer
from prefork.console.api.paging import Cursor, InstanceId, Limit, part
from prefork.console.desk import AtDesk
from prefork.console.models import Incident, Page
from prefork.console.problems import ProblemError
from prefork.incidents import Incident as Kept

router = APIRouter(tags=["incidents"])
LONG = ("stacks", "curve", "children", "requests")  # left out of lists


@router.get("/instances/{instance_id}/incidents")
def list_incidents(
    desk: AtDesk,
    _visitor: AsViewer,
    instance_id: InstanceId,
    limit: Limit = 50,
    cursor: Cursor = None,
    cause: Annotated[str | None, Query(max_length=100, description="Only those with this cause.")] = None,
    name: Annotated[str | None, Query(max_length=200, description="Only those with this id, or with a request's.")] = None,
) -> Page[Incident]:
    """The latest first, without what is long about them."""
    found = [
        each
        for each in desk.server(instance_id).incidents()
        if (cause is None or each.cause == cause) and (name is None or name in each.names())
    ]
    page = part(found, limit, cursor)
    return Page(items=[Incident(**short(each)) for each in page.items], next=page.next)


@router.get("/instances/{instance_id}/incidents/{incident_id}")
def get_incident(
    desk: AtDesk, _visitor: AsViewer, instance_id: InstanceId, incident_id: Annotated[str, Path(max_length=200)]
) -> Incident:
    """Everything about one, by its id or its request's."""
    found = next((each for each in desk.server(instance_id).incidents() if incident_id in each.names()), None)
    if found is None:
        raise ProblemError(404, f"there is no incident {incident_id} of {instance_id}")
    return Incident(**asdict(found))


def short(incident: Kept) -> dict[str, Any]:
    """What a list has of one."""
    return {name: value for name, value in asdict(incident).items() if name not in LONG}
