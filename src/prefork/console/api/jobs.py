"""Scheduled jobs: what is due, what was done; run, paused and resumed. Straight to the server's store, by Prefork's own driver."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request

from prefork.console.access import AsOperator, AsViewer, client_of
from prefork.console.api.paging import InstanceId, Limit
from prefork.console.desk import AtDesk, Desk
from prefork.console.models import Job, JobDetails, Page, Run
from prefork.console.problems import ProblemError
from prefork.instances import audit
from prefork.store import board

router = APIRouter(tags=["jobs"])
JobName = Annotated[str, Path(max_length=300, description="The job's full name.")]
PATH = "/instances/{instance_id}/jobs"


@router.get(PATH)
def list_jobs(desk: AtDesk, _visitor: AsViewer, instance_id: InstanceId) -> Page[Job]:
    """Every job: when it is due, and how it fared last."""
    with desk.server(instance_id).store() as connection:
        return Page(items=[Job(**job) for job in board.listed(connection)])


@router.get(PATH + "/{job}")
def get_job(desk: AtDesk, _visitor: AsViewer, instance_id: InstanceId, job: JobName, limit: Limit = 20) -> JobDetails:
    """One job, what is being done of it and what was done."""
    with desk.server(instance_id).store() as connection:
        found = the_job(desk, instance_id, connection, job)
        return JobDetails(job=Job(**found), running=board.running(connection, job), history=board.history(connection, job, limit))


@router.post(PATH + "/{job}/run", status_code=202)
def run_job(request: Request, desk: AtDesk, visitor: AsOperator, instance_id: InstanceId, job: JobName) -> Run:
    """Have a job run now, whatever its schedule."""
    with desk.server(instance_id).store() as connection:
        the_job(desk, instance_id, connection, job)
        run = board.run(connection, job)
    audit.note(desk.db, visitor.name, client_of(request), "job run", instance_id, job=job, run=run)
    return Run(job=job, run=run)


@router.post(PATH + "/{job}/pause")
def pause_job(request: Request, desk: AtDesk, visitor: AsOperator, instance_id: InstanceId, job: JobName) -> Job:
    """Let a job rest until it is resumed."""
    return turned(request, desk, visitor.name, instance_id, job, rest=True)


@router.post(PATH + "/{job}/resume")
def resume_job(request: Request, desk: AtDesk, visitor: AsOperator, instance_id: InstanceId, job: JobName) -> Job:
    """Let a job go on that was paused or deactivated."""
    return turned(request, desk, visitor.name, instance_id, job, rest=False)


def turned(request: Request, desk: Desk, who: str, instance: str, job: str, *, rest: bool) -> Job:
    """A job that rests or goes on."""
    with desk.server(instance).store() as connection:
        the_job(desk, instance, connection, job)
        (board.pause if rest else board.resume)(connection, job)
        found = the_job(desk, instance, connection, job)
    audit.note(desk.db, who, client_of(request), "job paused" if rest else "job resumed", instance, job=job)
    return Job(**found)


def the_job(desk: Desk, instance: str, connection: Any, name: str) -> dict[str, Any]:
    """One job by its full name. Raises ProblemError."""
    found = desk.server(instance).job(connection, name)
    if found is None:
        raise ProblemError(404, f"there is no job {name} of {instance}")
    return found
