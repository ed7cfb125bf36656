"""What a store of sessions has to do: the contract that files, Redis and PostgreSQL fulfil.

A store knows ids and fields, which are text by name, and nothing of what they mean. Whatever keeps it from working is Unavailable:
a session that cannot be read is not an empty one. Each call is safe from several threads, and in a process that was forked after
the store was made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection

    Fields = dict[str, str]


class Unavailable(Exception):
    """The store cannot be used now; the sentence says why."""


class Store(Protocol):
    """Sessions by id. Times are seconds from now. Every method raises Unavailable."""

    shared: bool  # whether other processes see the same sessions

    def load(self, key: str) -> Fields | None:
        """What is kept, unless it has expired; no fields where it has been ended and that is remembered."""

    def create(self, key: str, fields: Fields, seconds: float) -> None:
        """Keep a new session for so long."""

    def update(self, key: str, fields: Fields, gone: Collection[str], seconds: float) -> bool:
        """Write these fields, take out those and leave all others, with nobody in between, and keep it for so long from now.

        An ended session stays as it is. False where nothing is kept any more.
        """

    def end(self, key: str, seconds: float) -> bool:
        """Forget its fields, and remember for so long that it has ended; False where nothing is kept any more."""

    def delete(self, key: str) -> None:
        """Forget a session."""

    def collect(self, most: int | None = None) -> int:
        """Remove what has expired and say how many that were; with `most`, look into a part only and remove no more than that."""
