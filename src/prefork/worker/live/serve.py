"""The body of a websocket worker: puts its parts together."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

from prefork import given
from prefork.bus.hub import Hub as Bus
from prefork.store.address import address
from prefork.store.bus import Kept
from prefork.worker.asgi.tasks import write_with_stacks
from prefork.worker.live.authority import Authority
from prefork.worker.live.called import Called
from prefork.worker.live.guests import Terms, bounded
from prefork.worker.live.hosted import Hosted
from prefork.worker.live.hub import OFF, Silent
from prefork.worker.live.keeper import Keeper
from prefork.worker.live.lent import Missing, event_loop, framing
from prefork.worker.offspring import family
from prefork.worker.output import complain
from prefork.worker.traces import trace

if TYPE_CHECKING:
    import socket
    from typing import Callable

    from prefork.scoreboard import Slot
    from prefork.worker.asgi.lifespan import App
    from prefork.worker.live.called import Application
    from prefork.worker.live.hub import Hub
    from prefork.worker.output import Output

REACH_WITHIN = 2.0  # seconds that the bus has to reach its database before the worker is ready without it
AGAIN = 1.0  # seconds after which a hub that failed is started again


def prepare(
    orders: dict[str, Any],
    authorize: Callable[..., Any] | None,
    output: Output,
    tell: Callable[..., Any],
    app: App | None,
    application: Application | None,
    stacks: int,
) -> Callable[[list[tuple[socket.socket, Slot]], int], int]:
    """What to do with the pair and the slot.

    The application itself speaks with clients where it is an `app` of ASGI, which starts now, or an `application` that is called in
    threads. `stacks` is the file for stacks, in which those of an app's tasks are then.
    A library that is missing is told of once: long polls go on without it. Raises LifespanFailed.
    """
    library = None
    if application is None or application.sockets:
        try:
            library = framing(orders["lent"])
        except Missing as error:
            tell("websockets_missing", reason=str(error))
    terms = bounded(Terms(**orders["terms"]))
    loop = event_loop()
    asyncio.set_event_loop(loop)
    hosted = Hosted(loop, app) if app else None
    if hosted:
        hosted.start()
        write_with_stacks(loop, stacks)
    hub, off = listening(tell)
    hearing = begun(loop, hub)

    def body(places: list[tuple[socket.socket, Slot]], limit: int) -> int:  # noqa: ARG001 - connections are not counted
        ((pair, slot),) = places
        called = Called(loop, application) if application else None
        keeper = Keeper(loop, pair, slot, output, terms, library, Authority(loop, authorize), hub, off, tell, hosted, called)
        family.withhold(keeper.descriptors, then=lambda: loop.call_soon(family.end))
        loop.run_until_complete(keeper.run())
        hearing.cancel()
        loop.run_until_complete(asyncio.gather(hearing, return_exceptions=True))
        return 0

    return body


def listening(tell: Callable[..., Any]) -> tuple[Hub, str]:
    """What clients can listen to, and why they cannot, if so."""
    kept = given.settings.get("bus")
    if kept is None:
        return Silent(), OFF
    return Bus(address(), tell=tell, kept=Kept(**kept)), ""


def begun(loop: asyncio.AbstractEventLoop, hub: Hub) -> asyncio.Task[None]:
    """Have a hub read from now on: before the worker is ready, so that nobody who comes to a new one is told to come again."""
    reached: asyncio.Future[None] = loop.create_future()
    hearing = loop.create_task(hear(hub, reached))
    loop.run_until_complete(asyncio.wait((reached, hearing), timeout=REACH_WITHIN, return_when=asyncio.FIRST_COMPLETED))
    return hearing


async def hear(hub: Hub, reached: asyncio.Future[None]) -> None:
    """Have a hub read for as long as the worker lives."""
    while True:
        try:
            await hub.run(reached)
            return
        except Exception as error:  # noqa: BLE001 - connections outlive what they hear of
            complain(f"prefork: the bus failed in worker {os.getpid()}:\n{trace(error)}")
        await asyncio.sleep(AGAIN)
