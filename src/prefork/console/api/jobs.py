"""Scheduled jobs: what is due, what was done; run, paused, edited. Straight to the server's store, by Prefork's own driver."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request

from prefork.console.access import AsOperator, AsViewer, client_of
from prefork.console.api.paging import Cursor, InstanceId, Limit, part
from prefork.console.desk import AtDesk, Desk
from prefork.console.models import EndedRun, Job, JobDetails, JobPatch, Page, Run, RunUnderWay
from prefork.console.problems import ProblemError
from prefork.instances import audit
from prefork.jobs import schedules
from prefork.store import board

router = APIRouter(tags=["jobs"])
JobName = Annotated[str, Path(max_length=300, description="The job's full name.", examples=["shop.tasks.send_mail"])]
PATH = "/instances/{instance_id}/jobs"


@router.get(PATH)
def list_jobs(desk: AtDesk, _visitor: AsViewer, instance_id: InstanceId, limit: Limit = 100, cursor: Cursor = None) -> Page[Job]:
    """Every job: when it is due, and how it fared last."""
    with desk.server(instance_id).store() as connection:
        return part([Job(**job) for job in board.listed(connection)], limit, cursor)


@router.get(PATH + "/{job}")
def get_job(desk: AtDesk, _visitor: AsViewer, instance_id: InstanceId, job: JobName, limit: Limit = 20) -> JobDetails:
    """One job, what is being done of it and what was done."""
    with desk.server(instance_id).store() as connection:
        found = the_job(desk, instance_id, connection, job)
        running = [RunUnderWay(**each) for each in board.running(connection, job)]
        history = [EndedRun(**each) for each in board.history(connection, job, limit)]
        return JobDetails(job=Job(**found), running=running, history=history)


@router.get("/instances/{instance_id}/runs")
def list_runs(
    desk: AtDesk,
    _visitor: AsViewer,
    instance_id: InstanceId,
    job: Annotated[str | None, Query(max_length=300, description="Only those of this job, by its full name.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[EndedRun]:
    """What was done of one job, or of all, the latest first."""
    first = cursor or 0
    with desk.server(instance_id).store() as connection:
        if job is not None:
            the_job(desk, instance_id, connection, job)
        found = [EndedRun(**each) for each in board.history(connection, job, limit + 1, first)]
    return Page(items=found[:limit], next=first + limit if len(found) > limit else None)


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


@router.patch(PATH + "/{job}")
def change_job(request: Request, desk: AtDesk, visitor: AsOperator, instance_id: InstanceId, job: JobName, patch: JobPatch) -> Job:
    """Change a job's row: when it runs, with what, before which others, and whether at all."""
    new = patch.model_dump(exclude_unset=True)
    with desk.server(instance_id).store() as connection:
        old = the_job(desk, instance_id, connection, job)
        wanted = {**old, **new}
        due_at = due(wanted) if {"schedule", "tz"} & new.keys() else None
        with connection.transaction():
            board.edit(connection, job, wanted, due_at)
            if wanted["active"] != old["active"]:
                (board.resume if wanted["active"] else board.pause)(connection, job)
        found = the_job(desk, instance_id, connection, job)
    changed = {name: (old[name], new[name]) for name in new if old[name] != new[name]}
    audit.note(desk.db, visitor.name, client_of(request), "job changed", instance_id, job=job, changes=changed)
    return Job(**found)


def due(job: dict[str, Any]) -> datetime | None:
    """When a job is due that has just got its schedule. Raises ProblemError for one that says nothing."""
    try:
        return schedules.first_due(job["schedule"], job["tz"], datetime.now(UTC))
    except ValueError as error:
        place = "tz" if "time zone" in str(error) else "schedule"
        raise ProblemError(422, str(error), "invalid-job", errors={place: str(error)}) from None


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
