"""An instance's workers: what each is doing and for how long, the stacks of all, one replaced."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request

from prefork.console.access import AsOperator, AsViewer, client_of
from prefork.console.api.paging import Cursor, InstanceId, Limit, part
from prefork.console.desk import AtDesk
from prefork.console.models import Page, Stacks, Worker
from prefork.instances import audit

router = APIRouter(tags=["workers"])


@router.get("/instances/{instance_id}/workers")
def list_workers(
    desk: AtDesk, _visitor: AsViewer, instance_id: InstanceId, limit: Limit = 100, cursor: Cursor = None
) -> Page[Worker]:
    """All workers of all pools."""
    return part([Worker(**row) for row in desk.server(instance_id).status()["workers"]], limit, cursor)


@router.post("/instances/{instance_id}/workers/stacks")
def read_stacks(request: Request, desk: AtDesk, visitor: AsOperator, instance_id: InstanceId) -> Stacks:
    """What each thread of each worker is doing now."""
    audit.note(desk.db, visitor.name, client_of(request), "stacks read", instance_id)
    return Stacks(workers=desk.server(instance_id).told("stacks")["workers"])


@router.post("/instances/{instance_id}/workers/{pid}/retire", status_code=202)
def retire_worker(
    request: Request, desk: AtDesk, visitor: AsOperator, instance_id: InstanceId, pid: Annotated[int, Path(ge=1, le=1 << 22)]
) -> Page[Worker]:
    """Have a worker replaced: it finishes what it does, and leaves when another one is ready."""
    server = desk.server(instance_id)
    answer = server.told("retire", pid=pid)
    audit.note(desk.db, visitor.name, client_of(request), "worker retired", instance_id, pid=pid, worker=answer["worker"])
    return Page(items=[Worker(**row) for row in server.status()["workers"]])
