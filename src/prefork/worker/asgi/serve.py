"""The body of an HTTP worker with an event loop: puts its parts together, and ends them in order.

The application's lifespan begins before the worker is ready and ends after its last request.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

from prefork.messages import inbox
from prefork.worker.asgi.lifespan import Lifespan, LifespanFailed
from prefork.worker.asgi.place import Place
from prefork.worker.asgi.pulse import Pulse
from prefork.worker.asgi.shared import Shared
from prefork.worker.asgi.tasks import frames, write_with_stacks
from prefork.worker.live.lent import event_loop
from prefork.worker.offspring import family
from prefork.worker.output import complain

if TYPE_CHECKING:
    import socket
    from typing import Callable

    from prefork.messages import Request
    from prefork.scoreboard import Slot
    from prefork.worker.asgi.lifespan import App
    from prefork.worker.asgi.lodge import Lodge
    from prefork.worker.http import Means

END_WITHIN = 4.0  # seconds that the lifespan has to end, and once more when it is cancelled; so has what is left on the loop


def prepare(
    app: App, means: Means, stacks: int, allowed: float, tell: Callable[..., Any], live: dict[str, Any]
) -> Callable[[list[tuple[socket.socket, Slot]], int], int]:
    """Start the application on a loop of its own; returns what to do with the places. Raises LifespanFailed.

    `stacks` is the file for stacks, `allowed` how many seconds a request may take (0: any number), `tell(kind, **fields)` reports
    to the master. `live` are the orders of websocket workers, whose work is ours where there are none of them.
    """
    loop = event_loop()
    asyncio.set_event_loop(loop)
    lifespan = Lifespan(app)
    state = loop.run_until_complete(lifespan.start())
    write_with_stacks(loop, stacks)

    def expired(request: Request, seconds: float, task: asyncio.Task[None]) -> None:
        where = "\n".join(reversed(list(frames(task.get_coro()))))
        target = request.target.decode("latin-1")
        tell(
            "request_cancelled",
            method=request.method,
            target=target,
            request_id=request.request_id,
            seconds=seconds,
            traceback=where,
        )

    def body(places: list[tuple[socket.socket, Slot]], limit: int) -> int:
        def open_lodge() -> Lodge:
            # What only WebSockets need is imported at the first one.
            from prefork.worker.asgi.lodge import Lodge
            from prefork.worker.live.hosted import Hosted

            return Lodge(loop, live, places[0][1], tell, Hosted(loop, app, lifespan))

        shared = Shared(loop, app, state, means, inbox(), limit, itertools.count(1), int(allowed * 1e9), expired, open_lodge)
        loop.run_until_complete(serve(shared, places))
        end(loop, lifespan)
        return 0

    return body


async def serve(shared: Shared, pairs: list[tuple[socket.socket, Slot]]) -> None:
    """Answer requests until the dispatcher has closed all pairs and every application's call has returned."""
    everybody_left = shared.loop.create_future()
    remaining = itertools.count(len(pairs) - 1, -1)

    def left() -> None:
        if next(remaining) == 0:
            everybody_left.set_result(None)

    places = shared.places = [Place(shared, pair, slot, left) for pair, slot in pairs]
    # What the loop would do in a child beside the present step is its worker's to do.
    family.withhold(shared.descriptors, then=lambda: shared.loop.call_soon(family.end))

    def look(now: int) -> None:
        for place in places:
            place.look(now)

    pulse = Pulse(shared.loop, pairs[0][1], look)
    pulse.beat()
    await everybody_left
    if shared.lodge:
        await shared.lodge.gone()
    pulse.stop()
    if shared.watch:
        shared.watch.close()
    if shared.borrower:
        shared.borrower.close()


def end(loop: asyncio.AbstractEventLoop, lifespan: Lifespan) -> None:
    """End the application, and what it has left on the loop."""
    try:
        loop.run_until_complete(lifespan.stop(END_WITHIN))
    except LifespanFailed as error:
        complain(f"prefork: {error}\n")
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks, timeout=END_WITHIN))
    generators = loop.create_task(loop.shutdown_asyncgens())
    loop.run_until_complete(asyncio.wait({generators}, timeout=END_WITHIN))
