"""Traffic made by chance with a fixed seed, and what a server's trace of it would hold."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from prefork.sizing.recording import Recording, Work, recording
from prefork.sizing.simulate import Place, Simulation
from prefork.trace import RECORD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prefork.sizing.simulate import Job


def poisson(count: int, rate: float, cpu: float, io: float, seed: int = 1) -> list[Work]:
    """So many requests at `rate` a second; `cpu` and `io` are the means of what each takes (seconds)."""
    chance, now, work = random.Random(seed), 0.0, []
    for _ in range(count):
        now += chance.expovariate(rate)
        took = [chance.expovariate(1 / mean) if mean else 0.0 for mean in (cpu, io)]
        work.append(Work(now, took[0], took[1], 0))
    return work


class Noted(Simulation):
    """A simulation that leaves a trace, as a server does."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.begun: dict[Job, float] = {}
        self.records = b""

    def _begin(self, job: Job, worker: int) -> None:
        self.begun[job] = self.now
        super()._begin(job, worker)

    def _end(self, job: Job) -> None:
        begun = self.begun[job]
        times = (job.arrived, begun - job.arrived, self.now - begun, job.work.cpu)
        self.records += RECORD.pack(*(int(time * 1e6) for time in times), job.lane, self.place.workers)
        super()._end(job)


def recorded(work: Sequence[Work], place: Place) -> Recording:
    """The recording of work that was done at a place."""
    simulation = Noted(place)
    simulation.run(work)
    return recording(simulation.records, place.cpus)
