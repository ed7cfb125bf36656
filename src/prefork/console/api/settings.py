"""Settings → Performance: read with an ETag, changed with If-Match, applied worker by worker, undone."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import JSONResponse

from prefork import config
from prefork.config import OPTIONS
from prefork.config.reader import read_file
from prefork.console import models
from prefork.console.access import AsOperator, AsViewer, client_of, require
from prefork.console.api.meaning import meaning
from prefork.console.api.paging import Cursor, InstanceId, Limit, Number
from prefork.console.desk import AtDesk, Desk
from prefork.console.models import Change, Meaning, Page, Progress, Setting, Settings, SettingsPatch
from prefork.console.problems import ProblemError
from prefork.instances import audit, changes
from prefork.instances.local import Denied, Local, Unreachable
from prefork.instances.roles import ADMINISTRATOR, Visitor
from prefork.provision.budget import afforded
from prefork.sizing.plans import PLANS

router = APIRouter(tags=["settings"])
PATH = "/instances/{instance_id}/settings"
SERVING = {"idle", "busy", "waiting"}  # states of a worker that is ready


@router.get(PATH)
def get_settings(response: Response, desk: AtDesk, _visitor: AsViewer, instance_id: InstanceId) -> Settings:
    """The settings that can be changed here. The ETag goes into If-Match of a change."""
    server = desk.server(instance_id)
    settings = server.settings()
    response.headers["ETag"] = etag(settings)
    return shown(settings, changes.obstacle(server, settings.file))


@router.patch(
    PATH,
    status_code=202,
    response_model=None,
    responses={
        200: {"model": Meaning, "description": "With `dry_run`: what it would mean."},
        202: {"model": Change, "description": "It is being applied; Location says where to look for its end."},
        412: {"model": models.Problem, "description": "The settings have changed since they were read."},
        428: {"model": models.Problem, "description": "If-Match is missing."},
    },
)
def change_settings(
    request: Request,
    desk: AtDesk,
    visitor: AsOperator,
    instance_id: InstanceId,
    patch: SettingsPatch,
    if_match: Annotated[str | None, Header()] = None,
    dry_run: Annotated[bool, Query(description="Only say what it would mean.")] = False,
) -> Response:
    """Write settings into the server's file and apply them worker by worker; without readiness everything is as before."""
    texts = {name: None if value is None else str(value).strip() for name, value in patch.settings.items()}
    server = desk.server(instance_id)
    if dry_run:
        watch = desk.monitor.watches.get(instance_id)
        intent = intended(desk, server, visitor, instance_id, texts)
        return JSONResponse(meaning(server, intent, watch.sampler.database if watch else None).model_dump())
    with desk.giving():
        intent = intended(desk, server, visitor, instance_id, texts)
        check_match(if_match, etag(intent.before))
        made = changes.begin(desk.db, server, instance_id, visitor.name, intent)
    return applied(request, desk, visitor, instance_id, made)


@router.get(PATH + "/changes")
def list_changes(
    desk: AtDesk, _visitor: AsViewer, instance_id: InstanceId, limit: Limit = 50, cursor: Cursor = None
) -> Page[Change]:
    """Who has changed what and when, the latest first."""
    desk.instance(instance_id)
    found = changes.listed(desk.db, instance_id, cursor, limit + 1)
    items = [Change(**told(each)) for each in found[:limit]]
    return Page(items=items, next=items[-1].id if len(found) > limit else None)


@router.get(PATH + "/changes/{number}")
def get_change(desk: AtDesk, _visitor: AsViewer, instance_id: InstanceId, number: Number) -> Change:
    """One change; while it is applied, how far that is."""
    change = known(desk, instance_id, number)
    running = change.state == changes.RUNNING
    return Change(**told(change), progress=progress(desk.server(instance_id), time.time() - change.at) if running else None)


