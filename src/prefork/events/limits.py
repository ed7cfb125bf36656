"""What workers use against what they may, and the incidents that are kept of their violent ends."""

from __future__ import annotations

from prefork.events.event import Event


class LimitReached(Event):
    """A worker has used more than it may. `odoo` is what Odoo's own server says of it."""

    odoo: str
    worker: str
    pid: int
    reason: str
    level = "warning"
    wording = "{odoo} Worker {worker} (pid {pid}): {reason}"


class FreshTooLarge(Event):
    """A worker is above a limit of memory from its start. So would be those in its place, and it is allowed half as much again."""

    worker: str
    pid: int
    bytes: int
    limit: str
    allowed: int
    level = "critical"
    wording = "Worker {worker} (pid {pid}) has {bytes} bytes from its start, {limit} allows {allowed}: it is too low"


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


class MemoryScarce(Event):
    """The machine, or the cgroup of the server, has hardly any memory left. Said once a minute."""

    available: int
    pressure: float
    consequence: str
    level = "warning"
    wording = (
        "Memory is scarce: {available} bytes are left, and processes waited for it in {pressure} % of the last 10 s: {consequence}"
    )


class FuseReady(Event):
    """Each worker gets a control group whose memory the kernel bounds (option `cgroup`), of version 1 or 2."""

    path: str
    version: int
    wording = "Workers get a fuse at 1.25 × limit_memory_hard each: control groups of version {version} below {path}"


class NoFuse(Event):
    """Workers get no control groups of their own; limits of memory hold all the same."""

    reason: str
    wording = "Workers have no fuse of the kernel's beside limit_memory_hard: {reason}"


class FuseFailed(Event):
    """Workers, or some of them, are without the control group that was asked for, or that there should have been. Said once."""

    reason: str
    level = "warning"
    wording = "Workers run without the kernel's fuse, limit_memory_hard alone bounds them: {reason}"


class SpyFailed(Event):
    """py-spy, which is installed, could not read the stacks of a worker that wrote none itself. Said once."""

    worker: str
    pid: int
    reason: str
    level = "warning"
    wording = "py-spy could not read the stacks of worker {worker} (pid {pid}): {reason}"


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


class LoadingRecorded(Event):
    """The code could not be loaded, at a start or by a reload; what is known of it has been kept."""

    incident: str
    generation: int
    wording = "Incident {incident} tells why generation {generation} could not be loaded"


class IncidentLost(Event):
    """An incident could not be kept."""

    incident: str
    reason: str
    level = "error"
    wording = "Incident {incident} could not be written to data_dir: {reason}"
