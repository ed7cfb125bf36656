"""The server's end: nobody is let in, those who ask for nothing go, and those who wait for an answer have time for it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prefork.dispatcher.states import ANSWERING, State

if TYPE_CHECKING:
    from prefork.dispatcher.loop import Dispatcher

UNFINISHED = frozenset((State.BODY, State.QUEUED, State.HANDED, State.SERVED, State.LENT, State.FLUSHING))  # what is waited for


class Drain:
    """`close_at` and `drained_at` are monotonic seconds."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self.dispatcher = dispatcher
        self.close_at = self.drained_at = float("inf")

    def begin(self, delay: float, timeout: float) -> None:
        """Close the door in `delay` seconds, and end `timeout` seconds later at the latest."""
        now = time.monotonic()
        self.close_at = now + delay
        self.drained_at = self.close_at + timeout
        self.dispatcher.next_tick = now

    def look(self, now: float) -> None:
        """Do what is due."""
        if now >= self.close_at:
            if not self.dispatcher.traffic.answers.closing:
                self._close()
            self._end_if_drained(now)

    def _close(self) -> None:
        """Let nobody in any more, and those go who ask for nothing."""
        self.dispatcher.door.close()
        self.dispatcher.traffic.answers.closing = True
        for worker in self.dispatcher.traffic.workers.values():
            self.dispatcher.traffic.lender.dismiss(worker)
        for connection in list(self.dispatcher.connections.values()):
            self.dispatcher.poller.guard(connection.dismiss)

    def _end_if_drained(self, now: float) -> None:
        busy = any(connection.state in UNFINISHED for connection in self.dispatcher.connections.values())
        if busy and now < self.drained_at:
            return
        unfinished = sum(connection.state in ANSWERING for connection in self.dispatcher.connections.values())
        if busy:
            self.dispatcher.traffic.give_up("the server stops (graceful_timeout)")
        self.dispatcher.channel.send("drained", unfinished=unfinished)
        self.close_at = float("inf")
