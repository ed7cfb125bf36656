"""Looks at a database for what to do about it, and does it where that is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.doctor import plan
from prefork.doctor.probes.database import understood
from prefork.store import upkeep
from prefork.store.address import Address
from prefork.store.examination import Examination

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prefork.doctor.plan import Step


def steps(dsn: str, what: str) -> list[Step]:
    """The plan for `vacuum`, `indexes` or `archive`. Raises Unavailable."""
    seen = Examination(Address(dsn, prepare=None))
    try:
        database = understood(seen)
        if what == "vacuum":
            return list(plan.vacuum(database))
        if what == "archive":
            return list(plan.archive(database))
        named = ({"name": table.rpartition(".")[2], "field": field} for table, field in plan.fields(database))
        return list(plan.indexes(database, [plan.Use.of(seen.row("uses", each)) for each in named]))
    finally:
        seen.close()


def carry_out(dsn: str, planned: Sequence[Step], seconds: float) -> Iterator[tuple[str, str]]:
    """Each statement, when it is done, with why not if it could not be. Raises Unavailable."""
    return upkeep.run(Address(dsn, prepare=None), (step.statement for step in planned), seconds)
