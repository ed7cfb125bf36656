"""The life of the server: its start, its listening sockets, its stop, its own log."""

from __future__ import annotations

from prefork.events.event import Event


class Starting(Event):
    """The master has read its settings and begins."""

    version: str
    app: str
    wording = "Prefork {version} starts {app}"


class ThreadedMode(Event):
    """One process serves all requests in threads (`workers = 0`). `in_vain` are limits that it cannot enforce."""

    threads: int
    in_vain: tuple[str, ...]
    level = "warning"
    wording = (
        "Threaded mode is for development: {threads} threads share one process and its interpreter lock, so a request that "
        "computes holds up all others, and one that crashes ends them. Limits without effect: {in_vain}"
    )


class Listening(Event):
    """A listening socket is open."""

    address: str
    wording = "Listening on {address}"


class SocketPassed(Event):
    """A listening socket was passed by systemd and is used; no address of the configuration is opened."""

    address: str
    descriptor_name: str
    wording = 'Listening on {address}, passed by systemd ("{descriptor_name}"): http_interface is not used'


class ControlUnavailable(Event):
    """The control socket could not be made; the server runs without it."""

    path: str
    reason: str
    level = "warning"
    wording = "No control socket at {path}: {reason}; status, reload, scale and stop work by signals only"


class ConsoleUnavailable(Event):
    """The console does not run, and is not tried again; the server runs without it."""

    reason: str
    level = "warning"
    wording = "There is no console: {reason}"


class ConsoleFailed(Event):
    """The console cannot start as things are. It is tried again, at least every minute, and this is not said again."""

    reason: str
    level = "warning"
    wording = "The console cannot start, it is tried again until it can: {reason}"


class ConsoleReady(Event):
    """The console answers."""

    address: str
    wording = "The console is at {address}"


class ConsoleDied(Event):
    """The console's process has ended, and is started again; nothing else notices."""

    reason: str
    delay: float
    level = "warning"
    wording = "The console has ended, it is tried again in {delay} s: {reason}"


class AdministratorMade(Event):
    """The console has made its first account. The password is said here, once, and kept nowhere."""

    user: str
    password: str
    level = "warning"
    wording = "The console's first account is {user} with the password {password}; log in and choose another"


class ServerReady(Event):
    """All wanted workers were ready for the first time."""

    seconds: float
    workers: int
    wording = "Server is ready after {seconds} s, workers: {workers}"


class NeverReady(Event):
    """The server gives up: nothing ever became ready."""

    reason: str
    level = "critical"
    wording = "Nothing became ready, the server stops: {reason}"


class Stopping(Event):
    """A graceful stop began."""

    cause: str
    wording = "Stopping gracefully: {cause}"


class Interrupted(Event):
    """A stop that waits for no request began: Ctrl-C in threaded mode."""

    cause: str
    wording = "Stopping at once: {cause}"


class StopForced(Event):
    """Something had to be killed for the stop to end."""

    reason: str
    level = "warning"
    wording = "Stopping forcefully: {reason}"


class StopIncomplete(Event):
    """Processes survived SIGKILL: the kernel holds them until a disk answers. The master leaves without them."""

    pids: str
    level = "error"
    wording = "Left behind: {pids}; the kernel does not end a process that waits for a disk which does not answer"


class Stopped(Event):
    """The last line of a server's life."""

    seconds: float
    wording = "Stopped after {seconds} s"


class RotationFailed(Event):
    """The log file could not be opened again after its rotation (SIGUSR1)."""

    path: str
    reason: str
    level = "error"
    wording = "The log file {path} cannot be opened again: {reason}; the old one is written on until the next USR1"


class LinesDropped(Event):
    """The log could not be written fast enough."""

    count: int
    level = "error"
    wording = "{count} log lines were dropped because the log could not be written"
