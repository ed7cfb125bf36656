"""The servers that a console runs itself, as it sees them come and go."""

from __future__ import annotations

from prefork.events.event import Event


class InstanceStarted(Event):
    """The console has started a server."""

    instance: str
    pid: int
    wording = "Instance {instance} was started, its master has the pid {pid}"


class InstanceFound(Event):
    """A server that an earlier console has started runs on, and is watched from now on."""

    instance: str
    pid: int
    wording = "Instance {instance} runs already, its master has the pid {pid}"


class InstanceDied(Event):
    """A server that the console runs has ended unasked. Systemd starts it again, or the console, which waits longer each time."""

    instance: str
    reason: str
    delay: float
    level = "error"
    wording = "Instance {instance} has ended, it is started again in {delay} s: {reason}"


class InstanceUnstarted(Event):
    """A server that the console runs could not be started. It is tried again; with each failure it waits longer."""

    instance: str
    reason: str
    delay: float
    level = "error"
    wording = "Instance {instance} cannot be started, it is tried again in {delay} s: {reason}"
