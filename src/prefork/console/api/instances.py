"""Instances: which there are, how they are, known and forgotten; reloads."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import ValidationError

from prefork import usage
from prefork.console.access import AnyVisitor, AsAdministrator, AsOperator, AsViewer, client_of
from prefork.console.api import provision
from prefork.console.api.paging import Cursor, InstanceId, Limit, part
from prefork.console.desk import AtDesk, Desk
from prefork.console.models import Health, Instance, Page, Reloaded, Renaming, Status
from prefork.console.models.provisions import Addition, Prospect
from prefork.instances import audit, provisions, registry
from prefork.instances.complaints import complaints
from prefork.instances.local import RELOAD_LIMIT, Denied, Local, NotUnderstood, Unreachable
from prefork.instances.remote import Remote
from prefork.instances.roles import VIEWER, Visitor
from prefork.provision import works
from prefork.usage.health import read_health

router = APIRouter(tags=["instances"])
AT_ONCE = 8  # servers that are asked
MOMENT = 3.0  # seconds for a server to say how it is, where it is one of many


@router.get("/instances")
def list_instances(desk: AtDesk, visitor: AnyVisitor, limit: Limit = 100, cursor: Cursor = None) -> Page[Instance]:
    """All instances that one may see, with how they are."""
    seen = [each for each in registry.listed(desk.db) if visitor.may(VIEWER, each.id)]
    page = part(seen, limit, cursor)
    with ThreadPoolExecutor(AT_ONCE) as pool:  # one that does not answer holds up no other
        items = list(pool.map(lambda each: described(desk, each, visitor), page.items))
    return Page(items=items, next=page.next)


@router.post(
    "/instances",
    status_code=201,
    responses={200: {"model": Prospect, "description": "With `dry_run`: what an instance that is to be made would get."}},
)
def add_instance(
    request: Request,
    response: Response,
    desk: AtDesk,
    visitor: AsAdministrator,
    new: Addition,
    dry_run: Annotated[bool, Query(description="Only say what an instance that is to be made would get.")] = False,
) -> Instance | Prospect:
    """Know another server: one that the console makes and runs, one on this machine, or one elsewhere by the console there."""
    if new.run is not None and dry_run:
        response.status_code = 200
        return provision.considered(desk, new)
    if new.run is not None:
        response.headers["Location"] = provision.place_of(provision.make(request, desk, visitor, new))
        return described(desk, desk.instance(new.id), visitor)
    if new.data_dir is not None:
        made = registry.add_local(desk.db, new.id, new.name, Path(new.data_dir))
    else:
        made = registry.add_remote(desk.db, new.id, new.name, Remote(new.url or "", new.token or ""))
    audit.note(desk.db, visitor.name, client_of(request), "instance added", made.id, data_dir=new.data_dir, url=made.url)
    return described(desk, made, visitor)


@router.get("/instances/{instance_id}")
def get_instance(desk: AtDesk, visitor: AsViewer, instance_id: InstanceId) -> Instance:
    """One instance and how it is."""
    return described(desk, desk.instance(instance_id), visitor)


@router.patch("/instances/{instance_id}")
def rename_instance(request: Request, desk: AtDesk, visitor: AsAdministrator, instance_id: InstanceId, new: Renaming) -> Instance:
    """Call an instance something else."""
    desk.instance(instance_id)
    registry.rename(desk.db, instance_id, new.name)
    audit.note(desk.db, visitor.name, client_of(request), "instance renamed", instance_id, name=new.name)
    return described(desk, desk.instance(instance_id), visitor)


@router.delete("/instances/{instance_id}", status_code=204)
def forget_instance(
    request: Request,
    desk: AtDesk,
    visitor: AsAdministrator,
    instance_id: InstanceId,
    data: Annotated[bool, Query(description="Of one that the console runs: remove what it keeps as well.")] = False,
) -> Response:
    """Know an instance no more. The server goes on; one that the console runs has to be stopped, and is removed."""
    desk.instance(instance_id)
    run_here = provisions.find(desk.db, instance_id) is not None
    if run_here:
        works.delete(provision.premises_of(desk), instance_id, data=data)
    else:
        registry.remove(desk.db, instance_id)
    action = "instance deleted" if run_here else "instance forgotten"
    audit.note(desk.db, visitor.name, client_of(request), action, instance_id, data=data)
    return Response(status_code=204)


@router.get("/instances/{instance_id}/status")
def get_status(desk: AtDesk, _visitor: AsViewer, instance_id: InstanceId) -> Status:
    """The server's own account: its pools, queue, requests and workers, as `prefork status --json` has it."""
    return Status(**desk.server(instance_id).status())


