"""Writes events to the log without ever blocking the process that emits them.

The log is written through a description of its own in non-blocking mode; what it does not take waits in a bounded buffer, and
lines beyond that are dropped and counted. Neither master nor dispatcher may use `logging` or `print`.
"""

from __future__ import annotations

import json
import os
import select
import socket
import stat
import time
from collections import deque

from prefork.events import LEVELS, Access, Event, LinesDropped

BUFFER = 4 << 20  # bytes that may wait for a log that does not take them


class Sink:
    """Where lines go: an open descriptor, such as standard error or a log file, through a description of our own."""

    def __init__(self, descriptor: int) -> None:
        self.waiting: deque[bytes] = deque()
        self.waiting_bytes = 0
        self.dropped = 0
        self.descriptor = -1
        self.replace(descriptor, keep=True)

    def replace(self, descriptor: int, *, keep: bool = False) -> None:
        """Write to another descriptor from now on, after a rotation; it is closed unless told to `keep` it."""
        mode = os.fstat(descriptor).st_mode
        self.is_socket = stat.S_ISSOCK(mode)  # journald: cannot be opened again, but takes MSG_DONTWAIT
        # A pipe takes up to PIPE_BUF bytes whole or not at all: lines of several processes do not mix.
        self.block = select.PIPE_BUF if stat.S_ISFIFO(mode) else 1 << 20
        self.shared = False
        # Whoever started us with a file may write to it after us, at the position that we share: no description of our own then.
        own = os.dup(descriptor) if stat.S_ISREG(mode) else self._reopened(descriptor)
        if not keep:
            os.dup2(descriptor, 2)  # whatever the interpreter itself has to say goes there too
            os.close(descriptor)
        if self.descriptor >= 0:
            os.close(self.descriptor)
        self.descriptor = own

    def _reopened(self, descriptor: int) -> int:
        """A description of our own, in non-blocking mode; where that cannot be had, the one there is, blocking."""
        try:
            return os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:  # a socket, or a pipe that belongs to somebody else
            self.shared, self.block = True, select.PIPE_BUF
            return os.dup(descriptor)

    def write(self, line: bytes) -> None:
        """Keep `line` for `flush`, or drop it when `BUFFER` is full."""
        if self.waiting_bytes + len(line) > BUFFER:
            self.dropped += 1
            return
        self.waiting.append(line)
        self.waiting_bytes += len(line)

    def flush(self) -> None:
        """Hand what waits to the kernel, as far as it takes it now."""
        while self.waiting:
            block = self._next_block()
            try:
                taken = self._send(block)
            except OSError:  # full (EAGAIN), disk full (ENOSPC), reader gone (EPIPE)
                taken = 0
            self.waiting_bytes -= taken
            if taken < len(block):
                self.waiting.appendleft(block[taken:])
            if not taken:
                return

    def _next_block(self) -> bytes:
        lines = [self.waiting.popleft()]
        size = len(lines[0])
        while self.waiting and size + len(self.waiting[0]) <= self.block:
            lines.append(self.waiting.popleft())
            size += len(lines[-1])
        return b"".join(lines)

    def _send(self, block: bytes) -> int:
        if not self.is_socket:
            if self.shared and not self._ready():
                return 0
            return os.write(self.descriptor, block[: self.block] if self.shared else block)  # a writable pipe takes PIPE_BUF
        with socket.socket(fileno=os.dup(self.descriptor)) as journal:
            return journal.send(block, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)

    def _ready(self) -> bool:
        poll = select.poll()
        poll.register(self.descriptor, select.POLLOUT)
        return bool(poll.poll(0))


class Journal:
    """Turns events into lines of one format and level."""

    def __init__(self, sink: Sink, *, level: str, as_json: bool, logger: str) -> None:
        self.sink = sink
        self.lowest = LEVELS[level]
        self.as_json = as_json
        self.logger = logger
        self.pid = os.getpid()
        self.second = 0
        self.stamp = ""

    def emit(self, event: Event) -> None:
        """Write one event and everything that waits."""
        self.note(event)
        self.flush()

    def note(self, event: Event) -> None:
        """Write one event with the next `flush`: for lines that come many at a time."""
        if LEVELS[event.level] >= self.lowest:
            self.sink.write(self._line(event))

    def flush(self) -> None:
        """Hand waiting lines to the kernel, and say how many had to be dropped."""
        self.sink.flush()
        if self.sink.dropped and not self.sink.waiting:
            count, self.sink.dropped = self.sink.dropped, 0
            self.emit(LinesDropped(count))

    def _line(self, event: Event) -> bytes:
        now = time.time()
        if int(now) != self.second:
            self.second = int(now)
            self.stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.second))
        milliseconds = int(now * 1000) % 1000
        if self.as_json:
            line: dict[str, object] = {
                "time": f"{self.stamp}.{milliseconds:03d}".replace(" ", "T"),
                "pid": self.pid,
                "level": event.level,
                "event": event.name(),
                **event.values(),
                "message": event.sentence(),
            }
            return json.dumps(line).encode() + b"\n"
        if type(event) is Access:
            return access_line(f"{self.stamp},{milliseconds:03d} {self.pid}", event)
        # Control characters in client-made text (a target, a header) must not forge lines or drive a terminal.
        text = "".join(c if c.isprintable() or c in "\n\t" else f"\\x{ord(c):02x}" for c in event.sentence())
        return f"{self.stamp},{milliseconds:03d} {self.pid} {event.level.upper()} {self.logger}: {text}\n".encode()


def access_line(prefix: str, event: Access) -> bytes:
    """An access line as text, times in milliseconds. Requests are many: no generic formatting here."""
    target = event.target if event.target.isprintable() else ascii(event.target)[1:-1]
    if '"' in target:
        target = target.replace('"', "\\x22")  # the quotes around the request are ours
    return (
        f'{prefix} INFO prefork.access: {event.client} "{event.method} {target}" {event.status} {event.bytes} '
        f"wait={event.wait * 1e3:.1f}ms service={event.service * 1e3:.1f}ms cpu={event.cpu * 1e3:.1f}ms {event.worker}\n"
    ).encode()
