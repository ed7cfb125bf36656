"""What workers use against what they may, and the incidents that are kept of their violent ends."""

from __future__ import annotations

from dataclasses import dataclass

from prefork.events.event import Event


@dataclass(frozen=True, slots=True)
class LimitReached(Event):
    """A worker has used more than it may. `odoo` is what Odoo's own server says of it."""

    odoo: str
    worker: str
    pid: int
    reason: str
    level = "warning"
    wording = "{odoo} Worker {worker} (pid {pid}): {reason}"


@dataclass(frozen=True, slots=True)
class FreshTooLarge(Event):
    """A worker is above a limit of memory from its start. So would be those in its place, and it is allowed half as much again."""

    worker: str
    pid: int
    bytes: int
    limit: str
    allowed: int
    level = "critical"
    wording = "Worker {worker} (pid {pid}) has {bytes} bytes from its start, {limit} allows {allowed}: it is too low"


@dataclass(frozen=True, slots=True)
class LimitTooLow(Event):
    """Workers reach their soft limit of memory soon after their start, one after the other."""

    limit: str
    count: int
    seconds: float
    allowed: int
    level = "critical"
    wording = (
        "Workers are constantly restarting, {limit} is too low: {count} in a row reached {allowed} bytes within {seconds} s of "
        "their start"
    )


@dataclass(frozen=True, slots=True)
class MemoryScarce(Event):
    """The machine, or the cgroup of the server, has hardly any memory left. Said once a minute."""

    available: int
    pressure: float
    consequence: str
    level = "warning"
    wording = (
        "Memory is scarce: {available} bytes are left, and processes waited for it in {pressure} % of the last 10 s: {consequence}"
    )


@dataclass(frozen=True, slots=True)
class IncidentRecorded(Event):
    """A worker ended violently; what is known of it has been kept."""

    incident: str
    pid: int
    how: str
    worker: str
    cause: str
    reason: str
    task: str
    level = "error"
    wording = "Worker (pid: {pid}) {how}. Incident {incident}, {cause} of {worker}: {reason}; it was doing {task}"


@dataclass(frozen=True, slots=True)
class IncidentLost(Event):
    """An incident could not be kept."""

    incident: str
    reason: str
    level = "error"
    wording = "Incident {incident} could not be written to data_dir: {reason}"
