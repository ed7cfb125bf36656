"""Processes that workers leave behind. As a child subreaper the master becomes their parent.

What is there in quiet times is a daemon that the application wanted, and lives until the stop. What appears with a worker's death
was that worker's, whichever session it had moved to, and ends with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.master.spawn import kill_group, strangers

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet


class Strays:
    """`tolerated` pids are daemons, `doomed` ones have been killed; `orphaned`: somebody has died who may have had children."""

    def __init__(self) -> None:
        self.tolerated: set[int] = set()
        self.doomed: set[int] = set()
        self.orphaned = False

    def bereave(self, pid: int | None = None) -> None:
        """A worker has died, or a process (`pid`) that was no worker."""
        self.tolerated.discard(pid or 0)
        self.orphaned = self.orphaned or pid is None or pid in self.doomed
        self.doomed.discard(pid or 0)

    def step(self, own: AbstractSet[int]) -> None:
        """Look at who is here beside the server's own processes. Not while a worker is being forked: it would look like a stray."""
        here = set(strangers()) - own
        if not self.orphaned:
            self.tolerated = here - self.doomed
            return
        self.orphaned = False
        for pid in here - self.tolerated - self.doomed:
            self.doomed.add(pid)
            kill_group(pid)
