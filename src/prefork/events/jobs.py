"""Scheduled jobs, and what the workers have them from."""

from __future__ import annotations

from dataclasses import dataclass

from prefork.events.event import Event


@dataclass(frozen=True, slots=True)
class JobsUnreachable(Event):
    """A cron worker cannot reach what it has its jobs from, such as a database. It waits and tries again; said once."""

    worker: str
    pid: int
    reason: str
    traceback: str | None
    level = "error"
    wording = "Worker {worker} (pid {pid}) gets no jobs and tries again until it does: {reason}"


@dataclass(frozen=True, slots=True)
class JobsReachable(Event):
    """A cron worker gets its jobs again."""

    worker: str
    pid: int
    seconds: float
    wording = "Worker {worker} (pid {pid}) gets its jobs again, after {seconds} s"
