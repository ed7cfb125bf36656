"""The time that a store cannot be used: told once when it begins and once when it is over, by each worker.

A server makes events of it; where there is none it is a line on standard error.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from prefork import given
from prefork.sessions.store import Unavailable
from prefork.worker.output import complain

if TYPE_CHECKING:
    from typing import NoReturn


class Outage:
    """Of the store of this name. `reason` is why it cannot be used, empty while it can."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.reason = ""
        self.began = 0.0  # by the monotonic clock, as
        self.failed_at = 0.0  # the last failure
        self.lock = threading.Lock()

    def fail(self, reason: str) -> NoReturn:
        """It cannot be used. Raises Unavailable."""
        with self.lock:
            first, self.reason = not self.reason, reason
            self.failed_at = time.monotonic()
            if first:
                self.began = self.failed_at
        if first:
            said = f"sessions are not available, {self.name}: {reason}"
            tell(said, "session_store_unreachable", store=self.name, reason=reason)
        raise Unavailable(reason)

    def over(self) -> None:
        """It has been used."""
        if not self.reason:
            return
        with self.lock:
            last, self.reason = bool(self.reason), ""
        if last:
            seconds = time.monotonic() - self.began
            tell(f"sessions are available again, {self.name}", "session_store_reachable", store=self.name, seconds=seconds)


def tell(said: str, kind: str, **fields: object) -> None:
    """Tell the server, where there is one."""
    if given.tell is None:
        complain(f"prefork: {said}\n")
    else:
        given.tell(kind, **fields)
