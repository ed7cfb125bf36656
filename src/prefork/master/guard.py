"""Looks after the machine where memory is scarce: who is replaced first, and whether there is room to start a replacement.

What each worker may use is the business of limits; this is about all of them together, and what else runs here. The decision is
pure (`fattest`, `is_cramped`); the guard only looks once a second and says what follows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from prefork.events import MemoryScarce
from prefork.master.fleet import State
from prefork.master.headroom import Headroom, read_headroom

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from prefork.master.fleet import Worker
    from prefork.master.loop import Master

LOOK = 1.0  # seconds between two readings
PAUSE = 10.0  # seconds until another worker has to go: the pressure is a mean of so many
SAY = 60.0  # seconds in which the log is told once
PRESSED = 10.0  # per cent of the time in which somebody waits for memory
LOW = 0.05  # of all memory
GROWN, BY = 1.5, 32 << 20  # times its size when fresh, and bytes above it: less is not worth a start


class Weight(NamedTuple):
    """What a worker uses, and what it used when it was fresh, in bytes."""

    worker: Worker
    memory: int
    fresh: int


def is_cramped(headroom: Headroom, fresh: int) -> bool:
    """Whether there is no room for one worker more, which takes `fresh` bytes."""
    return headroom.available is not None and headroom.available < fresh


def is_short(headroom: Headroom, fresh: int) -> bool:
    """Whether little is left and processes wait for it. Where the kernel does not measure that, only what is left counts."""
    if headroom.available is None or headroom.total is None:
        return False
    if headroom.pressure is None:
        return is_cramped(headroom, fresh)
    return headroom.pressure > PRESSED and headroom.available < max(LOW * headroom.total, fresh)


def fattest(weights: Sequence[Weight]) -> Weight | None:
    """The idle worker whose replacement gives back the most, if that is enough; nobody while another is being replaced."""
    if any(weight.worker.worn or weight.worker.state is not State.READY for weight in weights):
        return None
    grown = [each for each in weights if each.memory > GROWN * each.fresh and each.memory - each.fresh > BY]
    return max((each for each in grown if not each.worker.busy), key=lambda each: each.memory - each.fresh, default=None)


class Guard:
    """`cramped`: at the last look, of which `headroom` is, there was no room for one worker more."""

    def __init__(self, master: Master, read: Callable[[], Headroom] = read_headroom) -> None:
        self.master = master
        self.read = read
        self.cramped = False
        self.headroom = Headroom(None, None)
        self.next_look = 0.0
        self.next_turn = 0.0
        self.silent_until = 0.0

    def step(self, now: float) -> None:
        """Look when it is time, and have one worker replaced where that helps."""
        if now < self.next_look or self.master.settings.threaded:
            return
        self.next_look = now + LOOK
        weights = self.weights()
        headroom = self.headroom = self.read()
        fresh = max((weight.fresh for weight in weights), default=0)
        self.cramped = is_cramped(headroom, fresh)
        chosen = fattest(weights) if now >= self.next_turn and is_short(headroom, fresh) else None
        if chosen:
            self.next_turn = now + PAUSE
            chosen.worker.worn = True
        if self.cramped or chosen:
            self._say(headroom, chosen, now)

    def weights(self) -> list[Weight]:
        """Every worker whose memory is known; those that are coming or going, too."""
        gauges = self.master.enforcer.gauges.gauges
        known = ((worker, gauges.get(worker.pid)) for worker in self.master.crew.all())
        return [Weight(worker, gauge.memory, gauge.fresh) if gauge else Weight(worker, 0, 0) for worker, gauge in known]

    def _say(self, headroom: Headroom, chosen: Weight | None, now: float) -> None:
        if now < self.silent_until:
            return
        self.silent_until = now + SAY
        found = [f"worker {chosen.worker.name} with {chosen.memory} bytes is idle and is replaced"] if chosen else []
        if self.cramped:
            found.append("there is no room for one worker more: who is replaced leaves before the new one starts")
        self.master.journal.emit(MemoryScarce(headroom.available or 0, headroom.pressure or 0.0, "; ".join(found)))
