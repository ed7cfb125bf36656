"""A process beside the workers on which nothing depends: there is one at most, and it is killed without ado.

Whose it is says when one is wanted, what it is told, and what its death means; here is how it comes and goes.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from prefork.master.backoff import Backoff
from prefork.master.spawn import kill_group

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.master.loop import Master
    from prefork.master.spawn import Death, Helper, Owner


class Attendant:
    """`process` is there while one runs, since `started`; `leaving` are those that were dismissed and are not dead yet."""

    def __init__(self, master: Master) -> None:
        self.master = master
        self.process: Helper | None = None
        self.leaving: dict[int, Helper] = {}
        self.backoff = Backoff()
        self.started = 0.0

    def begin(self, make: Callable[[Owner, int], Helper], hear: Callable[[Helper], None], now: float) -> Helper:
        """Start one, and have what it says heard. Raises OSError when that cannot be executed."""
        self.started = now
        process = self.process = make(self.master.owner, self.master.log)
        self.master.hear(process.channel.wire, partial(hear, process))
        return process

    def dismiss(self) -> None:
        """Have none any more. What it keeps is whole at any moment, so it is simply killed."""
        if self.process:
            process = self._let_go()
            kill_group(process.pid)
            self.leaving[process.pid] = process

    def owns(self, pid: int) -> bool:
        """Whether a process is this one, or was."""
        return pid in self.leaving or (self.process is not None and self.process.pid == pid)

    def bury(self, death: Death) -> bool:
        """One is dead; whether it was still wanted."""
        if death.pid in self.leaving:
            self.leaving.pop(death.pid).buried(death.code)
            return False
        kill_group(death.pid)
        self._let_go().buried(death.code)
        return True

    def _let_go(self) -> Helper:
        assert self.process
        process, self.process = self.process, None
        self.master.unhear(process.channel.wire)
        process.channel.close()
        return process
