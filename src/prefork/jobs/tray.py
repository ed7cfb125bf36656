"""What a worker holds of its job's runs: the one that it does, those that it has claimed with it, those that have ended meanwhile.

Runs of a job that takes no time are claimed and ended several at once. When one of them takes long after all, the others must not
wait: the thread of `lease.py` says then what has ended, and gives back what was not begun. So two threads take from here, and
what one has taken the other does not see.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from prefork.store.jobs import LEASE, Ended

if TYPE_CHECKING:
    from prefork.store.jobs import Claim, Cost

QUICK = 0.002  # seconds within which a job's runs end that are claimed several at once
STALE = LEASE / 3  # seconds after which nothing is begun on an old claim


class Held(NamedTuple):
    """The run that is being done, and since when, in monotonic seconds."""

    claim: Claim
    since: float


class Tray:
    """Of one worker."""

    def __init__(self) -> None:
        self.held: Held | None = None
        self.crowded_at = -STALE  # when several were claimed,
        self._filled_at = 0.0  # and when any were
        self._quick: set[str] = set()
        self._ready: list[Claim] = []
        self._ended: list[Ended] = []
        self._lock = threading.Lock()

    @property
    def quick(self) -> list[str]:
        """The jobs whose last run here took no time, and that may be done twice."""
        return sorted(self._quick)

    @property
    def crowded(self) -> bool:
        """Whether somebody waits for the run that is being done: to be begun, or to be written down."""
        return bool(self._ready or self._ended)

    def fill(self, claims: list[Claim]) -> None:
        """Have these to do."""
        with self._lock:
            self._ready, self._filled_at = claims, time.monotonic()
        if len(claims) > 1:
            self.crowded_at = self._filled_at

    def next(self) -> Claim | None:
        """The next one to do, unless its claim is an old one."""
        with self._lock:
            fresh = time.monotonic() - self._filled_at < STALE
            return self._ready.pop(0) if self._ready and fresh else None

    def hold(self, claim: Claim) -> None:
        """This one is being done."""
        self.held = Held(claim, time.monotonic())

    def drop(self) -> None:
        """None is any more."""
        self.held = None

    def end(self, claim: Claim, cost: Cost) -> None:
        """It went well."""
        (self._quick.add if cost.seconds < QUICK and claim.retries else self._quick.discard)(claim.job)
        with self._lock:
            self._ended.append(Ended(claim, cost))

    def take_ended(self) -> list[Ended]:
        """What is to be written down, by whoever has it now."""
        with self._lock:
            taken, self._ended = self._ended, []
        return taken

    def take_ready(self) -> list[Claim]:
        """What was not begun, and will not be."""
        with self._lock:
            taken, self._ready = self._ready, []
        return taken

    def put_back(self, ended: list[Ended]) -> None:
        """It could not be written down."""
        with self._lock:
            self._ended = ended + self._ended
