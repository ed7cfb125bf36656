"""Writes events to the log without ever blocking the process that emits them.

The log is written through a description of its own in non-blocking mode; what it does not take waits in a bounded buffer, and
lines beyond that are dropped and counted. Neither master nor dispatcher may use `logging` or `print`.
"""

from __future__ import annotations

import os
import select
import socket
import stat
import time
from collections import deque
from typing import TYPE_CHECKING

from prefork.events import LEVELS, Access, LinesDropped
from prefork.kernel import is_journald
from prefork.lines import Lines

if TYPE_CHECKING:
    from prefork.events import Event

BUFFER = 4 << 20  # bytes that may wait for a log that does not take them
MANY = 100  # lines that are worth a write of their own
BLOCK = 16384  # bytes that are


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
            for standard in (1, 2):  # whatever the interpreter itself has to say goes there too, and the old file is let go
                os.dup2(descriptor, standard)
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

    def write(self, line: bytes, lines: int = 1) -> None:
        """Keep `line` for `flush`, or drop it when `BUFFER` is full. It may be several `lines`, in one piece."""
        if self.waiting_bytes + len(line) > BUFFER:
            self.dropped += lines
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
    """Writes events of a level and above to a sink; `as_json`, `logger` and `access` are those of `Lines`.

    `writes_own`: access lines are wanted, and are those of `lines.told`.
    """

    def __init__(self, sink: Sink, *, level: str, as_json: bool, logger: str, access: str = "prefork") -> None:
        self.sink = sink
        self.lowest = LEVELS[level]
        self.noted: deque[tuple[Event, float]] = deque()  # with their times, in seconds since 1970
        self.lines = Lines(as_json=as_json, logger=logger, access=access, journald=is_journald(sink.descriptor))
        self.writes_own = self.lines.own and self.lowest <= LEVELS[Access.level]

    def emit(self, event: Event) -> None:
        """Write one event and everything that waits."""
        self.note(event)
        self.flush()

    def note(self, event: Event, at: float | None = None) -> None:
        """Write one event, of now or of then, with the next `flush`: for lines that come many at a time.

        Its line is made then as well. One by one in a process that sleeps between them, each would find its code anew in memory.
        """
        if LEVELS[event.level] >= self.lowest:
            self.noted.append((event, time.time() if at is None else at))

    @property
    def due(self) -> bool:
        """Whether so much waits for a `flush` that it had better come at once."""
        return len(self.noted) >= MANY or self.sink.waiting_bytes > BLOCK

    def answered(self, words: str, at: float | None = None) -> None:
        """Write the words of `lines.told` with the next `flush`, where `writes_own`: no event is made of what comes so often."""
        self.told(self.lines.answered(words, at))

    def told(self, block: bytes, lines: int = 1) -> None:
        """Write such lines, which are finished."""
        if self.noted:
            self._write_noted()  # they were before
        self.sink.write(block, lines)

    def flush(self) -> None:
        """Hand waiting lines to the kernel, and say how many had to be dropped."""
        self._write_noted()
        self.sink.flush()
        if self.sink.dropped and not self.sink.waiting:
            count, self.sink.dropped = self.sink.dropped, 0
            self.emit(LinesDropped(count))

    def _write_noted(self) -> None:
        while self.noted:
            self.sink.write(self.lines.of(*self.noted.popleft()))
