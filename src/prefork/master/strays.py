"""Processes that workers leave behind. As a child subreaper the master becomes their parent.

What is there in quiet times is a daemon that the application wanted, and lives until the stop. What appears with a worker's death
was that worker's, whichever session it had moved to, and ends with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.master.spawn import kill_group, strangers

if TYPE_CHECKING:
    from collections.abc import Iterable


class Strays:
    """`tolerated` pids are daemons, `doomed` ones have been killed."""

    def __init__(self) -> None:
        self.tolerated: set[int] = set()
        self.doomed: set[int] = set()

    def note(self, known: Iterable[int]) -> None:
        """Nobody has died: whoever is here now is a daemon. `known` are the server's own processes."""
        self.tolerated = set(strangers()).difference(known, self.doomed)

    def sweep(self, known: Iterable[int]) -> None:
        """A worker has died, or a process of one: whoever is new here was theirs."""
        for pid in set(strangers()).difference(known, self.tolerated, self.doomed):
            self.doomed.add(pid)
            kill_group(pid)

    def ended(self, pid: int) -> bool:
        """A process has been reaped; whether it was a doomed one, so that its own children are here now."""
        self.tolerated.discard(pid)
        if pid in self.doomed:
            self.doomed.remove(pid)
            return True
        return False
