"""Everything the server says about itself: each event once, with its fields, level and wording.

Code emits values (`journal.emit(WorkerReady(...))`), never sentences. The log, the tests and the documentation (`catalogue.py`)
read the same declarations. This room imports no other and writes no log.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from functools import cache
from typing import ClassVar, Literal

Level = Literal["debug", "info", "warning", "error", "critical"]
LEVELS: dict[str, int] = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. Subclasses declare `level` and `wording`, a format string over their fields."""

    level: ClassVar[Level] = "info"
    wording: ClassVar[str] = ""

    @classmethod
    @cache  # every line of a JSON log asks
    def name(cls) -> str:
        """The event's name in JSON logs, tests and documentation: `WorkerReady` is `worker_ready`."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    def values(self) -> dict[str, object]:
        """The fields by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def sentence(self) -> str:
        """The event in words, without a full stop; a traceback follows on lines of its own."""
        text = self.wording.format(**{name: worded(value) for name, value in self.values().items()})
        traceback = getattr(self, "traceback", None)
        return f"{text}\n{traceback.rstrip()}" if traceback else text


def worded(value: object) -> object:
    """A field's value as people read it: lists joined, seconds rounded to milliseconds."""
    if isinstance(value, (tuple, list)):
        return ", ".join(str(item) for item in value)
    return round(value, 3) if isinstance(value, float) else value


@dataclass(frozen=True, slots=True)
class Starting(Event):
    """The master has read its settings and begins."""

    version: str
    app: str
    wording = "Prefork {version} starts {app}"


@dataclass(frozen=True, slots=True)
class ThreadedMode(Event):
    """One process serves all requests in threads (`workers = 0`). `in_vain` are limits that it cannot enforce."""

    threads: int
    in_vain: tuple[str, ...]
    level = "warning"
    wording = (
        "Threaded mode is for development: {threads} threads share one process and its interpreter lock, so a request that "
        "computes holds up all others, and one that crashes ends them. Limits without effect: {in_vain}"
    )


@dataclass(frozen=True, slots=True)
class Listening(Event):
    """A listening socket is open."""

    address: str
    wording = "Listening on {address}"


@dataclass(frozen=True, slots=True)
class SocketPassed(Event):
    """A listening socket was passed by systemd and is used; no address of the configuration is opened."""

    address: str
    descriptor_name: str
    wording = 'Listening on {address}, passed by systemd ("{descriptor_name}"): http_interface is not used'


@dataclass(frozen=True, slots=True)
class TemplateLoaded(Event):
    """The template has imported the application and can fork workers."""

    generation: int
    seconds: float
    preloaded: bool
    wording = "Template of generation {generation} is ready after {seconds} s (application preloaded: {preloaded})"


@dataclass(frozen=True, slots=True)
class TemplateFailed(Event):
    """The application could not be imported, or its interpreter could not be started."""

    generation: int
    reason: str
    traceback: str | None
    level = "error"
    wording = "Template of generation {generation} failed: {reason}"


@dataclass(frozen=True, slots=True)
class PreloadUnsafe(Event):
    """Importing the application started threads or opened connections, which a fork would break."""

    generation: int
    threads: tuple[str, ...]
    sockets: tuple[str, ...]
    fallback: str
    level = "warning"
    wording = "The import left threads [{threads}] and connections [{sockets}], which do not survive a fork: {fallback}"


@dataclass(frozen=True, slots=True)
class WorkerReady(Event):
    """A worker can take requests."""

    worker: str
    pid: int
    generation: int
    seconds: float
    wording = "Worker {worker} (pid {pid}) of generation {generation} is ready after {seconds} s"


@dataclass(frozen=True, slots=True)
class BootFailed(Event):
    """A worker could not get ready."""

    worker: str
    pid: int
    generation: int
    reason: str
    traceback: str | None
    level = "error"
    wording = "Worker {worker} (pid {pid}) of generation {generation} could not get ready: {reason}"


@dataclass(frozen=True, slots=True)
class WorkerRetiring(Event):
    """A worker finishes what it does and leaves."""

    worker: str
    pid: int
    reason: str
    wording = "Worker {worker} (pid {pid}) retires: {reason}"


@dataclass(frozen=True, slots=True)
class WorkerExited(Event):
    """A retired worker has left."""

    worker: str
    pid: int
    level = "debug"
    wording = "Worker {worker} (pid {pid}) has left"


@dataclass(frozen=True, slots=True)
class WorkerDied(Event):
    """A worker ended without being asked to."""

    worker: str
    pid: int
    how: str
    level = "error"
    wording = "Worker {worker} (pid {pid}) died: {how}"


