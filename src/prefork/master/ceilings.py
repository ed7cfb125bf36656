"""How many HTTP workers there can be at this moment: what is set, the plan, the memory that is free, the database's connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.master.pools import HTTP
from prefork.sizing import bounds

if TYPE_CHECKING:
    from prefork.master.loop import Master
    from prefork.sizing.bounds import Cap


def ceilings(master: Master) -> list[Cap]:
    """Each bound with its reason; what cannot be known bounds nothing."""
    settings, headroom = master.settings, master.guard.headroom
    others = settings.cron_processes + settings.websocket_workers
    return [
        bounds.most(settings.workers_max if settings.automatic else None),
        bounds.plan(settings.plan),
        bounds.room(headroom.available, headroom.total, heaviest(master), len(HTTP.of(master.crew.all()))),
        bounds.connections(settings.database_connections, settings.connections_each, others),
    ]


def heaviest(master: Master) -> int:
    """The bytes of the HTTP worker that takes most, 0 where none is known."""
    known = (master.enforcer.memory(worker) for worker in HTTP.of(master.crew.all()))
    return max((memory for memory in known if memory), default=0)
