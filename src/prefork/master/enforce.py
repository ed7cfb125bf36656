"""Enforces limits. A worker that is over a soft one is replaced; over a hard one it is killed, which takes two steps.

First the dispatcher is told: from then on the worker gets nothing more, and if it has answered meanwhile it is acquitted, so no
request dies for its predecessor. Then the worker writes its stacks, and is killed with all its descendants. Neither step is waited
for longer than `WORD` and `STACKS`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from prefork.events import FreshTooLarge, LimitReached, LimitTooLow
from prefork.incidents import new_id
from prefork.limits import STATUS, Limit, Limits
from prefork.master.fleet import State
from prefork.master.gauges import SHORTEST, Gauges
from prefork.meters import Relative, descendants

if TYPE_CHECKING:
    from prefork.limits import Verdict
    from prefork.master.fleet import Worker
    from prefork.master.gauges import Finding, Gauge, Task
    from prefork.master.loop import Master

WORD = 0.05  # seconds that the dispatcher has for its answer
STACKS = 0.1  # seconds that a worker has for its stacks
OFTEN = 60.0  # seconds of life below which a worker that is replaced for its memory has hardly been worth its start
SEVERAL = 3  # of them in a row are no accident


@dataclass
class Condemned:
    """A worker on its last way. `request` is what the dispatcher says it was doing, `stacks_since` when they were asked for."""

    worker: Worker
    verdict: Verdict
    incident: str
    since: float
    task: Task | None
    request: dict[str, Any] | None = None
    stacks_since: float = 0.0
    written: int = 0
    children: list[Relative] = field(default_factory=list)


class Enforcer:
    """`condemned` by pid: also those that are dead and not buried."""

    def __init__(self, master: Master) -> None:
        self.master = master
        self.gauges = Gauges(master.scoreboard)
        self.condemned: dict[int, Condemned] = {}
        self.complained: set[tuple[int, Limit]] = set()  # generations whose workers are too large from the start
        self.young = 0  # replaced for their memory soon after their start, in a row

    def limits(self) -> Limits:
        """What the settings allow."""
        settings = self.master.settings
        if settings.threaded:
            return Limits()  # what one request takes cannot be told from the others', and its death would be theirs
        return Limits(
            settings.limit_memory_soft,
            settings.limit_memory_hard,
            settings.limit_time_cpu,
            settings.limit_time_real,
            settings.limit_time_worker,
        )

    def wake(self, now: float) -> float:
        """Seconds until there is something to do here."""
        if any(condemned.worker.state is not State.KILLED for condemned in self.condemned.values()):
            return SHORTEST
        return max(0.0, self.gauges.next_look - now)

    def admit(self, worker: Worker) -> None:
        """A worker is ready. One that is too large already would be replaced for ever by others like it: say so instead."""
        gauge = self.gauges.admit(worker)
        limits = self.limits()
        for limit, allowed in ((Limit.MEMORY_HARD, limits.memory_hard), (Limit.MEMORY_SOFT, limits.memory_soft)):
            if gauge and 0 < allowed < gauge.fresh and (worker.generation, limit) not in self.complained:
                self.complained.add((worker.generation, limit))
                self.master.journal.emit(FreshTooLarge(worker.name, worker.pid, gauge.fresh, limit.value, allowed))

    def step(self, now: float) -> None:
        """Look at the workers when it is time, and go on with those that are condemned."""
        for worker in self.master.crew.ready():
            if worker.pid not in self.gauges.gauges:
                self.admit(worker)
        if now >= self.gauges.next_look:
            held = [worker for worker in self.master.crew.all() if worker.state in {State.READY, State.RETIRING}]
            for finding in self.gauges.look(held, self.limits(), now):
                if finding.worker.pid in self.condemned:
                    continue
                if finding.verdict.deadly:
                    self._condemn(finding, now)
                elif not finding.worker.worn:
                    self._wear(finding, now)
        for condemned in list(self.condemned.values()):
            if condemned.worker.state is not State.KILLED:
                self._go_on(condemned, now)

    def _wear(self, finding: Finding, now: float) -> None:
        """Have a worker replaced."""
        worker, verdict, _ = finding
        worker.worn = True
        self.master.journal.emit(LimitReached(verdict.in_odoos_words(worker.pid), worker.name, worker.pid, verdict.reason))
        if verdict.limit is Limit.MEMORY_SOFT:
            self.young = self.young + 1 if now - worker.since < OFTEN else 0
            if self.young == SEVERAL:
                self.young = 0
                self.master.journal.emit(LimitTooLow(SEVERAL, OFTEN, verdict.limit.value, int(verdict.allowed)))

    def _condemn(self, finding: Finding, now: float) -> None:
        worker, verdict, task = finding
        condemned = Condemned(worker, verdict, new_id(), now, task)
        self.condemned[worker.pid] = condemned
        self.master.journal.emit(LimitReached(verdict.in_odoos_words(worker.pid), worker.name, worker.pid, verdict.reason))
        # Time is up for one request; memory is the worker's, whatever it does by now.
        number = 0 if verdict.limit is Limit.MEMORY_HARD else task.number if task else 0
        self.master.front.tell(
            "condemn",
            slot=worker.slot,
            pid=worker.pid,
            number=number,
            status=STATUS[verdict.limit],
            reason=verdict.reason,
            incident=condemned.incident,
        )

    def farewell(self, pid: int) -> tuple[Condemned | None, Gauge | None]:
        """A worker has been buried; returns what is known of it."""
        return self.condemned.pop(pid, None), self.gauges.dismiss(pid)

    def answered(self, pid: int, said: dict[str, Any]) -> None:
        """The dispatcher has condemned a worker, or acquitted it because it has answered."""
        condemned = self.condemned.get(pid)
        if condemned is None or condemned.worker.state is State.KILLED:
            return
        if said["kind"] == "acquitted":
            del self.condemned[pid]
        else:
            condemned.request = said["request"]
            self._ask_for_stacks(condemned, time.monotonic())

    def _ask_for_stacks(self, condemned: Condemned, now: float) -> None:
        if not condemned.stacks_since:
            condemned.stacks_since = now
            self.master.crew.ask_for_stacks(condemned.worker)

    def _go_on(self, condemned: Condemned, now: float) -> None:
        if not condemned.stacks_since:
            if now - condemned.since > WORD:
                self._ask_for_stacks(condemned, now)
            return
        written = self.master.crew.stacks_written(condemned.worker)
        if now - condemned.stacks_since > STACKS or 0 < written == condemned.written:
            condemned.children = descendants(condemned.worker.pid)
            self.master.crew.kill(condemned.worker, condemned.verdict.reason, now)
        condemned.written = written
