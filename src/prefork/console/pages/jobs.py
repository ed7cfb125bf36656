"""Scheduled jobs: what there is, one with its history, what can be done about it, and the form of its row."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from prefork.console.access import require
from prefork.console.pages.edits import edited, touched
from prefork.console.pages.monitoring import frame
from prefork.console.pages.visit import Refusal, lead_on
from prefork.console.problems import EXPECTED, ProblemError
from prefork.instances.local import Denied
from prefork.instances.roles import OPERATOR

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response

    from prefork.console.pages.visit import Visit

DONE = {
    "edit": "Saved: its next runs are as you want them.",
    "run": "It runs as soon as a worker for jobs is free.",
    "pause": "It rests until it is resumed; a run that has begun goes on.",
    "resume": "It runs again when it is due.",
}
STEERED = DONE.keys() - {"edit"}


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
    return shown(visit, visit.asked("name"))


def shown(visit: Visit, name: str, refusal: Refusal | None = None) -> Response:
    """Its page; with what somebody has typed where that was refused."""
    job, running, history = visit.source.job(visit.identity, name)
    failed = next((row for row in history if row["outcome"] != "done" and row["error"]), None)
    return visit.page(
        "job.html",
        refusal.status if refusal else 200,
        **frame(visit, "jobs"),
        job=job,
        before=(before := editable(job)),
        values=before | touched(visit.form, before),
        refusal=refusal,
        running=running,
        history=history,
        error=failed,
        steerable=visit.may(OPERATOR),
        said=DONE.get(visit.asked("done"), ""),
    )


def steer(visit: Visit) -> Response:
    """Run, pause or resume one."""
    name, action = visit.form.get("name", ""), visit.form.get("action", "")
    if action not in STEERED:
        raise ProblemError(400, "a job can be run, paused and resumed")
    visit.source.steer(visit.identity, name, action)
    return lead_on(f"{visit.root}/job?name={quote(name)}&done={action}")


def edit(visit: Visit) -> Response:
    """Give one another schedule, other arguments or another priority. What nobody has touched stays the code's."""
    require(visit.visitor, OPERATOR, visit.identity)
    name = visit.form.get("name", "")
    job, _, _ = visit.source.job(visit.identity, name)
    try:
        if changed := edited(visit.form, editable(job)):
            visit.source.edit(visit.identity, name, changed)
    except EXPECTED as error:
        return shown(visit, name, Refusal.of(error))
    return lead_on(f"{visit.root}/job?name={quote(name)}&done=edit")


def editable(job: Mapping[str, Any]) -> dict[str, str]:
    """What operators can edit, as a form has it."""
    return {
        "schedule": job["schedule"] or "",
        "tz": job["tz"],
        "misfire": job["misfire"],
        "priority": str(job["priority"]),
        "retries": str(job["retries"]),
        "arguments": json.dumps(job["arguments"]),
    }
