"""The two sides of the bus scenario: `listen COUNT`, a hub with its subscribers until they have heard so many messages, which then
prints when each was published and heard; and `publish COUNT RATE`, so many a second, or 0 for as fast as one connection can."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import TYPE_CHECKING

import psycopg

import prefork
from prefork.bus.hub import Hub
from prefork.store.address import address

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from prefork.store.bus import Message

CHANNELS, SUBSCRIBERS = 50, 5  # of each channel in one hub


class Subscriber:
    """Notes for each message when it was published, which stands in it, and now."""

    def __init__(self, heard: list[tuple[float, float]]) -> None:
        self.heard = heard

    def deliver(self, messages: Sequence[Message]) -> None:
        """See `Hub`."""
        now = time.monotonic()
        self.heard += [(float(message.payload), now) for message in messages]


async def listen(count: int) -> None:
    """Be a worker's hub."""
    heard: list[tuple[float, float]] = []
    hub = Hub(address())
    running = asyncio.create_task(hub.run())
    await until(lambda: hub.audience.head is not None)
    for number in range(CHANNELS * SUBSCRIBERS):
        hub.attach(Subscriber(heard), frozenset({f"channel.{number % CHANNELS}"}), None)
    await until(lambda: not hub.audience.behind)
    print("ready", flush=True)
    await until(lambda: len(heard) >= count * SUBSCRIBERS)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    print("\n".join(f"{published} {arrived}" for published, arrived in heard))


async def until(true: Callable[[], bool]) -> None:
    """Wait for a fact."""
    while not true():  # noqa: ASYNC110 - a hub tells its subscribers of messages, and nobody of itself
        await asyncio.sleep(0.02)


def publish(count: int, rate: int) -> None:
    """Publish, each message in a transaction of its own."""
    began = time.monotonic()
    with psycopg.connect(os.environ["PREFORK_STORE_DSN"], autocommit=True) as connection:
        for number in range(count):
            if rate:
                time.sleep(max(0.0, began + number / rate - time.monotonic()))
            prefork.bus.publish(connection, f"channel.{number % CHANNELS}", time.monotonic())


if __name__ == "__main__":
    if sys.argv[1] == "listen":
        asyncio.run(listen(int(sys.argv[2])))
    else:
        publish(int(sys.argv[2]), int(sys.argv[3]))
