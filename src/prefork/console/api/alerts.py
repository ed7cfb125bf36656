"""What is wrong with instances, and what was."""

from __future__ import annotations

from fastapi import APIRouter

from prefork.console.access import AnyVisitor, AsViewer
from prefork.console.api.paging import Cursor, InstanceId, Limit, part
from prefork.console.desk import AtDesk
from prefork.console.models import Alert, Page
from prefork.instances import alerts, registry
from prefork.instances.roles import VIEWER

router = APIRouter(tags=["alerts"])


@router.get("/alerts")
def list_alerts(desk: AtDesk, visitor: AnyVisitor, limit: Limit = 100, cursor: Cursor = None) -> Page[Alert]:
    """What is wrong now, with all instances that you may see."""
    seen = [each.id for each in registry.listed(desk.db) if visitor.may(VIEWER, each.id)]
    return part([described(alert) for each in seen for alert in alerts.current(desk.db, each)], limit, cursor)


@router.get("/instances/{instance_id}/alerts")
def list_alerts_of_instance(
    desk: AtDesk, _visitor: AsViewer, instance_id: InstanceId, limit: Limit = 50, cursor: Cursor = None
) -> Page[Alert]:
    """What is wrong now, and behind it what was, the latest first."""
    desk.server(instance_id)
    now = alerts.current(desk.db, instance_id) if cursor is None else []
    past = alerts.past(desk.db, instance_id, limit, cursor)
    return Page(items=[described(each) for each in (*now, *past)], next=past[-1].id if len(past) == limit else None)


def described(alert: alerts.Alert) -> Alert:
    """One, in the API's words."""
    return Alert.model_validate({name: getattr(alert, name) for name in Alert.model_fields})
