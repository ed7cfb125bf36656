"""The workers' processes: how they are reached by signals, and the stacks that they write.

A pidfd means one process and no later one with its pid. Who is started, and who has to end, is decided elsewhere.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from prefork.kernel import STACKS
from prefork.master.slate import Slate
from prefork.master.spawn import hasten

if TYPE_CHECKING:
    from prefork.master.fleet import Worker


class Processes:
    """`pidfds` and `slates` are by the workers' first places."""

    def __init__(self) -> None:
        self.pidfds: dict[int, int] = {}
        self.slates: dict[int, Slate] = {}

    def expect(self, worker: Worker) -> int:
        """A worker is about to be forked: the descriptor for its stacks, which it gets. Raises OSError."""
        slate = self.slates[worker.slot] = Slate()
        return slate.descriptor

    def open(self, worker: Worker) -> None:
        """A worker has got its pid. Raises OSError."""
        self.pidfds[worker.slot] = os.pidfd_open(worker.pid)

    def close(self, worker: Worker) -> None:
        """Let go of a worker, as far as it was there."""
        if worker.slot in self.slates:
            self.slates.pop(worker.slot).close()
        if worker.slot in self.pidfds:
            os.close(self.pidfds.pop(worker.slot))

    def ask_for_stacks(self, worker: Worker) -> None:
        """Have a worker write what its threads do; a stopped one does not, until it goes on."""
        if worker.slot not in self.pidfds:
            return
        self.clear_stacks(worker)
        self._signal(worker, STACKS)

    def clear_stacks(self, worker: Worker) -> None:
        """Forget what a worker has written, so that it is not taken for its last words."""
        self.slates[worker.slot].wipe()

    def keep_stacks(self, worker: Worker, stacks: str) -> None:
        """Take what somebody else has found for what a worker has written."""
        self.slates[worker.slot].keep(stacks)

    def stacks_written(self, worker: Worker) -> int:
        """How many bytes of its stacks a worker has written."""
        return self.slates[worker.slot].written()

    def stacks_of(self, worker: Worker) -> str:
        """What a worker has written."""
        return self.slates[worker.slot].text()

    def hasten(self, worker: Worker) -> None:
        """Let a worker that is to end stand back for others no more."""
        hasten(worker.pid)

    def halt(self, worker: Worker) -> None:
        """Stop a worker where it is. Its children go on: they end with it."""
        self._signal(worker, signal.SIGSTOP)

    def let_go_on(self, worker: Worker) -> None:
        """Undo a halt."""
        self._signal(worker, signal.SIGCONT)

    def _signal(self, worker: Worker, number: int) -> None:
        try:
            signal.pidfd_send_signal(self.pidfds[worker.slot], number)
        except ProcessLookupError:
            pass
