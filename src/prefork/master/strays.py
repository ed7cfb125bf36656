"""Processes that workers leave behind. As a child subreaper the master becomes their parent.

What is there in quiet times is a daemon that the application wanted, and lives until the stop. What appears with a worker's death
was that worker's, whichever session it had moved to, and ends with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.master.spawn import kill_group, strangers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from collections.abc import Set as AbstractSet


class Strays:
    """`tolerated` pids are daemons, `doomed` ones have been killed; `orphaned`: somebody has died who may have had children.

    One that was not there at the last look is `new`: its parent's death may be known only by the next one.
    """

    def __init__(self, here: Callable[[], Iterable[int]] = strangers, kill: Callable[[int], None] = kill_group) -> None:
        self.here = here
        self.kill = kill
        self.new: set[int] = set()
        self.tolerated: set[int] = set()
        self.doomed: set[int] = set()
        self.orphaned = False

    def bereave(self, pid: int | None = None) -> None:
        """A worker has died, or a process (`pid`) that was no worker."""
        self.orphaned = self.orphaned or pid is None or pid in self.doomed
        if pid is not None:
            for pids in (self.new, self.tolerated, self.doomed):
                pids.discard(pid)

    def unknown(self, own: AbstractSet[int]) -> set[int]:
        """Who is here beside our own processes and daemons. Not while a worker is being forked: it would look like a stray."""
        return set(self.here()) - own - self.tolerated - self.doomed

    def step(self, own: AbstractSet[int]) -> None:
        """Look at who is here, and kill who came with a death."""
        unknown = self.unknown(own)
        if self.orphaned:
            self.orphaned = False
            self.new = set()
            for pid in unknown:
                self.doomed.add(pid)
                self.kill(pid)
        else:
            self.tolerated |= unknown & self.new
            self.new = unknown - self.tolerated
