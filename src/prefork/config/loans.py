"""What of the settings keeps connections from being lent to workers. Pure.

`dispatcher/terms.py` decides by the same; this names it, for people.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prefork.config.settings import Settings


def obstacles(settings: Settings) -> list[str]:
    """Each in the words of the file; none where `lend_connections` counts, or would if it were set."""
    found = {
        "workers = 0": settings.threaded,
        "keepalive_timeout = 0": settings.keepalive_timeout == 0,
        "limit_time_real_routes": bool(settings.limit_time_real_routes),
        "a lane that reserves workers": any(lane.reserved for lane in settings.lanes),
    }
    return [name for name, stands in found.items() if stands]
