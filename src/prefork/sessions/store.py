"""What a store of sessions has to do: the contract that files, Redis and PostgreSQL fulfil.

A store knows ids and bytes, nothing of what they mean. Whatever keeps it from working is Unavailable: a session that cannot be read
is not an empty one. Each call is safe from several threads, and in a process that was forked after the store was made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Protocol

if TYPE_CHECKING:
    Change = Callable[[bytes], bytes]


class Unavailable(Exception):
    """The store cannot be used now; the sentence says why."""


class Store(Protocol):
    """Sessions by id. Times are seconds from now. Every method raises Unavailable."""

    shared: bool  # whether other processes see the same sessions

    def load(self, key: str) -> bytes | None:
        """What is kept, unless it has expired."""

    def create(self, key: str, payload: bytes, seconds: float) -> None:
        """Keep a new session for so long."""

    def update(self, key: str, change: Change, seconds: float) -> bool:
        """Replace what is kept by what `change` makes of it, with nobody in between; False where nothing is kept any more."""

    def delete(self, key: str) -> None:
        """Forget a session."""

    def collect(self, most: int | None = None) -> int:
        """Remove what has expired and say how many that were; with `most`, look into a part only and remove no more than that."""
