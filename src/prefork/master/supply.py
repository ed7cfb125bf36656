"""How many workers of a pool are wanted at this moment, and how their starts have fared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.master.backoff import Backoff
from prefork.master.fleet import Wanted
from prefork.master.pools import POOLS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from prefork.config import Settings
    from prefork.master.fleet import Worker
    from prefork.master.pools import Pool


class Supply:
    """`count` workers of the pool are wanted. Failed starts in one pool delay no start in another."""

    def __init__(self, pool: Pool, count: int) -> None:
        self.pool = pool
        self.count = count
        self.backoff = Backoff()

    def of(self, workers: Sequence[Worker]) -> list[Worker]:
        """Those that belong to the pool."""
        return self.pool.of(workers)

    def wanted(self, generation: int, boot_timeout: float, *, leaving: bool, cramped: bool) -> Wanted:
        """What `fleet.plan` compares with."""
        return Wanted(0 if leaving else self.count, generation, boot_timeout, self.backoff.not_before, cramped)

    def complete(self, ready: Sequence[Worker], generation: int) -> bool:
        """Whether all that are wanted are ready, in this generation."""
        return sum(worker.generation == generation for worker in self.of(ready)) >= self.count


def supplies(settings: Settings) -> dict[str, Supply]:
    """One for each pool, by its name."""
    return {pool.name: Supply(pool, pool.size(settings)) for pool in POOLS}


def counts(supplies: Mapping[str, Supply]) -> dict[str, int]:
    """How many are wanted, by the pools' names."""
    return {name: supply.count for name, supply in supplies.items()}


def sizes(settings: Settings) -> dict[str, int]:
    """How many the settings want, by the pools' names."""
    return {pool.name: pool.size(settings) for pool in POOLS}
