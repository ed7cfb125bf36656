"""Enforces limits. A worker that is over a soft one is replaced; over a hard one it is killed, which takes two steps.

First the dispatcher is told: from then on the worker gets nothing more, and if it has answered meanwhile it is acquitted, so no
request dies for its predecessor. One that the dispatcher does not feed has its pair closed to the same end. Then the worker writes
its stacks, and is killed with its process group; one that writes none is halted, so that it takes no more while a spy reads them.
Neither step is waited for longer than `WORD` and `STACKS`, a spy until `READ_BY`; where the dispatcher says nothing, the slot has
the last word. Workers that are killed for something else take the second step only.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from prefork.events import FreshTooLarge, LimitReached, LimitTooLow
from prefork.incidents import new_id
from prefork.kernel import STACKS as SIGNAL
from prefork.limits import STATUS, Limit, Limits
from prefork.master.fleet import State
from prefork.master.gauges import SHORTEST, Gauges, fair, job_of, task_of
from prefork.master.pools import POOLS
from prefork.meters import Relative, descendants, is_about_to_take

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefork.master.fleet import Worker
    from prefork.master.gauges import Finding, Gauge, Task
    from prefork.master.loop import Master

WORD = 0.05  # seconds that the dispatcher has for its answer
STACKS = 0.1  # seconds that a worker has for its stacks
QUIET = 0.02  # seconds without another byte of them: it has written all
SILENCE = 0.05  # seconds after which one that has not written any, and never will, is read from outside where that is possible
READ_BY = 0.2  # seconds after it was condemned by which that has an end
OFTEN = 60.0  # seconds of life below which a worker that is replaced for its memory has hardly been worth its start
SEVERAL = 3  # of them in a row are no accident
SAY_AGAIN = 60.0  # seconds between two complaints about that


@dataclass
class Condemned:
    """A worker on its last way, why, and the incident that will tell of it.

    `number` is the request that it is condemned for (0: none, None: it dies whatever it is doing), in which `place`; `request` is
    what the dispatcher says of it, `job` what its slot says; `stacks_since` when they were asked for (0: not yet), `written` how
    many bytes of them there are since `written_at`; `halted`: it has been stopped, so that a spy can read them.
    """

    worker: Worker
    cause: str
    reason: str
    incident: str
    since: float
    number: int | None = None
    place: int = -1
    request: dict[str, Any] | None = None
    job: dict[str, Any] | None = None
    stacks_since: float = 0.0
    written: int = 0
    written_at: float = 0.0
    halted: bool = False
    children: list[Relative] = field(default_factory=list)


class Enforcer:
    """`condemned` by pid: also those that are dead and not buried. `young`: replaced for their memory soon after their start."""

    def __init__(self, master: Master) -> None:
        self.master = master
        self.gauges = Gauges(master.scoreboard)
        self.condemned: dict[int, Condemned] = {}
        self.complained: set[tuple[int, Limit]] = set()  # generations whose workers are too large from the start
        self.young = 0  # in a row
        self.silent_until = 0.0

    def limits(self) -> dict[str, Limits]:
        """What the settings allow, by pool."""
        return {pool.name: pool.limits(self.master.settings) for pool in POOLS}

    def hard_limits(self) -> Iterator[tuple[int, int]]:
        """The bytes of memory at which each worker is killed, by its pid, as soon as it has been weighed."""
        limits = self.limits()
        for worker in self.master.crew.all():
            gauge = self.gauges.gauges.get(worker.pid)
            if gauge:
                yield worker.pid, fair(limits[worker.pool.name], gauge.fresh).memory_hard

    def memory(self, worker: Worker) -> int | None:
        """Bytes that a worker had at the last look; None before the first one."""
        gauge = self.gauges.gauges.get(worker.pid)
        return gauge.memory if gauge else None

    def wake(self, now: float) -> float:
        """Seconds until there is something to do here."""
        if any(condemned.worker.state is not State.KILLED for condemned in self.condemned.values()):
            return SHORTEST
        return max(0.0, self.gauges.next_look - now)

    def step(self, now: float) -> bool:
        """Look at the workers when it is time, and go on with those that are condemned; False where nothing has come of it."""
        found = False
        for worker in self.master.crew.ready():
            if worker.pid not in self.gauges.gauges:
                self._admit(worker)
        if now >= self.gauges.next_look:
            watched = [worker for worker in self.master.crew.all() if worker.state in {State.READY, State.RETIRING}]
            for finding in self.gauges.look([each for each in watched if each.pid not in self.condemned], self.limits(), now):
                found = True
                if self._is_inherited(finding):
                    self._spare(finding)
                elif self._is_deadly(finding):
                    self._condemn(finding, now)
                elif finding.worker.state is State.READY and not finding.worker.worn:
                    self._wear(finding, now)
        for condemned in list(self.condemned.values()):
            if condemned.worker.state is not State.KILLED:
                self._go_on(condemned, now)
        return found or bool(self.condemned)

    def _admit(self, worker: Worker) -> None:
        """A worker is ready. One that is too large already would be replaced for ever by others like it: say so instead.

        The first workers share the template's heap with few others, so it is the weight of the last one that is complained of.
        """
        gauge = self.gauges.admit(worker)
        if gauge is None or not self.master.supplies[worker.pool.name].complete(self.master.crew.ready(), worker.generation):
            return
        limits = worker.pool.limits(self.master.settings)
        for limit, allowed in ((Limit.MEMORY_HARD, limits.memory_hard), (Limit.MEMORY_SOFT, limits.memory_soft)):
            if 0 < allowed < gauge.fresh and (worker.generation, limit) not in self.complained:
                self.complained.add((worker.generation, limit))
                self.master.journal.emit(FreshTooLarge(worker.name, worker.pid, gauge.fresh, limits.words.option(limit), allowed))

    def _announce(self, finding: Finding) -> None:
        worker, verdict = finding.worker, finding.verdict
        self.master.journal.emit(LimitReached(verdict.in_odoos_words(worker.pid), worker.name, worker.pid, verdict.reason))

    def _wear(self, finding: Finding, now: float) -> None:
        """Have a worker replaced."""
        worker, verdict = finding.worker, finding.verdict
        worker.worn = True
        self._announce(finding)
        if verdict.limit is not Limit.MEMORY_SOFT:
            return
        self.young = self.young + 1 if now - worker.since < OFTEN else 0
        if self.young >= SEVERAL and now >= self.silent_until:
            self.silent_until = now + SAY_AGAIN
            self.master.journal.emit(LimitTooLow(verdict.option, self.young, OFTEN, int(verdict.allowed)))

    def _is_deadly(self, finding: Finding) -> bool:
        """Whether a worker is killed. What holds a loop up computes for one request, and the others can still be answered."""
        return finding.verdict.deadly and not (finding.worker.looped and finding.verdict.limit is Limit.TIME_CPU)

    def _is_inherited(self, finding: Finding) -> bool:
        """Whether a request was above the hard limit when it began: nobody has looked since the one that took the memory."""
        worker, verdict, task, _ = finding
        if verdict.limit is not Limit.MEMORY_HARD or task is None or worker.looped:
            return False
        return self.gauges.gauges[worker.pid].inherited(task) > verdict.allowed

    def _spare(self, finding: Finding) -> None:
        self._announce(finding)
        assert finding.task
        self._forgive(finding.worker, self.gauges.gauges[finding.worker.pid].inherited(finding.task))

    def _forgive(self, worker: Worker, inherited: int) -> None:
        """What others have left behind is not the fault of the request that a worker has by now: it is replaced afterwards."""
        gauge = self.gauges.gauges[worker.pid]
        gauge.fresh = max(gauge.fresh, inherited)
        worker.worn = True

    def _condemn(self, finding: Finding, now: float) -> None:
        """The first step: tell the dispatcher."""
        worker, verdict, task, place = finding
        self._announce(finding)
        of_all = worker.looped and verdict.limit is Limit.MEMORY_HARD  # nobody knows which of its requests took it
        number = task.number if task and not of_all else 0
        parted = worker.pool.fed and worker.state is State.RETIRING and not self.master.crew.pairs.feeds(worker)
        whatever = of_all or parted
        condemned = Condemned(worker, verdict.option, verdict.reason, new_id(), now, None if whatever else number, place=place)
        self.condemned[worker.pid] = condemned
        if not worker.pool.fed:
            self._cut_off(condemned, task, now)
            return
        if parted:  # what it has are connections of its own, of which the dispatcher knows nothing
            self._ask_for_stacks(condemned, now)
            return
        self.master.front.tell(
            "condemn",
            slot=place,
            pid=worker.pid,
            number=number,
            status=STATUS[verdict.limit],
            reason=verdict.reason,
            incident=condemned.incident,
        )

    def _cut_off(self, condemned: Condemned, task: Task | None, now: float) -> None:
        """The first step for who takes its work by itself. What it has at this moment is the last it takes."""
        worker = condemned.worker
        slot = self.master.scoreboard.slot(worker.slot)
        self.master.crew.pairs.close(worker)
        has = task_of(slot)
        if task is None or (has and has.number == task.number):
            condemned.job = job_of(worker, slot, has)
            self._ask_for_stacks(condemned, now)
            return
        self._acquit(condemned)
        if worker.state is State.READY:
            self.master.crew.retire(worker, "it has finished what it was to be killed for", now)

    def end(self, worker: Worker, cause: str, reason: str, now: float) -> bool:
        """Kill a worker for another reason than a limit, after its stacks; False when that is under way already."""
        if worker.pid in self.condemned or worker.state is State.FORKING:
            return False  # one that has no pid yet is left for the next look
        condemned = self.condemned[worker.pid] = Condemned(worker, cause, reason, new_id(), now)
        self._ask_for_stacks(condemned, now)
        return True

    def farewell(self, pid: int) -> tuple[Condemned | None, Gauge | None]:
        """A worker is dead; returns what is known of it."""
        return self.condemned.pop(pid, None), self.gauges.dismiss(pid)

    def answered(self, pid: int, said: dict[str, Any]) -> None:
        """The dispatcher has condemned a worker, or acquitted it because it has answered."""
        condemned = self.condemned.get(pid)
        if condemned is None or condemned.worker.state is State.KILLED:
            return
        if said["kind"] == "acquitted":
            self._acquit(condemned)
        else:
            condemned.request = said["request"]
            self._ask_for_stacks(condemned, time.monotonic())

    def _acquit(self, condemned: Condemned) -> None:
        worker = condemned.worker
        del self.condemned[worker.pid]
        if condemned.halted:
            self.master.spies.call_off(worker)
            self.master.crew.processes.let_go_on(worker)
        if condemned.stacks_since:
            self.master.crew.processes.clear_stacks(worker)
        worker.worn = worker.worn or worker.looped  # the dispatcher may have taken all its places for lost
        gauge = self.gauges.gauges.get(worker.pid)
        if gauge and condemned.cause == Limit.MEMORY_HARD.value:
            self._forgive(worker, gauge.memory)

    def _has_another(self, condemned: Condemned) -> bool:
        """Whether a worker is in a request that began after it was condemned."""
        if condemned.number is None:
            return False
        task = task_of(self.master.scoreboard.slot(condemned.place))
        return task is not None and task.number != condemned.number

    def _ask_for_stacks(self, condemned: Condemned, now: float) -> None:
        if not condemned.stacks_since:
            condemned.stacks_since = condemned.written_at = now
            self.master.crew.processes.hasten(condemned.worker)
            self.master.crew.processes.ask_for_stacks(condemned.worker)

    def _go_on(self, condemned: Condemned, now: float) -> None:
        if not condemned.stacks_since:
            if now - condemned.since > WORD:
                self._ask_for_stacks(condemned, now)
            return
        if self._still_writes(condemned, now):
            return
        if self._has_another(condemned):
            self._acquit(condemned)  # the dispatcher has not answered, and its worker has
        elif not self._is_read(condemned, now):
            condemned.children = descendants(condemned.worker.pid)
            self.master.crew.kill(condemned.worker, condemned.reason, now)

    def _still_writes(self, condemned: Condemned, now: float) -> bool:
        """Whether a worker is given more time for its stacks."""
        if condemned.halted:
            return False
        written = self.master.crew.processes.stacks_written(condemned.worker)
        if written != condemned.written:
            condemned.written, condemned.written_at = written, now
        if written and now - condemned.written_at > QUIET:
            return False
        asked = now - condemned.stacks_since
        return asked <= SILENCE or (asked <= STACKS and (bool(written) or not self._is_deaf(condemned.worker)))

    def _is_deaf(self, worker: Worker) -> bool:
        """Whether one that has written nothing never will, and can be read. It may only lack a processor, as would who reads it."""
        return self.master.spies.program is not None and not is_about_to_take(worker.pid, SIGNAL)

    def _is_read(self, condemned: Condemned, now: float) -> bool:
        """Whether its stacks are being read from outside, as it has written none."""
        if condemned.written:
            return False
        if condemned.halted:
            return self.master.spies.is_at(condemned.worker)
        if not self._is_deaf(condemned.worker):
            return False
        condemned.halted = True
        self.master.crew.processes.halt(condemned.worker)
        return self.master.spies.send(condemned.worker, now, condemned.since + READ_BY)