@router.post(PATH + "/changes/{number}/undo", status_code=202, response_model=Change)
def undo_change(request: Request, desk: AtDesk, visitor: AsOperator, instance_id: InstanceId, number: Number) -> Response:
    """Set back what a change has changed, as a change of its own."""
    change = known(desk, instance_id, number)
    if change.state != changes.DONE:
        raise ProblemError(409, f"change {number} is {change.state}; only one that is done can be undone", "conflict")
    # What had followed from it follows from what it sets back.
    texts = {name: old for name, (old, _) in change.options.items() if name in changes.PERFORMANCE}
    server = desk.server(instance_id)
    with desk.giving():
        intent = intended(desk, server, visitor, instance_id, texts)
        made = changes.begin(desk.db, server, instance_id, visitor.name, intent, undoes=number)
    return applied(request, desk, visitor, instance_id, made)


def intended(desk: Desk, server: Local, visitor: Visitor, instance: str, texts: dict[str, str | None]) -> changes.Intent:
    """A change that somebody may make and that is valid. The plan is what a customer has paid for: administrators set it."""
    if "plan" in texts:
        require(visitor, ADMINISTRATOR, instance)
    intent = changes.judge(server.reading(), texts)
    return afforded(desk.premises, instance, intent) if desk.premises else intent


def applied(request: Request, desk: Desk, visitor: Visitor, instance: str, change: changes.Change) -> Response:
    """The answer to a change that goes on."""
    audit.note(desk.db, visitor.name, client_of(request), "settings", instance, change=change.id, options=change.options)
    place = f"{request.url.path.partition('/settings')[0]}/settings/changes/{change.id}"
    return JSONResponse(Change(**told(change)).model_dump(), 202, {"Location": place})


def etag(settings: config.Settings) -> str:
    """As a header has it."""
    return f'"{changes.tag(settings)}"'


def check_match(given: str | None, current: str) -> None:
    """Raises ProblemError for who has not seen the settings of now."""
    if given is None:
        raise ProblemError(428, "a change needs If-Match with the ETag of the settings that were read", "precondition-required")
    if given != "*" and current not in [each.strip() for each in given.split(",")]:
        raise ProblemError(412, "the settings have changed since they were read; read them again", "precondition-failed")


def shown(settings: config.Settings, obstacle: str) -> Settings:
    """The settings as people and forms need them."""
    written = read_file(settings.file, str(settings.file)).entries if settings.file else []
    texts = {entry.key: entry.text for entry in written}
    found = {
        name: Setting(
            value=settings.shown(name),
            text=texts.get(name),
            source=str(settings.source(name)),
            help=OPTIONS[name].help.replace("`", ""),
            fixed=settings.source(name).layer in {"flag", "environment"},
        )
        for name in changes.PERFORMANCE
    }
    most = PLANS[settings.plan] if settings.plan else None
    return Settings(settings=found, plan=settings.plan, most_workers=most, obstacle=obstacle)


def known(desk: Desk, instance: str, number: int) -> changes.Change:
    """A change of an instance. Raises ProblemError."""
    desk.instance(instance)
    change = changes.find(desk.db, instance, number)
    if change is None:
        raise ProblemError(404, f"there is no change {number} of {instance}")
    return change


def told(change: changes.Change) -> dict[str, Any]:
    """A change without its instance, which the path has."""
    return {name: value for name, value in change._asdict().items() if name != "instance"}


def progress(server: Local, seconds: float) -> Progress:
    """How far a reload is that began so many seconds ago: workers of its generation, of those that are wanted.

    While the code is being loaded all workers are of the generation before, some of them older than the reload.
    """
    try:
        status = server.status()
    except (Unreachable, Denied) as error:
        return Progress(state="unreachable", error=str(error))
    rows = status["workers"]
    newest = max((row["generation"] for row in rows), default=0)
    if any(row["age"] > seconds for row in rows if row["generation"] == newest):
        return Progress(state=status["state"], wanted=status["wanted"])
    ready = sum(row["generation"] == newest and row["pool"] == "http" and row["state"] in SERVING for row in rows)
    return Progress(state=status["state"], generation=newest, ready=ready, wanted=status["wanted"])
