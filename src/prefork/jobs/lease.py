"""Keeps the lease of a run that takes long, on a connection of its own and in a thread of its own.

The thread sleeps through short runs: it connects only when a run is a third of a lease old. It is daemonic, and never ends a run.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from prefork.store import jobs
from prefork.store.connection import Unavailable, connect, translated

if TYPE_CHECKING:
    from prefork.store.address import Address
    from prefork.store.connection import Connection
    from prefork.store.jobs import Claim

INTERVAL = jobs.LEASE / 3
AGAIN = 1.0  # seconds between attempts while the database is away


class Lease:
    """Renews whatever run `hold` was called with, until `drop`."""

    def __init__(self, where: Address | None, name: str) -> None:
        self.where = where
        self.name = name
        self.held: Claim | None = None
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._connection: Connection | None = None

    def hold(self, claim: Claim) -> None:
        """Renew this run from now on."""
        with self._changed:
            self.held = claim
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="lease", daemon=True)
                self._thread.start()
            self._changed.notify()

    def drop(self) -> None:
        """Renew nothing."""
        with self._changed:
            self.held = None

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self.held is not None)
                claim = self.held
            patience = INTERVAL
            while claim and not self._ended(claim, patience):
                patience = INTERVAL if self._renewed(claim) else AGAIN

    def _ended(self, claim: Claim, patience: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self.held is not claim, patience)

    def _renewed(self, claim: Claim) -> bool:
        try:
            if self._connection is None or self._connection.closed:
                self._connection = connect(self.where, f"{self.name} lease")
            with translated():
                jobs.renew(self._connection, claim.id, claim.attempt)
        except Unavailable:
            return False
        return True
