"""Scheduled jobs: what there is, one with its history, and what can be done about it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from prefork.console.pages.monitoring import frame
from prefork.console.pages.visit import lead_on
from prefork.console.problems import ProblemError
from prefork.instances.local import Denied
from prefork.instances.roles import OPERATOR

if TYPE_CHECKING:
    from starlette.responses import Response

    from prefork.console.pages.visit import Visit

DONE = {
    "run": "It runs as soon as a worker for jobs is free.",
    "pause": "It rests until it is resumed; a run that has begun goes on.",
    "resume": "It runs again when it is due.",
}


def listing(visit: Visit) -> Response:
    """All, or why there are none."""
    around = frame(visit, "jobs")
    try:
        jobs, problem = visit.source.jobs(visit.identity), ""
    except Denied as error:
        jobs, problem = [], str(error)
    return visit.page("jobs.html", **around, jobs=jobs, problem=problem, steerable=visit.may(OPERATOR))


def detail(visit: Visit) -> Response:
    """One."""
    job, running, history = visit.source.job(visit.identity, visit.asked("name"))
    failed = next((row for row in history if row["outcome"] != "done" and row["error"]), None)
    return visit.page(
        "job.html",
        **frame(visit, "jobs"),
        job=job,
        running=running,
        history=history,
        error=failed,
        steerable=visit.may(OPERATOR),
        said=DONE.get(visit.asked("done"), ""),
    )


def steer(visit: Visit) -> Response:
    """Run, pause or resume one."""
    name, action = visit.form.get("name", ""), visit.form.get("action", "")
    if action not in DONE:
        raise ProblemError(400, "a job can be run, paused and resumed")
    visit.source.steer(visit.identity, name, action)
    return lead_on(f"{visit.root}/job?name={quote(name)}&done={action}")
