"""What is left of a worker that has ended: what its end is taken for, and what it leaves to those who come next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prefork.master.fleet import State
from prefork.master.gauges import job_of, task_of

if TYPE_CHECKING:
    from prefork.master.fleet import Worker
    from prefork.master.gauges import Task
    from prefork.master.spawn import Death
    from prefork.scoreboard import Scoreboard

MOST_FATAL = 32  # jobs


@dataclass(frozen=True)
class Remains:
    """`task` is what it was in, `job` names that if it was a job, `said` is why it could not get ready.

    `stacks` is what it has written of them; `served`: it had got a request or job.
    """

    worker: Worker
    death: Death
    task: Task | None
    job: dict[str, Any] | None
    said: str | None
    stacks: str
    served: bool

    @property
    def left(self) -> bool:
        """Whether it has finished and gone, as it was asked to."""
        return self.worker.state in {State.RETIRING, State.LEAVING} and self.death.code == 0 and not self.task

    def failed_start(self, *, settled: bool) -> bool:
        """Whether it did not get ready, or died as soon as it was: before it had been ready for long, or had got anything."""
        if self.said or self.worker.state is State.BOOTING:
            return True
        return self.worker.state is State.READY and not settled and not self.served

    @property
    def complaint(self) -> str | None:
        """Why it could not get ready, as far as that is known."""
        return self.said or (f"it died: {self.death.how()}" if self.worker.state is State.BOOTING else None)


def remains_of(worker: Worker, death: Death, scoreboard: Scoreboard, said: str | None, stacks: str) -> Remains:
    """Look at the slots of a worker that is dead."""
    slots = [scoreboard.slot(place) for place in worker.slots]
    tasks = (task_of(slot) for slot in (slots if worker.looped else slots[:1]))
    task = next(filter(None, tasks), None)
    served = any(slot.progress().number for slot in slots)
    return Remains(worker, death, task, job_of(worker, slots[0], task), said, stacks, served)


class Legacy:
    """`places` are those of workers that died in a job: who comes next there releases it. `fatal` names these jobs."""

    def __init__(self) -> None:
        self.places: set[int] = set()
        self.fatal: list[str] = []

    def leave(self, worker: Worker, job: str) -> None:
        """A worker has died in a job, which becomes the latest of those."""
        self.places.add(worker.slot)
        self.fatal = [*(name for name in self.fatal if name != job), job][-MOST_FATAL:]