@dataclass(frozen=True, slots=True)
class WorkerStuck(Event):
    """A worker did not begin the request it was given; it is killed and another worker takes the request."""

    worker: str
    pid: int
    seconds: float
    level = "error"
    wording = "Worker {worker} (pid {pid}) has not begun its request within {seconds} s and is killed"


@dataclass(frozen=True, slots=True)
class CrashLoop(Event):
    """Workers die as soon as they are started: the next start waits."""

    failures: int
    delay: float
    traceback: str | None
    level = "critical"
    wording = "{failures} workers in a row died at their start; the next one is started in {delay} s. The first one said:"


@dataclass(frozen=True, slots=True)
class ServerReady(Event):
    """All wanted workers were ready for the first time."""

    seconds: float
    workers: int
    wording = "Server is ready after {seconds} s, workers: {workers}"


@dataclass(frozen=True, slots=True)
class NeverReady(Event):
    """The server gives up: nothing ever became ready."""

    reason: str
    level = "critical"
    wording = "Nothing became ready, the server stops: {reason}"


@dataclass(frozen=True, slots=True)
class ReloadStarted(Event):
    """A reload began."""

    generation: int
    wording = "Reload: generation {generation} is loaded beside the one that serves"


@dataclass(frozen=True, slots=True)
class ReloadDone(Event):
    """All workers are of the new generation."""

    generation: int
    seconds: float
    wording = "Reload: generation {generation} serves, {seconds} s after the request to reload"


@dataclass(frozen=True, slots=True)
class ReloadFailed(Event):
    """The new code or settings were refused; the old ones go on serving."""

    generation: int
    reason: str
    traceback: str | None
    level = "error"
    wording = "Reload failed, generation {generation} goes on serving: {reason}"


@dataclass(frozen=True, slots=True)
class RestartNeeded(Event):
    """Changed options that a reload cannot apply."""

    options: tuple[str, ...]
    level = "warning"
    wording = "Changed in the configuration, but applied at the next start only: {options}"


@dataclass(frozen=True, slots=True)
class Scaled(Event):
    """The wanted number of HTTP workers changed."""

    workers: int
    wording = "HTTP workers wanted: {workers}"


@dataclass(frozen=True, slots=True)
class Watching(Event):
    """From now on changes of the application's files are noticed (option `dev`)."""

    files: int
    directory: str
    wording = "Watching {directory} for changes, files: {files}"


@dataclass(frozen=True, slots=True)
class FilesChanged(Event):
    """Files of the application, or the configuration file, have changed (option `dev`): a reload follows."""

    files: tuple[str, ...]
    wording = "Changed: {files}"


@dataclass(frozen=True, slots=True)
class ChangeAwaited(Event):
    """The first loading failed (option `dev`): the server goes on, and loads the code again when a file changes."""

    directory: str
    wording = "Nothing serves yet: waiting for a change in {directory}"


@dataclass(frozen=True, slots=True)
class WatcherFailed(Event):
    """Changes of files are not noticed (option `dev`) until the watcher works again."""

    reason: str
    delay: float
    level = "warning"
    wording = "Changes are not noticed, it is tried again in {delay} s: {reason}"


@dataclass(frozen=True, slots=True)
class DispatcherDied(Event):
    """The dispatcher ended without being asked to; it and the workers are started again."""

    pid: int
    how: str
    level = "critical"
    wording = "Dispatcher (pid {pid}) died: {how}; it is started again, open connections are lost"


@dataclass(frozen=True, slots=True)
class DispatcherStuck(Event):
    """The dispatcher's loop does not turn any more; the dispatcher is killed."""

    pid: int
    seconds: float
    level = "critical"
    wording = "Dispatcher (pid {pid}) has not looked after anything for {seconds} s and is killed"


@dataclass(frozen=True, slots=True)
class StrangerReaped(Event):
    """A process that a worker left behind has ended."""

    pid: int
    how: str
    level = "debug"
    wording = "A process left behind by a worker (pid {pid}) ended: {how}"


@dataclass(frozen=True, slots=True)
class ControlUnavailable(Event):
    """The control socket could not be made; the server runs without it."""

    path: str
    reason: str
    level = "warning"
    wording = "No control socket at {path}: {reason}; status, reload, scale and stop work by signals only"


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
    request: str
    level = "error"
    wording = "Worker (pid: {pid}) {how}. Incident {incident}, {cause} of {worker}: {reason}; it was doing {request}"


@dataclass(frozen=True, slots=True)
class IncidentLost(Event):
    """An incident could not be kept."""

    incident: str
    reason: str
    level = "error"
    wording = "Incident {incident} could not be written to data_dir: {reason}"


