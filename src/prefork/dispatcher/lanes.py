"""Which lane a request belongs to. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.dispatcher.queue import UNLIMITED, Share
from prefork.http.paths import Paths
from prefork.lanes import REST

if TYPE_CHECKING:
    from prefork.lanes import Lane


class Lanes:
    """The declared lanes in their order, and behind them that of everything else."""

    def __init__(self, declared: tuple[Lane, ...]) -> None:
        self.declared = declared
        self.names = [*(lane.name for lane in declared), REST]
        self.shares = [*(Share(lane.reserved, lane.limit or UNLIMITED) for lane in declared), Share()]
        self.rest = len(declared)
        self.paths = Paths([lane.patterns for lane in declared])

    def of(self, target: bytes) -> int:
        """The number of the lane of a request target."""
        found = self.paths.find(target)
        return self.rest if found is None else found
