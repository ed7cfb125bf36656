"""What workers report of their jobs, sessions, bus and connections, by name: the master only writes it down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefork.events import (
    BusReachable,
    BusUnreachable,
    JobDeactivated,
    JobsReachable,
    JobsUnreachable,
    RequestCancelled,
    RunLost,
    RunSuperseded,
    SessionStoreReachable,
    SessionStoreUnreachable,
    WebsocketEnded,
    WebsocketsMissing,
)

if TYPE_CHECKING:
    from prefork.events import Event

JOBS = (JobsUnreachable, JobsReachable, RunLost, RunSuperseded, JobDeactivated)
STORES = (SessionStoreUnreachable, SessionStoreReachable, BusUnreachable, BusReachable)
NEWS = {each.name(): each for each in (*JOBS, *STORES, RequestCancelled, WebsocketEnded, WebsocketsMissing)}


def event_of(worker: str, report: dict[str, Any]) -> Event | None:
    """The event that a worker reports; None where it is no news."""
    event = NEWS.get(report["kind"])
    if event is None:
        return None
    told = {"worker": worker, **report}
    return event(**{name: told[name] for name in event.fields})
