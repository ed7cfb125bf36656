"""The workers: their number, and the life and death of each."""

from __future__ import annotations

from prefork.events.event import Event


class Scaled(Event):
    """The wanted number of a pool's workers changed."""

    pool: str
    workers: int
    wording = "Workers wanted in pool {pool}: {workers}"


class ScaleRefused(Event):
    """TTIN asked for more workers than the plan allows."""

    pool: str
    workers: int
    reason: str
    level = "warning"
    wording = "Pool {pool} gets no {workers} workers: {reason}"


class Autoscaled(Event):
    """With `workers = auto` another number of workers is wanted."""

    pool: str
    before: int
    workers: int
    reason: str
    wording = "Workers wanted in pool {pool}: {workers}, before {before}, because {reason}"


class AutoscaleBound(Event):
    """With `workers = auto` requests wait, and there may be no more workers; said once a minute."""

    pool: str
    workers: int
    bound: str
    reason: str
    level = "warning"
    wording = "Requests wait, and pool {pool} may have no more than its {workers} workers, by {bound}: {reason}"


class WorkerReady(Event):
    """A worker can take requests, or look for jobs."""

    worker: str
    pid: int
    generation: int
    seconds: float
    wording = "Worker {worker} (pid {pid}) of generation {generation} is ready after {seconds} s"


class BootFailed(Event):
    """A worker could not get ready."""

    worker: str
    pid: int
    generation: int
    reason: str
    traceback: str | None
    level = "error"
    wording = "Worker {worker} (pid {pid}) of generation {generation} could not get ready: {reason}"


class CrashLoop(Event):
    """Workers die as soon as they are started: the next start waits."""

    failures: int
    delay: float
    traceback: str | None
    level = "critical"
    wording = "{failures} workers in a row died at their start; the next one is started in {delay} s. The first one said:"


class WorkerRetiring(Event):
    """A worker finishes what it does and leaves."""

    worker: str
    pid: int
    reason: str
    wording = "Worker {worker} (pid {pid}) retires: {reason}"


class WorkerExited(Event):
    """A retired worker has left."""

    worker: str
    pid: int
    level = "debug"
    wording = "Worker {worker} (pid {pid}) has left"


class WorkerDied(Event):
    """A worker ended without being asked to."""

    worker: str
    pid: int
    how: str
    level = "error"
    wording = "Worker {worker} (pid {pid}) died: {how}"


class WorkerStuck(Event):
    """A worker did not begin the request it was given; it is killed and another worker takes the request."""

    worker: str
    pid: int
    seconds: float
    level = "error"
    wording = "Worker {worker} (pid {pid}) has not begun its request within {seconds} s and is killed"


class StrangerReaped(Event):
    """A process that a worker left behind has ended."""

    pid: int
    how: str
    level = "debug"
    wording = "A process left behind by a worker (pid {pid}) ended: {how}"


class Stacks(Event):
    """What every thread of a worker was doing, because somebody asked (SIGQUIT)."""

    worker: str
    pid: int
    traceback: str | None
    wording = "Stacks of worker {worker} (pid {pid}):"