@router.get("/instances/{instance_id}/health")
def get_health(desk: AtDesk, _visitor: AsViewer, instance_id: InstanceId) -> Health:
    """Whether the server serves, and how its machine is."""
    server = Local(desk.server(instance_id).directory, MOMENT)
    before = usage.read_clock()
    reasons, status = [], "ok"
    try:
        reasons = list(complaints(server.status()))
        status = "degraded" if reasons else "ok"
    except (Unreachable, Denied) as error:
        reasons, status = [str(error)], "unreachable"
    watch = desk.monitor.watches.get(instance_id)
    machine = {**read_health(before, server.directory).told(), "database": watch.sampler.database if watch else None}
    return Health.model_validate({"status": status, "reasons": reasons, "machine": machine})


@router.post("/instances/{instance_id}/reload")
def reload_instance(request: Request, desk: AtDesk, visitor: AsOperator, instance_id: InstanceId) -> Reloaded:
    """Load the application's code and settings anew, without dropping a request; answers at the end."""
    audit.note(desk.db, visitor.name, client_of(request), "reload", instance_id)
    said = desk.server(instance_id).told("reload", RELOAD_LIMIT)
    return Reloaded(generation=said["generation"], seconds=said["seconds"], restart_needed=said["restart_needed"])


def described(desk: Desk, instance: registry.Instance, visitor: Visitor) -> Instance:
    """An instance with how it is now."""
    known: dict[str, Any] = {"id": instance.id, "name": instance.name, "kind": instance.kind, "role": visitor.role_for(instance.id)}
    try:
        if remote := registry.way_to(desk.db, instance.id):
            return elsewhere(remote, known)
        assert instance.directory
        return Instance(**known, **figures(Local(instance.directory, MOMENT).status()))
    except NotUnderstood as error:
        return Instance(**known, state="not understood", error=str(error))
    except (Unreachable, Denied) as error:
        return Instance(**known, **absence(desk, instance.id, str(error)))


def elsewhere(remote: Remote, known: dict[str, Any]) -> Instance:
    """One that is on another machine, as far as the console there has the same words for it. Raises Unreachable, NotUnderstood."""
    said = remote.described(MOMENT)
    try:
        return Instance(**{name: value for name, value in said.items() if name in Instance.model_fields} | known)
    except ValidationError as error:
        strange = ", ".join(dict.fromkeys(str(each["loc"][0]) for each in error.errors()))
        raise NotUnderstood(
            f"what the console at {remote.url} says of its server is not understood ({strange}); "
            "it is of another release than this one: restart what is older"
        ) from None


def absence(desk: Desk, instance: str, error: str) -> dict[str, Any]:
    """What is told of a server that does not answer: nobody expects it of one that the console has stopped, or is starting."""
    found = provisions.find(desk.db, instance)
    if found is None:
        return {"state": "unreachable", "error": error}
    told = {"application": found.wish["app"] or "odoo", "plan": found.wish["plan"], "node": os.uname().nodename}
    if provisions.busy(desk.db, instance):
        return {**told, "state": "starting" if found.wanted == provisions.RUNNING else "stopping"}
    if found.wanted == provisions.STOPPED:
        return {**told, "state": "stopped"}
    return {**told, "state": "unreachable", "error": found.ended_how or error}


def figures(status: dict[str, Any]) -> dict[str, Any]:
    """What an instance is told by, from its server's status."""
    return {
        "state": status["state"],
        "application": status["app"],
        "version": status["version"],
        "plan": status["plan"],
        "node": os.uname().nodename,
        "uptime": status["uptime"],
        "generation": status["generation"],
        "workers": {"wanted": status["wanted"], "ready": status["ready"]},
    }
