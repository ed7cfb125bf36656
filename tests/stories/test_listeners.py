"""The bus over WebSockets of a real server: through recyclings, a restart of the database and a reload nobody misses anything."""

import asyncio
import json
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from facts import await_fact
from publishing import Publisher, channel
from tests.applications.postgres import Postgres
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from prefork.testing import Server

APPS = Path(__file__).parent / "apps"
LISTENERS, CHANNELS, EACH, MESSAGES, RATE = 1_000, 100, 5, 20_000, 300
BACK_WITHIN = 1.0  # seconds after which a client comes back, at the latest
LONG = 300.0  # seconds for what takes a busy machine a while


class Listener:
    """A client that comes back with its last position. `ends` counts what its connections ended with."""

    def __init__(self, channels: list[str], ends: Counter[object]) -> None:
        self.channels = channels
        self.ends = ends
        self.began: int | None = None
        self.heard: list[int] = []
        self.socket: ClientConnection | None = None
        self.over = False

    async def listen(self, address: str) -> None:
        """Be there until told to leave."""
        while not self.over:
            try:
                async with connect(address, compression=None, ping_interval=None, open_timeout=LONG) as self.socket:
                    last = self.heard[-1] if self.heard else self.began
                    await self.socket.send(json.dumps({"subscribe": self.channels, "last": last}))
                    async for said in self.socket:
                        self.hear(json.loads(said))
            except ConnectionClosed as closed:
                self.ends[closed.rcvd.code if closed.rcvd else 1006] += 1
            except (OSError, InvalidHandshake) as error:
                self.ends[str(error)] += 1
            await asyncio.sleep(random.uniform(0, BACK_WITHIN))

    async def leave(self) -> None:
        self.over = True
        if self.socket:
            await self.socket.close()

    def hear(self, said: dict[str, Any]) -> None:
        assert "error" not in said, said
        if self.began is None and "subscribed" in said:
            self.began = said["position"]
        self.heard += [message["position"] for message in said.get("messages", ()) if message["channel"]]


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[Postgres]:
    made = Postgres(Path(sys.prefix), tmp_path / "data")
    made.create()
    with made:
        yield made


@pytest.fixture
def server(postgres: Postgres) -> Iterator[Server]:
    own = {"workers": 1, "websocket_workers": 2, "bus": True, "websocket_authorize": "listened:authorize", "access_log": False}
    with Server("listened:app", APPS, store_dsn=f"{postgres.uri}postgres", **own) as server:
        yield server


async def fact(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(LONG):
        while not true():  # noqa: ASYNC110 - what is waited for knows of no loop
            await asyncio.sleep(0.05)


def recycle(server: Server) -> None:
    """Have every websocket worker replaced by another one."""
    for pid in [worker["pid"] for worker in server.status()["workers"] if worker["pool"] == "websocket"]:
        assert server.ask({"command": "retire", "pid": pid})["ok"]
        await_fact(lambda pid=pid: pid not in [worker["pid"] for worker in server.status()["workers"]], f"no {pid}", server, LONG)


@pytest.mark.story
@pytest.mark.timeout(1800)
def test_whatever_happens_everybody_hears_every_message_once_and_in_order(
    server: Server, postgres: Postgres, record_property: Callable[[str, object], None]
) -> None:
    chance = random.Random(3)
    ends: Counter[object] = Counter()
    listeners = [Listener([channel(number) for number in chance.sample(range(CHANNELS), EACH)], ends) for _ in range(LISTENERS)]
    publisher = Publisher(f"{postgres.uri}postgres", MESSAGES, CHANNELS, RATE)
    happenings: list[Callable[[], object]] = [lambda: recycle(server), postgres.restart, lambda: recycle(server), server.reload]

    async def tell() -> None:
        address = f"ws://127.0.0.1:{server.port}/websocket"
        running = asyncio.gather(*(listener.listen(address) for listener in listeners))
        await until(running, fact(lambda: all(listener.began is not None for listener in listeners)))
        publisher.start()
        for number, happens in enumerate(happenings, 1):
            due = MESSAGES * number // (len(happenings) + 1)
            await until(running, fact(lambda due=due: publisher.published >= due))
            await until(running, asyncio.to_thread(happens))
        await until(running, fact(lambda: not publisher.is_alive()))
        wanted = await asyncio.to_thread(expected)
        await until(running, fact(lambda: all(len(each.heard) >= len(due) for each, due in zip(listeners, wanted, strict=True))))
        await asyncio.gather(*(listener.leave() for listener in listeners))
        await running
        assert [listener.heard for listener in listeners] == wanted

    def expected() -> list[list[int]]:
        published: dict[str, list[int]] = defaultdict(list)
        with psycopg.connect(f"{postgres.uri}postgres") as connection:
            for position, name in connection.execute("SELECT position, channel FROM prefork.messages ORDER BY position"):
                published[name].append(position)
        return [
            sorted(position for name in listener.channels for position in published[name] if position > listener.began)
            for listener in listeners
        ]

    asyncio.run(tell())
    assert set(ends) == {1012}, "nobody was refused, cut off or too slow"
    record_property("messages", MESSAGES)
    record_property("deliveries", sum(len(listener.heard) for listener in listeners))
    record_property("reconnections", sum(ends.values()))


async def until(running: asyncio.Future[Any], what: Awaitable[object]) -> None:
    """Wait for something, unless one of the listeners fails."""
    waited = asyncio.ensure_future(what)
    await asyncio.wait((running, waited), return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        waited.cancel()
        running.result()
    await waited
