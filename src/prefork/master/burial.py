"""Children that have ended: each is told to whoever it belonged to, and what a worker leaves behind goes to its heirs."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from prefork.events import StrangerReaped
from prefork.master.backoff import SETTLED
from prefork.master.spawn import deaths, deaths_of, is_child
from prefork.master.strays import Strays
from prefork.meters import descendants

if TYPE_CHECKING:
    from prefork.master.fleet import Worker
    from prefork.master.loop import Master
    from prefork.master.spawn import Death


class Burial:
    """`due`: children have ended and are not buried yet."""

    def __init__(self, master: Master) -> None:
        self.master = master
        self.due = False
        self.strays = Strays()

    def step(self) -> None:
        """Bury who has ended, and look for who was left behind."""
        if self.due:
            self._sweep()
        if not self.master.crew.forking():
            self.strays.step(self._own())

    def is_unknown(self, pid: int) -> bool:
        """Whether this is a child of ours that we have not started: an application's, or a worker of which we hear only now."""
        return is_child(pid) and pid not in self._own()

    def _sweep(self) -> None:
        master = self.master
        for death in deaths():
            if self._told(death):
                continue
            if master.crew.forking():
                # It may be the worker whose pid is about to be told: swept again in the next step. Those behind it do not wait.
                for other in deaths_of(self._own() - {0}):
                    self._told(other)
                return
            self.strays.bereave(death.pid)
            master.journal.emit(StrangerReaped(death.pid, death.how()))
        self.due = False

    def _told(self, death: Death) -> bool:
        """Tell whoever it belonged to; False where nobody is known."""
        master = self.master
        worker = next((worker for worker in master.crew.all() if worker.pid == death.pid), None)
        generation = master.templates.of(death.pid)
        if worker:
            self._bury(worker, death)
        elif generation:
            master.templates.died(generation, death)
        elif master.front.process and master.front.process.pid == death.pid:
            master.front.died(master.front.process, death)
        elif death.pid in master.templates.leaving:
            master.templates.buried(death)
        elif master.watch.owns(death.pid):
            master.watch.died(death)
        elif master.console.owns(death.pid):
            master.console.died(death)
        elif death.pid in master.spies.pids():
            master.spies.died(death)
        elif master.database.owns(death.pid):
            master.database.died(death)
        else:
            return False
        return True

    def _bury(self, worker: Worker, death: Death) -> None:
        master = self.master
        # They are our children by now; the burial kills those of its group.
        orphans = set() if master.crew.forking() else self.strays.unknown(self._own())
        children = descendants(os.getpid(), orphans) if orphans else []
        self.strays.bereave()
        remains = master.crew.bury(worker, death, settled=time.monotonic() - worker.since > SETTLED)
        condemned, gauge = master.enforcer.farewell(worker.pid)
        if remains:
            master.inquest.open(remains, condemned, gauge, children)
        else:
            master.inquest.forget(worker)
        master.fuses.detach(worker.pid, time.monotonic())

    def _own(self) -> set[int]:
        """The server's own processes, as far as they are our children."""
        master = self.master
        helpers = [
            *master.templates.running(),
            *filter(None, [master.front.process, master.watch.process, master.console.process]),
        ]
        database = [master.database.process.pid] if master.database.process else []
        return {
            *(worker.pid for worker in master.crew.all()),
            *(helper.pid for helper in helpers),
            *master.templates.leaving,
            *master.watch.leaving,
            *master.console.leaving,
            *master.spies.pids(),
            *database,
        }
