"""The databases: the server's own, and those elsewhere that sessions and the bus are kept in."""

from __future__ import annotations

from prefork.events.event import Event


class DatabaseReady(Event):
    """The server's own database takes connections."""

    pid: int
    seconds: float
    wording = "The server's own database (pid {pid}) is ready after {seconds} s"


class DatabaseFailed(Event):
    """The server's own database could not be started, or died."""

    reason: str
    delay: float
    level = "error"
    wording = "The server's own database does not run: {reason}; it is started again in {delay} s"


class SessionStoreUnreachable(Event):
    """A worker cannot use what sessions are kept in: requests that need theirs get 503. It is tried again; said once."""

    worker: str
    pid: int
    store: str
    reason: str
    level = "error"
    wording = "Worker {worker} (pid {pid}) cannot use sessions, which are in {store}: {reason}"


class SessionStoreReachable(Event):
    """A worker can use sessions again."""

    worker: str
    pid: int
    store: str
    seconds: float
    wording = "Worker {worker} (pid {pid}) can use sessions again, which are in {store}, after {seconds} s"


class BusUnreachable(Event):
    """A worker cannot read the bus: who listens there hears nothing, and hears it all when it is back. Said once."""

    worker: str
    pid: int
    reason: str
    level = "error"
    wording = "Worker {worker} (pid {pid}) cannot read the bus and tries again until it can: {reason}"


class BusReachable(Event):
    """A worker reads the bus again; nothing was lost."""

    worker: str
    pid: int
    seconds: float
    wording = "Worker {worker} (pid {pid}) reads the bus again, after {seconds} s"
