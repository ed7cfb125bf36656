"""The plans that a server can be run under, and how many HTTP workers each allows.

Workers for jobs and for WebSocket connections never count.
"""

from __future__ import annotations

PLANS: dict[str, int | None] = {"free": 1, "base": 2, "pro": None, "agency": None}  # None: as many as one likes


def beyond(plan: str | None, workers: int) -> str:
    """Why a plan does not allow so many HTTP workers; empty where it does."""
    most = PLANS[plan] if plan else None
    if most is None or workers <= most:
        return ""
    return f"the plan {plan} allows {most} HTTP worker{'s' if most > 1 else ''}, not {workers}"
