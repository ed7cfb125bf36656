"""How many HTTP workers are wanted now, where the server finds their number: up at once, down slowly, never beyond what bounds it.

Pure: it is shown what there is, a few times a second, and says a number with its reason. What keeps it from swinging: it goes down
only where the busiest second of a calm time leaves room to spare, and the calmer the more often that was wrong.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from prefork.sizing.bounds import Cap, allowed

if TYPE_CHECKING:
    from collections.abc import Sequence

DRAIN = 1.0  # seconds in which what waits should be done
SECOND = 1.0  # over which it is counted how many workers are busy
CALM = 30.0  # seconds without a late request before one worker may leave
STEP = 5.0  # seconds between two that leave
ROOM = 0.7  # of the workers that are left may have been busy in the busiest second
REGRET = 600.0  # seconds within which a step down that has to be taken back was a mistake
FORGIVEN = 3600.0  # seconds without one
MOST_PATIENT = 32  # times as calm


class Look(NamedTuple):
    """What there is at a moment (monotonic seconds).

    `workers` are wanted, `ready` are there, `idle` of these have no request. `late`: requests that waited longer than they should,
    and were served since the last look or wait still. `work` is how many seconds what waits will take one worker. `spent` is how
    long all workers together have had requests by the moment `at`. `cramped`: there is no memory for another worker.
    """

    now: float
    workers: int
    ready: int
    idle: int
    late: int
    work: float
    spent: float
    at: float
    cramped: bool = False


class Bounds(NamedTuple):
    """`least` are wanted at any rate, as far as the plan and the like (`fixed`) allow it; memory (`free`) comes and goes."""

    least: int
    fixed: Sequence[Cap]
    free: Cap

    @property
    def tightest(self) -> Cap:
        """What binds."""
        return min((*self.fixed, self.free), key=allowed)

    @property
    def top(self) -> float:
        """The most that there may ever be."""
        return max(1, min(map(allowed, self.fixed), default=math.inf))

    @property
    def floor(self) -> int:
        """The fewest."""
        return int(min(self.least, self.top))

    @property
    def ceiling(self) -> float:
        """The most that there may be now."""
        return max(self.floor, min(self.top, allowed(self.free)))


class Decision(NamedTuple):
    """So many workers are wanted, and why that is another number than before; `bound` keeps it from being more."""

    workers: int
    reason: str = ""
    bound: Cap | None = None


class Controller:
    """What it remembers: how busy the last seconds were, when a request was late, when it went down, and how often in vain."""

    def __init__(self) -> None:
        self.peaks: deque[tuple[float, float]] = deque()  # descending: who is behind a higher one and older never counts again
        self.begun: tuple[float, float] | None = None
        self.calm_since: float | None = None
        self.stepped = -math.inf
        self.went_down = -math.inf
        self.mistaken = -math.inf
        self.patience = 1
        self.settled = True  # all wanted workers are ready, and the dispatcher has spoken since
        self.ready_at = math.inf  # since when they are

    def decide(self, look: Look, bounds: Bounds) -> Decision:
        """The number from now on."""
        self._note(look)
        settled = self._settles(look)
        if look.workers > bounds.top:
            tightest = min(bounds.fixed, key=allowed)
            return Decision(int(bounds.top), f"{tightest.what} allows no more: {tightest.why}")
        if look.workers < bounds.floor:
            return Decision(bounds.floor, f"{bounds.floor} are wanted at the least")
        if not look.late:
            return self._down(look, bounds)
        return self._up(look, bounds) if settled else Decision(look.workers)

    def _note(self, look: Look) -> None:
        if look.late or self.calm_since is None:
            self.calm_since = look.now
        if look.now - self.mistaken > FORGIVEN:
            self.patience = 1
        if self.begun is None or look.at < self.begun[0]:
            self.begun = (look.at, look.spent)
        elif (seconds := look.at - self.begun[0]) >= SECOND:
            busy = max(0.0, look.spent - self.begun[1]) / seconds
            self.begun = (look.at, look.spent)
            while self.peaks and self.peaks[-1][1] <= busy:
                self.peaks.pop()
            self.peaks.append((look.now, busy))
        while self.peaks and look.now - self.peaks[0][0] > self.patience * CALM:
            self.peaks.popleft()

    def _up(self, look: Look, bounds: Bounds) -> Decision:
        """As many more as do what waits in a moment, at most twice as many; unless those on their way are enough."""
        more = max(1, min(look.workers, math.ceil(look.work / DRAIN)))
        workers = int(min(look.workers + more, bounds.ceiling))
        if workers <= look.workers:
            return Decision(look.workers, bound=bounds.tightest)
        if look.now - self.went_down < REGRET:
            self.patience = min(MOST_PATIENT, 2 * self.patience)
            self.went_down, self.mistaken = -math.inf, look.now
        self.settled, self.ready_at = False, math.inf
        return Decision(workers, f"{look.late} request{'' if look.late == 1 else 's'} waited too long")

    def _settles(self, look: Look) -> bool:
        """Whether what is late now is late with all wanted workers ready: who had to wait for one of them was late, too."""
        if look.ready < look.workers:
            self.settled, self.ready_at = False, math.inf
        if self.settled:
            return True
        if look.ready >= look.workers:
            self.ready_at = min(self.ready_at, look.now)
        self.settled = look.at > self.ready_at
        return self.settled and look.work > 0

    def _down(self, look: Look, bounds: Bounds) -> Decision:
        """One that is idle, if nobody would have missed it for a while, or if there is no memory for it."""
        if look.workers <= bounds.floor or not look.idle or look.now - self.stepped < STEP:
            return Decision(look.workers)
        calm, peak = look.now - (self.calm_since or look.now), self.peaks[0][1] if self.peaks else math.inf
        if look.cramped:
            reason = "memory is short"
        elif calm >= self.patience * CALM and peak <= ROOM * (look.workers - 1):
            reason = f"at most {peak:.1f} were busy for {calm:.0f} s"
            self.went_down = look.now
        else:
            return Decision(look.workers)
        self.stepped = look.now
        return Decision(look.workers - 1, reason)
