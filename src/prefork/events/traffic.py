"""The dispatcher, and the requests of its clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.events.event import Event


class DispatcherDied(Event):
    """The dispatcher ended without being asked to; it and the workers are started again."""

    pid: int
    how: str
    level = "critical"
    wording = "Dispatcher (pid {pid}) died: {how}; it is started again, open connections are lost"


class DispatcherStuck(Event):
    """The dispatcher's loop does not turn any more; the dispatcher is killed."""

    pid: int
    seconds: float
    level = "critical"
    wording = "Dispatcher (pid {pid}) has not looked after anything for {seconds} s and is killed"


class FaultContained(Event):
    """A fault of ours, contained: one connection is closed, the server goes on. Please report it."""

    where: str
    traceback: str | None
    level = "error"
    wording = "A fault in {where} was contained; please report it with these lines"


class AcceptPaused(Event):
    """No descriptor is left for another connection."""

    reason: str
    connections: int
    level = "error"
    wording = "New connections wait in the kernel: {reason} ({connections} are open)"


class HandoverPaused(Event):
    """The kernel could hand no request to a worker. Said once a minute at the most."""

    reason: str
    level = "error"
    wording = "Requests wait, because the kernel hands none to a worker: {reason}; it is tried again"


class QueueFull(Event):
    """A lane's queue of waiting requests reached its limit; further ones get 503. Said once a minute for each lane at the most."""

    lane: str
    length: int
    level = "warning"
    wording = "The queue of lane {lane} is full with {length} waiting requests: its workers are busy, further requests get 503"


class SpoolFull(Event):
    """A large body could not be kept; its request got 507. Said once a minute at the most."""

    reason: str
    level = "critical"
    wording = "There is no room for large bodies in data_dir: {reason}; requests that bring one get 507"


class RequestRefused(Event):
    """The dispatcher answered a request itself because it was not acceptable."""

    client: str
    status: int
    request_id: str
    reason: str
    wording = "Refused a request ({request_id}) from {client} with {status}: {reason}"


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


class RequestCancelled(Event):
    """A request on an event loop has taken longer than it may: its task was told to end. The traceback is where it stood."""

    worker: str
    pid: int
    method: str
    target: str
    seconds: float
    request_id: str
    traceback: str
    level = "warning"
    wording = "{method} {target} ({request_id}) is cancelled in worker {worker} (pid {pid}) after {seconds} s (limit_time_real)"


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


class Access(Event):
    """One answered request. `wait`, `service`, `cpu` and `sql` in seconds; `worker` is `-` where the dispatcher answered.

    `trace` is the id in the request's `traceparent` header.
    """

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
    queries: int = 0
    sql: float = 0.0
    tag: str = ""
    trace: str = ""
    wording = (
        '{client} "{method} {target}" {status} {bytes} wait={wait} service={service} cpu={cpu} {worker} {request_id} '
        "sql={queries}/{sql} trace={trace} [{tag}]"
    )

    if not TYPE_CHECKING:  # who checks types has what the fields say

        def __init__(self, **said: object) -> None:
            """There is one for each request: nobody looks whether a field is missing, or there is none of a name."""
            self.__dict__ = said


class WebsocketEnded(Event):
    """A connection of a websocket worker was ended or turned away for what its client did.

    `code` is that of the close frame, or the status where there was no WebSocket yet. `others` counts those that ended like this
    before and were not told of, because twenty a second are enough.
    """

    worker: str
    client: str
    request_id: str
    code: int
    reason: str
    others: int
    wording = "Worker {worker} ended the connection of {client} ({request_id}) with {code}: {reason}; not told of before: {others}"


class WebsocketsMissing(Event):
    """The application's interpreter has no use for the framing library: handshakes get 503, long polls are answered."""

    worker: str
    reason: str
    level = "error"
    wording = "Worker {worker} cannot serve WebSockets: {reason}"


class PortUnheard(Event):
    """Nobody listens at the default of `websocket_port`. WebSockets are served at `http_port` all the same."""

    reason: str
    level = "warning"
    wording = "WebSockets have no port of their own: {reason}"
