"""Who listens to which channels of Odoo's bus in this worker, and the connection on which PostgreSQL tells what was published.

NOTIFY is only the doorbell: who hears it asks Odoo for what is new. After an outage it rings for everybody, because notices that
nobody listened to are lost. Any thread may call what is public.
"""

from __future__ import annotations

import json
import select
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable
    from typing import Callable

CHANNEL = "imbus"  # where Odoo tells which channels something was published on
LOOK = 60.0  # seconds of silence after which the connection is asked whether it still is one
FIRST, CAP = 0.1, 5.0  # seconds between two attempts to reach the database


class Listener(Protocol):
    """Somebody who wants to know when there may be something new."""

    def ring(self) -> None:
        """There may be. Must not wait."""


class Bell:
    """One for each worker; it listens from its first listener on. `tell` hears of outages, as an event's name and fields."""

    def __init__(self, tell: Callable[..., Any]) -> None:
        self.tell = tell
        self.lock = threading.Lock()
        self.listeners: dict[Hashable, set[Listener]] = {}  # by channel
        self.channels: dict[Listener, frozenset[Hashable]] = {}
        self.thread: threading.Thread | None = None
        self.failures = 0  # attempts in a row
        self.offline_since = 0.0

    def attach(self, listener: Listener, channels: Iterable[Hashable]) -> None:
        """Ring for somebody when something is published on these channels, and on no others."""
        with self.lock:
            self._detach(listener)
            self.channels[listener] = frozenset(channels)
            for channel in self.channels[listener]:
                self.listeners.setdefault(channel, set()).add(listener)
            if self.thread is None:
                self.thread = threading.Thread(target=self._run, name="odoo bus", daemon=True)
                self.thread.start()

    def detach(self, listener: Listener) -> None:
        """Ring no more for somebody, if it is there."""
        with self.lock:
            self._detach(listener)

    def _detach(self, listener: Listener) -> None:
        for channel in self.channels.pop(listener, ()):
            there = self.listeners[channel]
            there.discard(listener)
            if not there:
                del self.listeners[channel]

    def ring(self, channels: Iterable[Hashable]) -> None:
        """Something was published on these channels."""
        with self.lock:
            called = {listener for channel in channels for listener in self.listeners.get(channel, ())}
        for listener in called:
            listener.ring()

    def ring_for_all(self) -> None:
        """Something may have been published on any channel."""
        with self.lock:
            called = list(self.channels)
        for listener in called:
            listener.ring()

    # The thread.

    def _run(self) -> None:
        while True:
            try:
                self._listen()
            except Exception as error:  # noqa: BLE001 - without this thread nobody would hear anything any more
                self._failed(error)

    def _listen(self) -> None:
        """Ring as long as the database lets us."""
        import odoo

        with closing(odoo.sql_db.db_connect("postgres").cursor()) as cursor:
            cursor.execute(f"LISTEN {CHANNEL}")
            cursor.commit()
            self._reached()
            self.ring_for_all()
            wire = select.poll()  # which, other than select, knows descriptors from 1024 on
            wire.register(cursor._cnx.fileno(), select.POLLIN)
            while True:
                if not wire.poll(LOOK * 1000):
                    cursor.execute("SELECT 1")
                    cursor.commit()
                cursor._cnx.poll()
                self.ring(named(cursor._cnx.notifies))

    def _reached(self) -> None:
        if self.failures:
            self.tell("bus_reachable", seconds=round(time.monotonic() - self.offline_since, 3))
        self.failures = 0

    def _failed(self, error: Exception) -> None:
        if not self.failures:
            self.offline_since = time.monotonic()
            self.tell("bus_unreachable", reason=" ".join(str(error).split()) or type(error).__name__)
        self.failures += 1
        time.sleep(min(CAP, FIRST * 2 ** min(self.failures, 10)))


def named(notices: list[Any]) -> set[Hashable]:
    """The channels that notices name, which are taken off their list; what is no list of channels is somebody else's."""
    channels: set[Hashable] = set()
    while notices:
        try:
            said = json.loads(notices.pop(0).payload)
            channels.update(tuple(channel) if isinstance(channel, list) else channel for channel in said)
        except (TypeError, ValueError):
            continue
    return channels
