"""Instances that the console runs itself: what they are, started, stopped, upgraded. They are made and removed as others are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from prefork.console.access import AsAdministrator, AsOperator, AsViewer, client_of
from prefork.console.api.paging import Cursor, InstanceId, Limit, Number
from prefork.console.desk import AtDesk, Desk
from prefork.console.models import Page
from prefork.console.models import provisions as models
from prefork.console.models.provisions import Addition, Prospect, Provision, Upgrade, Work
from prefork.console.problems import ProblemError
from prefork.instances import audit, provisions
from prefork.provision import files, upgrades, works

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.instances.roles import Visitor
    from prefork.provision.premises import Premises

router = APIRouter(tags=["provision"])
PATH = "/instances/{instance_id}"


@router.get(PATH + "/provision")
def get_provision(desk: AtDesk, _visitor: AsViewer, instance_id: InstanceId) -> Provision:
    """What an instance was asked to be, what it has, and what is being done with it."""
    premises, found = run_here(desk, instance_id)
    latest = next(iter(provisions.works(desk.db, instance_id, 1)), None)
    return models.provision(found, premises.place(instance_id), latest)


@router.get(PATH + "/provision/works")
def list_works(desk: AtDesk, _visitor: AsViewer, instance_id: InstanceId, limit: Limit = 50, cursor: Cursor = None) -> Page[Work]:
    """What was done with an instance, the latest first."""
    run_here(desk, instance_id)
    found = provisions.works(desk.db, instance_id, limit + 1, cursor)
    items = [models.work(each) for each in found[:limit]]
    return Page(items=items, next=items[-1].id if len(found) > limit else None)


@router.get(PATH + "/provision/works/{number}")
def get_work(desk: AtDesk, _visitor: AsViewer, instance_id: InstanceId, number: Number) -> Work:
    """How far something is, or how it went."""
    run_here(desk, instance_id)
    found = provisions.work(desk.db, instance_id, number)
    if found is None:
        raise ProblemError(404, f"nothing with the number {number} was done with {instance_id}")
    return models.work(found)


@router.post(PATH + "/start", status_code=202, response_model=Work)
def start_instance(request: Request, desk: AtDesk, visitor: AsOperator, instance_id: InstanceId) -> Response:
    """Start an instance that is stopped. `Location` says where to look for the end."""
    return steered(request, desk, visitor, instance_id, works.start)


@router.post(PATH + "/stop", status_code=202, response_model=Work)
def stop_instance(request: Request, desk: AtDesk, visitor: AsOperator, instance_id: InstanceId) -> Response:
    """Stop an instance after its current requests."""
    return steered(request, desk, visitor, instance_id, works.stop)


@router.post(PATH + "/restart", status_code=202, response_model=Work)
def restart_instance(request: Request, desk: AtDesk, visitor: AsOperator, instance_id: InstanceId) -> Response:
    """Stop an instance and start it again. A reload, which drops nothing, does for most changes."""
    return steered(request, desk, visitor, instance_id, works.restart)


@router.post(PATH + "/upgrade", status_code=202, response_model=Work)
def upgrade_instance(
    request: Request, desk: AtDesk, visitor: AsAdministrator, instance_id: InstanceId, change: Upgrade
) -> Response:
    """Give an instance another application, version, interpreter or plan: worker by worker; back where it fails."""
    premises, _ = run_here(desk, instance_id)
    changes = change.given()
    made = upgrades.upgrade(premises, visitor.name, instance_id, changes)
    noted = {name: value for name, value in changes.items() if name != "options"}
    return answered(request, desk, visitor, made, **noted)


def make(request: Request, desk: Desk, visitor: Visitor, new: Addition) -> provisions.Work:
    """Have the console make and run an instance. Raises what `works.create` does."""
    assert new.run
    wish = new.run.wish()
    made = works.create(premises_of(desk), visitor.name, new.id, new.name, wish)
    audit.note(desk.db, visitor.name, client_of(request), "instance made", new.id, app=wish.app or wish.odoo, plan=wish.plan)
    return made


def considered(desk: Desk, new: Addition) -> Prospect:
    """What an instance would get. Raises what `works.prospect` does."""
    assert new.run
    premises = premises_of(desk)
    found = works.prospect(premises, new.id, new.name, new.run.wish())
    place = premises.place(new.id)
    options = files.options(found.wish, found.grant, place)
    return models.prospect(found, str(place.directory), options, premises.free().memory)


def premises_of(desk: Desk) -> Premises:
    """Those of a console that runs instances. Raises ProblemError."""
    if desk.premises is None:
        said = (
            "this console belongs to a server and runs no other ones; run one by itself for that: prefork console --data-dir PATH"
        )
        raise ProblemError(409, said, "conflict")
    return desk.premises


def run_here(desk: Desk, instance: str) -> tuple[Premises, provisions.Provision]:
    """An instance that this console runs. Raises ProblemError, Conflict."""
    desk.instance(instance)
    premises = premises_of(desk)
    return premises, premises.provision(instance)


def steered(
    request: Request, desk: Desk, visitor: Visitor, instance: str, act: Callable[[Premises, str, str], provisions.Work]
) -> Response:
    """Have something done with an instance."""
    premises, _ = run_here(desk, instance)
    return answered(request, desk, visitor, act(premises, visitor.name, instance))


def answered(request: Request, desk: Desk, visitor: Visitor, made: provisions.Work, **details: object) -> Response:
    """The answer to something that goes on."""
    audit.note(desk.db, visitor.name, client_of(request), f"instance {made.action}", made.instance, work=made.id, **details)
    return JSONResponse(models.work(made).model_dump(), 202, {"Location": place_of(made)})


def place_of(made: provisions.Work) -> str:
    """Where its end is to be seen."""
    return f"/api/v1/instances/{made.instance}/provision/works/{made.id}"
