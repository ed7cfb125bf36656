"""Where messages come from: what a hub has to do for its subscribers, and the one of a server whose bus is off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from prefork.store.connection import Unavailable

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence


# Something published: its position, which grows with every message of the bus, its channel, and its payload, which is JSON. On the
# channel without a name the bus itself speaks.
Message = tuple[int, str, bytes]


class Subscriber(Protocol):
    """Somebody who listens."""

    def deliver(self, messages: Sequence[Message]) -> None:
        """Take what is new, in order. Called in the loop; must not wait."""


class Hub(Protocol):
    """Reads on for all subscribers of a worker."""

    async def run(self, reached: asyncio.Future[None]) -> None:
        """Read until cancelled; `reached` has a result from when on anybody can be attached."""

    def attach(self, subscriber: Subscriber, channels: frozenset[str], last: int | None) -> int:
        """Have somebody hear these channels, and no others, from behind position `last` on; None is now.

        Returns the position from which it will hear. Raises Unavailable.
        """

    def detach(self, subscriber: Subscriber) -> None:
        """Let somebody go, if it is there."""


OFF = "the bus is off, there is nothing to subscribe to"


class Silent:
    """The hub of a server whose bus is off."""

    async def run(self, reached: asyncio.Future[None]) -> None:
        """There is nothing to read."""

    def attach(self, subscriber: Subscriber, channels: frozenset[str], last: int | None) -> int:  # noqa: ARG002 - a hub's
        """Nobody can."""
        raise Unavailable(OFF)

    def detach(self, subscriber: Subscriber) -> None:
        """Nobody is there."""
