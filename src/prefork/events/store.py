"""The store, and the jobs that are kept in it."""

from __future__ import annotations

from dataclasses import dataclass

from prefork.events.event import Event


@dataclass(frozen=True, slots=True)
class DatabaseReady(Event):
    """The server's own database takes connections."""

    pid: int
    seconds: float
    wording = "The server's own database (pid {pid}) is ready after {seconds} s"


@dataclass(frozen=True, slots=True)
class DatabaseFailed(Event):
    """The server's own database could not be started, or died."""

    reason: str
    delay: float
    level = "error"
    wording = "The server's own database does not run: {reason}; it is started again in {delay} s"
