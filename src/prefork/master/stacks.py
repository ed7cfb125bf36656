"""The stacks of all workers, because somebody asked for them: every worker writes its own, and then whoever asked is told.

Those of a worker that writes none are read from outside where that is possible. It is not halted for that: nobody has condemned it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from prefork.events import Stacks
from prefork.master.fleet import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.master.fleet import Worker
    from prefork.master.loop import Master

WITHIN = 0.1  # seconds for a worker to write its stacks
READ_WITHIN = 1.0  # seconds for a spy to read them: nothing is held up meanwhile
SILENT = "it wrote nothing: it is stopped, hangs in the kernel, has taken the signal for itself, or has just begun"
UNREAD = f"{SILENT}. With prefork[stacks] its stacks are read from outside"


def state(worker: Worker) -> str:
    """What a worker does, in a word; in threaded mode, whether one of its threads is busy."""
    if worker.state is State.READY:
        return "busy" if worker.busy else "idle"
    return str(worker.state.value)


class Inquiry:
    """`asked` are to be told at the time `due`, or when the workers that are `read` from outside have been.

    Workers whose stacks are those of an incident are not asked again; one that is being forked has none yet.
    """

    def __init__(self, master: Master) -> None:
        self.master = master
        self.asked: list[Callable[[dict[str, Any]], None]] = []
        self.due = float("inf")
        self.read: list[Worker] = []

    def begin(self, answer: Callable[[dict[str, Any]], None]) -> None:
        """Have every worker write its stacks; `answer` hears of them as soon as they have had the time for it."""
        if not self.asked:
            for worker in self._untouched():
                self.master.crew.processes.ask_for_stacks(worker)
            self.due = time.monotonic() + WITHIN
        self.asked.append(answer)

    def step(self, now: float) -> None:
        """Say what the workers have written, when it is time."""
        if self.read:
            if not any(self.master.spies.is_at(worker) for worker in self.read):
                self._tell()
        elif now >= self.due:
            silent = [worker for worker in self._untouched() if not self.master.crew.processes.stacks_written(worker)]
            self.read = [worker for worker in silent if self.master.spies.send(worker, now, now + READ_WITHIN)]
            if not self.read:
                self._tell()

    def _tell(self) -> None:
        self.read, self.due = [], float("inf")
        processes = self.master.crew.processes
        silence = SILENT if self.master.spies.program else UNREAD
        said = [
            {"worker": worker.name, "pid": worker.pid, "state": state(worker), "stacks": processes.stacks_of(worker) or silence}
            for worker in self.master.crew.all()
            if worker.pid
        ]
        for worker in self._untouched():
            processes.clear_stacks(worker)
        for answer in self.asked:
            answer({"ok": True, "workers": said})
        self.asked.clear()

    def log(self, said: dict[str, Any]) -> None:
        """Write stacks to the log."""
        for worker in said["workers"]:
            self.master.journal.emit(Stacks(worker["worker"], worker["pid"], worker["stacks"]))

    def _untouched(self) -> list[Worker]:
        return [worker for worker in self.master.crew.all() if worker.pid and worker.pid not in self.master.enforcer.condemned]
