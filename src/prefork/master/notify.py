"""Tells systemd how the server is (sd_notify(3), Type=notify as systemd 252 has it): ready, reloading, stopping, alive.

It never blocks, never fails a start, and says nothing where nobody listens.
"""

from __future__ import annotations

import os
import socket
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

NEVER = float("inf")
EXTEND_EVERY, EXTENSION = 5.0, 20.0  # seconds: a start, reload or stop goes on for as long as it says so


class Notifier:
    """`interval`: seconds between two signs of life, NEVER where the unit has no watchdog."""

    def __init__(self, environ: Mapping[str, str], pid: int) -> None:
        self.address = address(environ.get("NOTIFY_SOCKET", ""))
        self.interval = interval(environ, pid)
        self.wire = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if self.address else None
        self.waiting: deque[bytes] = deque()
        self.status = ""
        self.stopped = False
        self.next_sign = self.next_extension = 0.0

    def ready(self, status: str) -> None:
        """The start or a reload has ended, the latter well or not."""
        self._change("READY=1", status)

    def reloading(self, status: str) -> None:
        """A reload has begun; `ready` ends it."""
        self._change(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}", status)

    def stopping(self, status: str) -> None:
        """A stop has begun: nothing is ready any more."""
        self._change("STOPPING=1", status)
        self.stopped = True

    def step(self, now: float, status: str, *, lasting: bool, alive: bool) -> None:
        """Say what is due: a new status, a sign of life if all that matters is `alive`, that what is `lasting` is no hang."""
        self._flush()
        if self.waiting:
            return
        if status != self.status:
            self._tell("", status)
        if lasting and now >= self.next_extension:
            self.next_extension = now + EXTEND_EVERY
            self._tell(f"EXTEND_TIMEOUT_USEC={EXTENSION * 1e6:.0f}")
        if alive and now >= self.next_sign:
            self.next_sign = now + self.interval
            if self.interval < NEVER:
                self._tell("WATCHDOG=1")

    def _change(self, said: str, status: str) -> None:
        if not self.stopped:
            self._tell(said, status)

    def _tell(self, said: str, status: str | None = None) -> None:
        if self.wire is None:
            return
        if status is not None:
            self.status = status
            said = f"{said}\nSTATUS={' '.join(status.split())}".lstrip()
        self.waiting.append(said.encode(errors="replace"))
        self._flush()

    def _flush(self) -> None:
        while self.waiting and self.wire:
            try:
                self.wire.sendto(self.waiting[0], socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL, self.address)
            except BlockingIOError:
                return  # systemd is busy: the next step tries again
            except OSError:
                pass  # nobody listens there, now or ever
            self.waiting.popleft()


def address(text: str) -> bytes:
    """The address of NOTIFY_SOCKET, where `@` begins an abstract name; empty for none, or one of another kind."""
    name = os.fsencode(text)
    if name.startswith(b"@"):
        return b"\0" + name[1:]
    return name if name.startswith(b"/") else b""


def interval(environ: Mapping[str, str], pid: int) -> float:
    """Half of the time that the watchdog allows, in seconds; WATCHDOG_PID may mean another process."""
    allowed = environ.get("WATCHDOG_USEC", "")
    meant = environ.get("WATCHDOG_PID", str(pid)) == str(pid)
    return int(allowed) / 2e6 if meant and allowed.isdecimal() and int(allowed) else NEVER
