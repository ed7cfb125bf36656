"""How many files a server has to be allowed to have open: with fewer it could not even say what it lacks."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

from prefork.master.pools import HTTP
from prefork.master.supply import sizes

if TYPE_CHECKING:
    from prefork.config import Settings

# Of the master itself, with what it takes for a moment to start a process; for a worker, beside its places.
MASTER, EACH = 36, 4
# The same of the dispatcher, which lets no more clients in when less than half of what it may have is free, or less than this.
DISPATCHER, EACH_THERE, RESERVE = 16, 3, 64


def needed(settings: Settings, *, looped: bool) -> int:
    """How many files the process needs that needs most of them, for few clients. `looped`: HTTP workers have an event loop."""
    counts = sizes(settings)
    workers = sum(counts.values()) + 1  # a reload starts one before an old one leaves
    places = settings.at_a_time if looped else settings.threads if settings.threaded else 1
    more = places - 1  # pairs of an HTTP worker, beside the one that each has
    # It has its ends of those that are being started, at first all, and both of one that is being
    # forked: the others twice, for they are copied for the message.
    master = MASTER + (EACH + 1) * workers + more * counts[HTTP.name] + 2 * places
    dispatcher = DISPATCHER + (EACH_THERE + 1) * workers + more * (counts[HTTP.name] + 1)
    return max(master, min(2 * dispatcher, dispatcher + RESERVE))


def lacking(settings: Settings, *, looped: bool) -> str:
    """Why a server cannot start where it may have too few; empty where it can."""
    allowed, least = resource.getrlimit(resource.RLIMIT_NOFILE)[0], needed(settings, looped=looped)
    if allowed >= least:
        return ""
    return f"it may have {allowed} files open and needs {least}, and more for many clients; raise LimitNOFILE or ulimit -Hn"
