"""The bus in a worker with an event loop: reads what is published, once for all who listen there, and hands it to them.

NOTIFY is the doorbell, the table is the letter: each ring is one query, from the last position on. A slow poll covers rings that
were lost. An outage of the database ends nothing: the hub comes back and reads on from where it was.
"""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Callable

from prefork.bus.audience import Audience
from prefork.store import bus, schema
from prefork.store.connection import Unavailable, connect, connect_in_loop, translated

if TYPE_CHECKING:
    from prefork.bus.audience import Deliveries, Subscriber
    from prefork.store.address import Address
    from prefork.store.connection import AsyncConnection

PAGE = 500  # messages that are read at once
POLL = 5.0  # seconds after which it looks, whether the bell rang or not
FIRST, CAP = 0.1, 5.0  # seconds between two attempts to reach the database
FORGETTING = 30.0  # seconds between two deletions of old messages,
MORE = 1.0  # and where one did not delete all of them
KEPT = bus.Kept(86_400.0, 1_000_000)


class Hub:
    """One for each worker. `tell` hears of outages, as an event's name and fields. All methods are called in its loop."""

    def __init__(
        self,
        where: Address | None,
        title: str = "prefork bus",
        tell: Callable[..., Any] = lambda *_, **__: None,
        kept: bus.Kept = KEPT,
    ) -> None:
        self.where = where
        self.title = title
        self.tell = tell
        self.kept = kept
        self.name = f"{title} {uuid.uuid4()}"
        self.audience = Audience()
        self.rung = False  # since the last look
        self.called: asyncio.Event | None = None  # something is to be done, while it runs
        self.reached: asyncio.Future[None] | None = None  # who waits for the first contact with the database
        self.failures = 0  # attempts in a row
        self.offline_since = 0.0
        self.tend_at = 0.0  # when to say that it is there,
        self.forget_at = 0.0  # to delete what is old,
        self.remind_at = time.monotonic() + kept.age / 4  # and to tell everybody how far it is

    def attach(self, subscriber: Subscriber, channels: frozenset[str], last: int | None) -> int:
        """Have somebody hear of these channels what comes after `last`, without one from now on; returns that position.

        Who is attached already listens to these channels instead, without `last` from where it is. Raises Unavailable where the
        database has not been reached yet and there is no `last`.
        """
        position = self.audience.position(subscriber) if last is None else last
        if position is None:
            raise Unavailable("the bus is not there yet, as its database has not been reached; try again in a few seconds")
        self.audience.enter(subscriber, channels, position)
        self._call()
        return position

    def detach(self, subscriber: Subscriber) -> None:
        """Let somebody go, if it is there."""
        self.audience.leave(subscriber)

    async def run(self, reached: asyncio.Future[None] | None = None) -> None:
        """Read until it is cancelled; `reached` has a result from when on anybody can be attached."""
        self.called = asyncio.Event()
        self.reached = reached
        while True:
            try:
                await self._serve()
            except Exception as error:  # noqa: BLE001 - a hub that ended because of it would leave everybody without messages
                await asyncio.sleep(self._failed(error))

    async def _serve(self) -> None:
        """Read as long as the database lets us."""
        await asyncio.to_thread(self._prepare)
        connection = await connect_in_loop(self.where, self.title)
        listener = connection
        try:
            with translated():
                if self.where and self.where.listen:
                    listener = await connect_in_loop(self.where, f"{self.title} listen", direct=True)
                listener.add_notify_handler(self._ring)
                await bus.listen(listener)
                await self._follow(connection, listener)
        except asyncio.CancelledError:
            with suppress(Exception):
                await bus.retire(connection, self.name)
            raise
        finally:
            for each in {connection, listener}:
                await each.close()

    def _prepare(self) -> None:
        with connect(self.where, self.title) as connection, translated():
            schema.prepare(connection)

    async def _follow(self, connection: AsyncConnection, listener: AsyncConnection) -> None:
        """Read what there is, wait for more."""
        if self.audience.head is None:
            self.audience.head = await bus.head(connection)
            if self.reached and not self.reached.done():
                self.reached.set_result(None)
        self.audience.doubt()
        self.rung = True  # whatever rang before we listened
        self.tend_at = 0.0
        while True:
            if self.rung:
                await self._hear(connection)
            if self.audience.behind:
                await self._catch_up(connection)
            if time.monotonic() >= self.tend_at:
                await self._tend(connection)
            if not self._pressed(listener):
                await self._wait(listener)

    async def _hear(self, connection: AsyncConnection) -> None:
        assert self.audience.head is not None
        self.rung = False
        page = await bus.read(connection, [self.audience.head], self.audience.channels, PAGE)
        self._note_success()
        self.rung |= page.until < page.head
        self._deliver(self.audience.hear(page))

    async def _catch_up(self, connection: AsyncConnection) -> None:
        page = await bus.read(connection, *self.audience.ask(), PAGE)
        self._deliver(self.audience.catch_up(page))

    async def _tend(self, connection: AsyncConnection) -> None:
        """What is due once in a while, and a look for messages whose ring was lost."""
        now = time.monotonic()
        self.tend_at = now + POLL
        self.rung = True
        await bus.beat(connection, self.name, self.audience.slowest())
        await bus.sweep(connection)
        if now >= self.forget_at:
            forgotten = await bus.forget(connection, self.kept)
            if forgotten < bus.AT_ONCE:
                self.forget_at = now + FORGETTING * random.uniform(0.5, 1.5)  # noqa: S311
            else:
                self.tend_at = now + MORE
            await bus.bury(connection)
        if now >= self.remind_at:
            self.remind_at = now + self.kept.age / 4
            self._deliver(self.audience.remind())

    def _pressed(self, listener: AsyncConnection) -> bool:
        """Whether there is something to do already: a ring may have come together with an answer."""
        assert self.called
        self.called.clear()
        while listener.pgconn.notifies():
            self.rung = True
        return self.rung or bool(self.audience.behind)

    async def _wait(self, listener: AsyncConnection) -> None:
        """Until the bell rings, somebody is behind, or a while has passed. The driver itself watches its socket only in a query."""
        assert self.called
        loop, descriptor = asyncio.get_running_loop(), listener.fileno()
        loop.add_reader(descriptor, self.called.set)
        # Not wait_for: before Python 3.12 it forgets that it was cancelled when what it waits for happens at that moment.
        timer = loop.call_later(max(0.0, self.tend_at - time.monotonic()), self.called.set)
        try:
            await self.called.wait()
        finally:
            timer.cancel()
            loop.remove_reader(descriptor)
        listener.pgconn.consume_input()
        self._pressed(listener)

    def _deliver(self, deliveries: Deliveries) -> None:
        for subscriber, messages in deliveries.items():
            if subscriber not in self.audience.seats:
                continue
            try:
                subscriber.deliver(messages)
            except Exception as error:  # noqa: BLE001 - one's failure is not the others'
                self.detach(subscriber)
                context = {"message": f"{subscriber!r} failed to take messages and is detached from the bus", "exception": error}
                asyncio.get_running_loop().call_exception_handler(context)

    def _ring(self, _notify: object) -> None:
        self.rung = True

    def _call(self) -> None:
        if self.called:
            self.called.set()

    def _note_success(self) -> None:
        if self.failures:
            self.failures = 0
            self.tell("bus_reachable", seconds=time.monotonic() - self.offline_since)

    def _failed(self, error: Exception) -> float:
        """Tell of an outage when it begins; returns the seconds until the next attempt, at random so that not all try at once."""
        if not self.failures:
            self.offline_since = time.monotonic()
            reason = str(error) if isinstance(error, Unavailable) else f"{type(error).__name__}: {error}"
            self.tell("bus_unreachable", reason=reason)
        self.failures += 1
        longest: float = min(CAP, FIRST * 2 ** min(self.failures, 10))
        return random.uniform(longest / 2, longest)  # noqa: S311 - not a secret
