"""Drives `sizing.autoscale` with what the scoreboard says, where the server finds the number of its HTTP workers.

Whoever sets a number by hand holds it: then nothing is changed until somebody lets it go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefork.events import AutoscaleBound, Autoscaled
from prefork.histogram import bucket
from prefork.lanes import REST
from prefork.master.ceilings import ceilings
from prefork.master.fleet import State
from prefork.master.lanes import figures
from prefork.master.pools import HTTP
from prefork.master.status import occupied
from prefork.scoreboard import BUCKETS, DISPATCHER, SERVICES, SINCE, WAITING, WAITS
from prefork.sizing.autoscale import Bounds, Controller, Look

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefork.config import Settings
    from prefork.master.loop import Master

EVERY = 0.25  # seconds between two looks: as often as the dispatcher says how things are
SAY = 60.0  # seconds in which the log is told once that more are not allowed


class Autoscaler:
    """`held`: somebody has set a number by hand. `last` is the last change: when, from, to, why."""

    def __init__(self, master: Master) -> None:
        self.master = master
        self.controller = Controller()
        self.held = False
        self.last: tuple[float, int, int, str] | None = None
        self.next_look = 0.0
        self.silent_until = 0.0
        self.noted: dict[str, int] = {}  # of each lane, the requests that have waited too long

    def step(self, now: float) -> None:
        """Look when it is time, and want another number if that follows."""
        if now < self.next_look or not self.master.settings.automatic or not self.master.staffing.complete or self.master.stopping:
            return
        self.next_look = now + EVERY
        look, bounds = self._look(now), self._bounds()
        if self.held:
            return
        wanted, reason, bound = self.controller.decide(look, bounds)
        if bound and now >= self.silent_until:
            self.silent_until = now + SAY
            self.master.journal.emit(AutoscaleBound(HTTP.name, look.workers, bound.what, bound.why))
        if wanted != look.workers:
            self.last = (now, look.workers, wanted, reason)
            self.master.supplies[HTTP.name].count = wanted
            self.master.journal.emit(Autoscaled(HTTP.name, look.workers, wanted, reason))

    def hold(self) -> None:
        """Somebody has set a number."""
        self.held = self.master.settings.automatic

    def let_go(self) -> None:
        """Find the number again, from what there is."""
        self.held = False
        self.controller = Controller()

    def kept(self, settings: Settings, configured: int) -> int:
        """How many workers new settings begin with: a number that was found is kept, as far as they allow it."""
        if not (settings.automatic and self.master.settings.automatic):
            return configured
        return max(settings.fewest_workers, min(settings.most_workers, self.master.supplies[HTTP.name].count))

    def told(self, now: float) -> dict[str, Any] | None:
        """For those who ask; None where the number is set."""
        settings = self.master.settings
        if not settings.automatic:
            return None
        tightest = self._bounds().tightest
        at, before, workers, reason = self.last or (now, 0, 0, "")
        last = {"before": before, "workers": workers, "reason": reason, "age": round(now - at, 3)}
        return {
            "min": settings.workers_min,
            "max": settings.workers_max,
            "held": self.held,
            "bound": {"what": tightest.what, "workers": tightest.workers, "why": tightest.why},
            "last": last if self.last else None,
        }

    def _bounds(self) -> Bounds:
        caps = ceilings(self.master)
        free = next(cap for cap in caps if cap.what == "memory")
        return Bounds(self.master.settings.workers_min, [cap for cap in caps if cap is not free], free)

    def _look(self, now: float) -> Look:
        supply = self.master.supplies[HTTP.name]
        ready = [worker for worker in supply.of(self.master.crew.all()) if worker.state is State.READY]
        told = occupied(self.master.scoreboard.slot(DISPATCHER))
        late, waiting, served = (sum(column) for column in zip(*self._lanes(now), strict=True))
        service = told["seconds"] / served if served else EVERY
        return Look(
            now,
            supply.count,
            len(ready),
            sum(not worker.busy for worker in ready),
            late,
            waiting * service,
            told["seconds"],
            told["at"],
            self.master.guard.cramped,
        )

    def _lanes(self, now: float) -> Iterator[tuple[int, int, int]]:
        """Of each lane the requests that were late since the last look or wait for too long, all that wait, all that were served.

        Those of a lane that may not have all workers wait for its own, however many others there are.
        """
        settings, board = self.master.settings, self.master.scoreboard
        limits = [*((lane.name, lane.limit) for lane in settings.lanes), (REST, None)]
        first = WAITS + bucket(settings.wait_target) + 1
        for number, (name, limit) in enumerate(limits):
            words = figures(board, number, name)
            beyond = sum(words[first : WAITS + BUCKETS])
            before, self.noted[name] = self.noted.get(name, beyond), beyond
            late, waiting, served = max(0, beyond - before), words[WAITING], sum(words[SERVICES : SERVICES + BUCKETS])
            if words[SINCE] and now - words[SINCE] / 1e9 > settings.wait_target:
                late += waiting
            apart = limit is not None and limit < self.master.supplies[HTTP.name].count
            yield (0, 0, served) if apart else (late, waiting, served)
