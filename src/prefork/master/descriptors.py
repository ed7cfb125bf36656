"""How many files a server has to be allowed to have open: with fewer it could not even say what it lacks."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

from prefork.master.supply import sizes

if TYPE_CHECKING:
    from prefork.config import Settings

# Of the master itself, with what it takes for a moment to start a process; for a worker, beside its places.
MASTER, EACH = 36, 4
# The same of the dispatcher, which lets no more clients in when less than half of what it may have is free, or less than this.
DISPATCHER, EACH_THERE, RESERVE = 16, 3, 64


def needed(settings: Settings) -> int:
    """How many files the process needs that needs most of them, for few clients."""
    workers = sum(sizes(settings).values()) + 1  # a reload starts one before an old one leaves
    places = settings.at_a_time if settings.interface == "asgi" else settings.threads if settings.threaded else 1
    master = MASTER + (EACH + places) * workers + places  # which has both ends of the pairs of one that is being forked
    dispatcher = DISPATCHER + (EACH_THERE + places) * workers
    return max(master, min(2 * dispatcher, dispatcher + RESERVE))


def lacking(settings: Settings) -> str:
    """Why a server cannot start where it may have too few; empty where it can."""
    allowed, least = resource.getrlimit(resource.RLIMIT_NOFILE)[0], needed(settings)
    if allowed >= least:
        return ""
    return f"it may have {allowed} files open and needs {least}, and more for many clients; raise LimitNOFILE or ulimit -Hn"
