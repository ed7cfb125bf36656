"""The bus under everything that happens to it at once: nobody misses a message, hears one twice, or two in the wrong order."""

import asyncio
import random
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from publishing import Publisher, channel
from tests.applications.postgres import Postgres
from tests.store.listening import Ear, fact, running

from prefork.bus.hub import Hub
from prefork.store import schema
from prefork.store.address import Address


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[Postgres]:
    made = Postgres(Path(sys.prefix), tmp_path / "data")
    made.create()
    with made:
        yield made


class Listener(Ear):
    """Somebody who comes back with the last position, to whichever hub there is."""

    def __init__(self, channels: frozenset[str]) -> None:
        super().__init__()
        self.channels = channels
        self.last: int | None = None

    def attach(self, hub: Hub) -> None:
        position = hub.attach(self, self.channels, self.heard[-1].position if self.heard else self.last)
        self.last = position if self.last is None else self.last


@pytest.mark.story
@pytest.mark.timeout(240)
def test_two_hubs_that_are_replaced_and_a_database_that_restarts_lose_and_repeat_nothing(postgres: Postgres, full: bool) -> None:
    subscribers, channels, messages = (1000, 100, 20_000) if full else (200, 20, 1_000)
    chance = random.Random(3)
    listeners = [Listener(frozenset(map(channel, chance.sample(range(channels), 5)))) for _ in range(subscribers)]
    dsn = postgres.uri + "postgres"
    publisher = Publisher(dsn, messages, channels)

    async def tell() -> None:
        publisher.start()
        for number in range(3):
            first, second = Hub(Address(dsn)), Hub(Address(dsn))
            async with running(first, second):
                for place, listener in enumerate(listeners):
                    listener.attach((first, second)[place % 2])
                await fact(lambda due=messages * (number + 1) // 4: publisher.published >= due)
                if number == 1:
                    await asyncio.to_thread(postgres.restart)
                if number == 2:
                    await fact(lambda: not publisher.is_alive())
                    await everything_is_heard()

    async def everything_is_heard() -> None:
        with psycopg.connect(dsn) as connection:
            for position, name in connection.execute("SELECT position, channel FROM prefork.messages ORDER BY position"):
                published[name].append(position)
        wanted = [due(listener) for listener in listeners]
        await fact(lambda: all(len(each.heard) >= len(positions) for each, positions in zip(listeners, wanted, strict=True)))
        assert [[message.position for message in each.heard] for each in listeners] == wanted

    def due(listener: Listener) -> list[int]:
        assert listener.last is not None
        return sorted(each for name in listener.channels for each in published[name] if each > listener.last)

    published: dict[str, list[int]] = defaultdict(list)
    with psycopg.connect(dsn, autocommit=True) as connection:
        schema.prepare(connection)
    asyncio.run(tell())
    assert sum(map(len, published.values())) > messages * 0.8
