"""The workers that are wanted are kept: what `fleet.plan` says is done for each pool, and what becomes of starts that fail."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prefork.events import CrashLoop, ServerReady
from prefork.kernel import return_memory
from prefork.master.fleet import Drop, Fork, Retire, State, plan
from prefork.master.status import line

if TYPE_CHECKING:
    from prefork.master.fleet import Wanted, Worker
    from prefork.master.loop import Master
    from prefork.master.supply import Supply


class Staffing:
    """`complete`: all that were wanted have been ready once."""

    def __init__(self, master: Master) -> None:
        self.master = master
        self.complete = False

    def step(self, now: float) -> None:
        """Start, retire and end workers as they are wanted, and note when all of them are there."""
        for supply in self.master.supplies.values():
            self._keep_up(supply, now)
        self._note_completeness(now)

    def _keep_up(self, supply: Supply, now: float) -> None:
        crew = self.master.crew
        workers = supply.of(crew.all())
        for worker in workers:
            if worker.state is State.READY:
                supply.backoff.lives(worker.born, worker.since, now)
        for action in plan(workers, self._wanted(supply), now):
            if isinstance(action, Fork):
                self._fork(supply, now)
            elif isinstance(action, Retire):
                crew.retire(action.worker, action.reason, now)
            elif isinstance(action, Drop):
                crew.drop(action.worker, now)
            else:
                self.master.enforcer.end(action.worker, action.cause, action.reason, now)

    def _wanted(self, supply: Supply) -> Wanted:
        """Those that the dispatcher feeds are wanted until it has drained, others until the stop begins."""
        master = self.master
        leaving = master.stopping is not None and (master.stopping.drained or not supply.pool.fed)
        return supply.wanted(master.generation, master.settings.boot_timeout, leaving=leaving, cramped=master.guard.cramped)

    def _fork(self, supply: Supply, now: float) -> None:
        generation = self.master.templates.generations.get(self.master.generation)
        if generation and generation.loaded:
            self.master.crew.fork(supply.pool, generation, now)

    def _note_completeness(self, now: float) -> None:
        master, crew = self.master, self.master.crew
        ready = crew.ready()
        if not master.generation or not all(supply.complete(ready, master.generation) for supply in master.supplies.values()):
            return
        if not self.complete:
            self.complete = True
            master.journal.emit(ServerReady(now - master.started, len(ready)))
            master.notifier.ready(line(master))
            return_memory()  # what the command line and the start have needed
        old = any(worker.generation != master.generation for worker in ready)
        hidden = any(worker.state is State.RETIRING and worker.reachable for worker in crew.all())
        if master.reloading and master.reloading.switched and not old and not hidden:
            master.reloading.done(master, now)
            return_memory()

    def failing(self) -> bool:
        """Whether the last starts of a pool have failed."""
        return any(supply.backoff.failures for supply in self.master.supplies.values())

    def failed(self, worker: Worker, said: str | None) -> None:
        """A worker could not get ready, or died as soon as it was."""
        master = self.master
        if master.reloading and master.reloading.switched and worker.generation == master.generation:
            master.reloading.failed(master, f"worker {worker.name} of generation {worker.generation} could not get ready", said)
            return
        now, backoff = time.monotonic(), master.supplies[worker.pool.name].backoff
        delay = backoff.failed(now, said)
        if delay:
            master.journal.emit(CrashLoop(backoff.failures, delay, backoff.first))
        timed_out = now - worker.born > master.settings.boot_timeout
        hopeless = backoff.hopeless or timed_out
        if hopeless and not self.complete and not master.crew.ready() and not master.settings.dev:
            master.give_up("no worker could get ready")
