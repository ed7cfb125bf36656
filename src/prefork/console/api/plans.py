"""The plans that servers can be run under."""

from __future__ import annotations

from fastapi import APIRouter

from prefork.console.access import AnyVisitor
from prefork.console.api.paging import Cursor, Limit, part
from prefork.console.models import Page, Plan
from prefork.sizing.plans import PLANS

router = APIRouter(tags=["plans"])


@router.get("/plans")
def list_plans(_visitor: AnyVisitor, limit: Limit = 100, cursor: Cursor = None) -> Page[Plan]:
    """All plans, and how many HTTP workers each allows."""
    return part([Plan(name=name, workers=workers) for name, workers in PLANS.items()], limit, cursor)
