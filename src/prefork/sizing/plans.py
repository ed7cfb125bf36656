"""The plans that a server can be run under: how many HTTP workers each allows, and what of a machine comes with it.

Workers for jobs and for WebSocket connections never count.
"""

from __future__ import annotations

from prefork.sizing.machine import GIB, Machine

PLANS: dict[str, int | None] = {"free": 1, "base": 2, "pro": None, "agency": None}  # None: as many as one likes
# What a server of a plan gets where the console makes it; None: what the machine has.
RESOURCES: dict[str, Machine | None] = {
    "free": Machine(1, GIB),
    "base": Machine(2, 2 * GIB),
    "pro": Machine(4, 8 * GIB),
    "agency": None,
}


def beyond(plan: str | None, workers: int) -> str:
    """Why a plan does not allow so many HTTP workers; empty where it does."""
    most = PLANS[plan] if plan else None
    if most is None or workers <= most:
        return ""
    return f"the plan {plan} allows {most} HTTP worker{'s' if most > 1 else ''}, not {workers}"
