"""Hubs in an event loop, and somebody who listens to them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from prefork.bus.hub import Hub
from prefork.store.bus import Message

LONG = 30  # seconds until a test gives up


class Ear:
    """Notes what it hears."""

    def __init__(self) -> None:
        self.heard: list[Message] = []
        self._more = asyncio.Event()

    def deliver(self, messages: list[Message]) -> None:
        self.heard += messages
        self._more.set()

    @property
    def payloads(self) -> list[str]:
        return [message.payload.decode() for message in self.heard]

    async def until(self, fact: Callable[[list[Message]], bool]) -> None:
        """Wait until what was heard is as wanted."""
        while not fact(self.heard):
            self._more.clear()
            await asyncio.wait_for(self._more.wait(), LONG)

    async def hears(self, count: int) -> None:
        await self.until(lambda heard: len(heard) >= count)


@asynccontextmanager
async def running(*hubs: Hub) -> AsyncIterator[None]:
    """Have hubs run, from when each of them knows where it is."""
    tasks = [asyncio.create_task(hub.run()) for hub in hubs]
    try:
        for hub in hubs:
            await fact(lambda hub=hub: hub.audience.head is not None)
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def fact(true: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(LONG):
        while not true():  # noqa: ASYNC110 - what is waited for knows of no loop
            await asyncio.sleep(0.01)
