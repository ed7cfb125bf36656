"""Signals become bytes in a socket: handlers only note and wake, the loop decides."""

from __future__ import annotations

import signal
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

HEARD = (
    signal.SIGCHLD, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGTTIN, signal.SIGTTOU, signal.SIGUSR1,
)  # fmt: skip


class Signals:
    """Collects the signals of this process from its creation on."""

    def __init__(self) -> None:
        self.inbox, self.outbox = socket.socketpair()
        self.inbox.setblocking(False)
        self.outbox.setblocking(False)
        for number in HEARD:
            signal.signal(number, noted)
        # A full socket means that the loop has enough reasons to wake already.
        signal.set_wakeup_fd(self.outbox.fileno(), warn_on_full_buffer=False)

    def take(self) -> list[signal.Signals]:
        """The signals since the last call, each kind once, in order of arrival."""
        try:
            numbers = self.inbox.recv(4096)
        except BlockingIOError:
            return []
        return [signal.Signals(number) for number in dict.fromkeys(numbers)]


def noted(number: int, frame: FrameType | None) -> None:
    """The handler of every signal: Python writes to the wake-up descriptor only for signals that have one."""
