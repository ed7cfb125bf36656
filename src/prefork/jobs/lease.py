"""Keeps the lease of a run that takes long, on a connection of its own and in a thread of its own.

The thread sleeps through short runs, whose beginning and end do not wake it: it connects only when a run is a third of a lease
old, or when others wait for it that were claimed at the same time. It is daemonic, and never ends a run.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Callable

from prefork.store import jobs
from prefork.store.connection import Unavailable, connect, translated

if TYPE_CHECKING:
    from prefork.jobs.tray import Held, Tray
    from prefork.store.address import Address
    from prefork.store.connection import Connection
    from prefork.store.jobs import Ended

INTERVAL = jobs.LEASE / 3
AGAIN = 1.0  # seconds between attempts while the database is away
LATE = 0.05  # seconds of a run after which others do not wait for it
AWAKE = 1.0  # seconds for which the thread looks so often after several runs were claimed at once


class Lease:
    """Renews whatever run the tray holds. `superseded` hears of runs that have ended and were somebody else's by then."""

    def __init__(self, where: Address | None, name: str, tray: Tray, superseded: Callable[[list[Ended], set[int]], None]) -> None:
        self.where = where
        self.name = name
        self.tray = tray
        self.superseded = superseded
        self._seen: Held | None = None
        self._due = 0.0  # when that one is to be renewed
        self._alert = False
        self._alarm = threading.Event()
        self._thread: threading.Thread | None = None
        self._connection: Connection | None = None

    def watch(self) -> None:
        """There is something in the tray."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="lease", daemon=True)
            self._thread.start()

    def alert(self) -> None:
        """Several runs have been claimed at once."""
        if not self._alert:
            self._alarm.set()

    def _run(self) -> None:
        while True:
            self._alarm.wait(self.look(time.monotonic()))
            self._alarm.clear()

    def look(self, now: float) -> float:
        """Do what is due; returns the seconds until there may be something to do.

        No more than a third of a lease: a run that begins meanwhile is noticed before it is due itself.
        """
        self._alert = False  # before the look at the tray: whoever fills it looks here afterwards
        self._alert = now - self.tray.crowded_at < AWAKE
        held = self.tray.held
        if held and held is not self._seen:
            self._seen, self._due = held, held.since + INTERVAL
        if held and self.tray.crowded and now - held.since >= LATE:
            self._due = now + (INTERVAL if self._part(held) else AGAIN)
        elif held and now >= self._due:
            self._due = now + (INTERVAL if self._renew(held) else AGAIN)
        return min(LATE if self._alert else INTERVAL, max(0.0, self._due - now) if held else INTERVAL)

    def _part(self, held: Held) -> bool:
        """Leave nothing in the tray but the run that is being done."""
        ended, ready = self.tray.take_ended(), self.tray.take_ready()
        try:
            connection = self._connected()
            with translated(), connection.transaction():
                known = jobs.complete(connection, ended)
                jobs.give_back(connection, ready)
                jobs.renew(connection, held.claim.id, held.claim.attempt)
        except Unavailable:
            # What was not begun stays nobody's until its lease ends: whether it was given back is not known.
            self.tray.put_back(ended)
            return False
        self.superseded(ended, known)
        return True

    def _renew(self, held: Held) -> bool:
        try:
            connection = self._connected()
            with translated():
                jobs.renew(connection, held.claim.id, held.claim.attempt)
        except Unavailable:
            return False
        return True

    def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self.where, f"{self.name} lease")
        return self._connection
