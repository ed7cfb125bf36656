"""A server's master as somebody who is not its parent knows it: a pid, and when that began, which no other process shares."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import NamedTuple

from prefork.meters import Gone, began


class Process(NamedTuple):
    """A process that was there once. `began` counts the kernel's ticks since the machine's start."""

    pid: int
    began: int

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """The one with this pid; None where there is none."""
        try:
            return cls(pid, began(pid))
        except (Gone, IndexError):
            return None

    def lives(self) -> bool:
        """Whether it has not ended. A child that nobody has reaped has."""
        return Process.of(self.pid) == self and not self._ended()

    def _ended(self) -> bool:
        try:
            with open(f"/proc/{self.pid}/stat", encoding="utf-8", errors="replace") as stat:
                return stat.read().rpartition(")")[2].split()[0] in {"Z", "X"}
        except (OSError, IndexError):
            return True

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, and nobody else who may have its pid by now."""
        with suppress(ProcessLookupError):
            descriptor = os.pidfd_open(self.pid)
            try:
                if self.lives():
                    signal.pidfd_send_signal(descriptor, number)
            finally:
                os.close(descriptor)
