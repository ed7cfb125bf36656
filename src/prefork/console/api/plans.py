"""The plans that servers can be run under."""

from __future__ import annotations

from fastapi import APIRouter

from prefork.console.access import AnyVisitor
from prefork.console.models import Page, Plan
from prefork.sizing import PLANS

router = APIRouter(tags=["plans"])


@router.get("/plans")
def list_plans(_visitor: AnyVisitor) -> Page[Plan]:
    """All plans, and how many HTTP workers each allows."""
    return Page(items=[Plan(name=name, workers=workers) for name, workers in PLANS.items()])
