"""Reads one server of ours every few seconds, and remembers the last hour of it: the live window.

`open` and `close` are the ends of the half second in which processor time is measured, so that one thread can have many servers in
the same window. It keeps nothing on a disk and raises nothing: a server that cannot be read is a gap and a sentence.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any

from prefork.usage.handing import Handing, handing
from prefork.usage.health import Clock, read_clock, read_health
from prefork.usage.measures import by_processor, processors
from prefork.usage.reading import Mark, Reading, between, changes
from prefork.usage.window import WINDOW, Window, measurable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from prefork.usage.sample import Sample

    Status = dict[str, Any]

PACE = 10.0  # seconds from one reading to the next
LIVE = 3600.0  # seconds of the live window


class Sampler:
    """One server: `ask` gets its status, or raises an Exception whose text is a sentence; `disk` is where it keeps its data.

    `database` is what is known of its database's connections, as `store.census` tells it. `reading` is the latest one, `handing`
    what handing over cost in the time before it, `live` the samples of the last hour, `marks` what was done to it before the latest
    reading, and `silent` why it cannot be read now.
    """

    def __init__(
        self,
        ask: Callable[[], Status],
        disk: Path,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.ask, self.disk, self.wall, self.clock = ask, disk, wall, clock
        self.database: Mapping[str, Any] | None = None
        self.reading: Reading | None = None
        self.handing: Handing | None = None
        self.live: deque[Sample] = deque(maxlen=round(LIVE / PACE))
        self.marks: deque[Mark] = deque()
        self.silent = ""
        self._ticks: Clock = read_clock()
        self._opened: tuple[float, float, Status, Window] | None = None

    def open(self) -> None:
        """Ask the server how it is, and begin to measure its workers."""
        try:
            status = self.ask()
        except Exception as error:  # noqa: BLE001 - whatever it is, the next reading comes
            self.silent, self._opened = str(error), None
            return
        self.silent, self._opened = "", (self.wall(), self.clock(), status, Window(measurable(status)))

    def close(self) -> Sample | None:
        """What it has done since the last reading; None where that is not known."""
        self.marks.clear()
        if self._opened is None:
            return None
        (at, clock, status, window), self._opened = self._opened, None
        processes = 1 if status["threads"] else status["wanted"]
        spent = window.close().values()
        processor, workers = by_processor(spent, processes, WINDOW), processors(spent, WINDOW)
        health = {**read_health(self._ticks, self.disk).told(), "database": self.database}
        self._ticks = read_clock()
        before, self.reading = self.reading, Reading(at, clock, status, processor, workers, health)
        return self._note(before, self.reading) if before else None

    def _note(self, before: Reading, after: Reading) -> Sample | None:
        self.marks.extend(changes(before, after))
        self.handing = handing(before.status, after.status, after.workers)
        sample = between(before, after)
        if sample:
            while self.live and self.live[-1].at >= sample.at:  # the clock was set back: what comes now counts
                self.live.pop()
            self.live.append(sample)
        return sample

    def since(self, moment: float) -> list[Sample]:
        """The live samples that began at `moment` or later, in order."""
        return [each for each in self.live if each.at >= moment]
