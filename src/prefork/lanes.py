"""A lane: a class of routes with workers of its own.

How the option `lanes` is written is config's business, what a lane means for a request the dispatcher's.
"""

from __future__ import annotations

from typing import NamedTuple

REST = "default"  # the lane of every request that no other lane fits


class Lane(NamedTuple):
    """A class of routes. `patterns` are paths in which `*` stands for anything; `limit` is None where there is none."""

    name: str
    patterns: tuple[str, ...]
    reserved: int
    limit: int | None

    def __str__(self) -> str:
        return f"{self.name}:{'|'.join(self.patterns)}:{self.workers()}"

    def workers(self) -> str:
        """How many workers it may have, `2` at the least or `2-3`."""
        return str(self.reserved) if self.limit is None else f"{self.reserved}-{self.limit}"
