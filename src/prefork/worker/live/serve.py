"""The body of a websocket worker: puts its parts together."""

from __future__ import annotations

import asyncio
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

if TYPE_CHECKING:
    import socket
    from typing import Callable

    from prefork.scoreboard import Slot
    from prefork.worker.asgi.lifespan import App
    from prefork.worker.live.called import Application
    from prefork.worker.live.hub import Hub
    from prefork.worker.output import Output


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

    def body(places: list[tuple[socket.socket, Slot]], limit: int) -> int:  # noqa: ARG001 - connections are not counted
        ((pair, slot),) = places
        hub, off = listening(tell)
        called = Called(loop, application) if application else None
        keeper = Keeper(loop, pair, slot, output, terms, library, Authority(loop, authorize), hub, off, tell, hosted, called)
        loop.run_until_complete(keeper.run())
        return 0

    return body


def listening(tell: Callable[..., Any]) -> tuple[Hub, str]:
    """What clients can listen to, and why they cannot, if so."""
    kept = given.settings.get("bus")
    if kept is None:
        return Silent(), OFF
    return Bus(address(), tell=tell, kept=Kept(**kept)), ""
