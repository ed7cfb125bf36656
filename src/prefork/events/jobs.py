"""Scheduled jobs, and what the workers have them from."""

from __future__ import annotations

from prefork.events.event import Event


class JobsUnreachable(Event):
    """A cron worker cannot reach what it has its jobs from, such as a database. It waits and tries again; said once."""

    worker: str
    pid: int
    reason: str
    traceback: str | None
    level = "error"
    wording = "Worker {worker} (pid {pid}) gets no jobs and tries again until it does: {reason}"


class JobsReachable(Event):
    """A cron worker gets its jobs again."""

    worker: str
    pid: int
    seconds: float
    wording = "Worker {worker} (pid {pid}) gets its jobs again, after {seconds} s"


class RunLost(Event):
    """A run's worker died, or did not renew its lease; others may have the run."""

    job: str
    run: int
    attempt: int
    worker: str
    level = "warning"
    wording = "Run {run} of {job}, attempt {attempt}, was lost with worker {worker}"


class RunSuperseded(Event):
    """A run ended after its worker had lost it; what it did may have been done twice."""

    job: str
    run: int
    attempt: int
    level = "warning"
    wording = "Run {run} of {job} ended its attempt {attempt} when it was no longer its own: the work may have been done twice"


class JobDeactivated(Event):
    """A job is not run any more until somebody resumes it: it keeps failing, or its schedule cannot be read."""

    job: str
    reason: str
    level = "error"
    wording = "Job {job} is deactivated: {reason}"