@dataclass(frozen=True, slots=True)
class Stacks(Event):
    """What every thread of a worker was doing, because somebody asked (SIGQUIT)."""

    worker: str
    pid: int
    traceback: str | None
    wording = "Stacks of worker {worker} (pid {pid}):"


@dataclass(frozen=True, slots=True)
class Stopping(Event):
    """A graceful stop began."""

    cause: str
    wording = "Stopping gracefully: {cause}"


@dataclass(frozen=True, slots=True)
class Interrupted(Event):
    """A stop that waits for no request began: Ctrl-C in threaded mode."""

    cause: str
    wording = "Stopping at once: {cause}"


@dataclass(frozen=True, slots=True)
class StopForced(Event):
    """Something had to be killed for the stop to end."""

    reason: str
    level = "warning"
    wording = "Stopping forcefully: {reason}"


@dataclass(frozen=True, slots=True)
class StopIncomplete(Event):
    """Processes survived SIGKILL: the kernel holds them until a disk answers. The master leaves without them."""

    pids: str
    level = "error"
    wording = "Left behind: {pids}; the kernel does not end a process that waits for a disk which does not answer"


@dataclass(frozen=True, slots=True)
class Stopped(Event):
    """The last line of a server's life."""

    seconds: float
    wording = "Stopped after {seconds} s"


@dataclass(frozen=True, slots=True)
class RequestRetried(Event):
    """The worker of a request died; another worker takes the request."""

    method: str
    target: str
    worker: str
    attempt: int
    request_id: str
    reason: str
    level = "warning"
    wording = "{method} {target} ({request_id}) goes to another worker, attempt {attempt}: {worker} died ({reason})"


@dataclass(frozen=True, slots=True)
class RequestFailed(Event):
    """A request got no answer from the application."""

    method: str
    target: str
    status: int
    worker: str
    request_id: str
    reason: str
    level = "error"
    wording = "{method} {target} ({request_id}) failed with {status}, worker {worker}: {reason}"


@dataclass(frozen=True, slots=True)
class RequestRefused(Event):
    """The dispatcher answered a request itself because it was not acceptable."""

    client: str
    status: int
    request_id: str
    reason: str
    wording = "Refused a request ({request_id}) from {client} with {status}: {reason}"


@dataclass(frozen=True, slots=True)
class QueueFull(Event):
    """A lane's queue of waiting requests reached its limit; further ones get 503. Said once a minute for each lane at the most."""

    lane: str
    length: int
    level = "warning"
    wording = "The queue of lane {lane} is full with {length} waiting requests: its workers are busy, further requests get 503"


@dataclass(frozen=True, slots=True)
class SpoolFull(Event):
    """A large body could not be kept; its request got 507. Said once a minute at the most."""

    reason: str
    level = "critical"
    wording = "There is no room for large bodies in data_dir: {reason}; requests that bring one get 507"


@dataclass(frozen=True, slots=True)
class AcceptPaused(Event):
    """No descriptor is left for another connection."""

    reason: str
    connections: int
    level = "error"
    wording = "New connections wait in the kernel: {reason} ({connections} are open)"


@dataclass(frozen=True, slots=True)
class FaultContained(Event):
    """A fault of ours, contained: one connection is closed, the server goes on. Please report it."""

    where: str
    traceback: str | None
    level = "error"
    wording = "A fault in {where} was contained; please report it with these lines"


@dataclass(frozen=True, slots=True)
class RotationFailed(Event):
    """The log file could not be opened again after its rotation (SIGUSR1)."""

    path: str
    reason: str
    level = "error"
    wording = "The log file {path} cannot be opened again: {reason}; the old one is written on until the next USR1"


@dataclass(frozen=True, slots=True)
class LinesDropped(Event):
    """The log could not be written fast enough."""

    count: int
    level = "error"
    wording = "{count} log lines were dropped because the log could not be written"


@dataclass(frozen=True, slots=True)
class Access(Event):
    """One answered request. `wait`, `service` and `cpu` in seconds; `worker` is `-` where the dispatcher answered."""

    client: str
    method: str
    target: str
    protocol: str
    status: int
    bytes: int
    wait: float
    service: float
    cpu: float
    worker: str
    request_id: str
    referer: str
    user_agent: str
    wording = '{client} "{method} {target}" {status} {bytes} wait={wait} service={service} cpu={cpu} {worker} {request_id}'


CATALOGUE: tuple[type[Event], ...] = tuple(
    declared
    for declared in list(globals().values())
    if isinstance(declared, type) and issubclass(declared, Event) and declared is not Event
)
