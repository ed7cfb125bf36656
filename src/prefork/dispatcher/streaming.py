"""Which requests have a worker while their client still sends: large ones, for a worker with an event loop that has room for it.

The worker reads the body from the client's socket, and so what it does not read yet waits with the client. A sender that is slow
holds a place: so half of each loop's places are for others, and where there is none a body is taken in before its request is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.dispatcher import health
from prefork.dispatcher.live import upgrades

if TYPE_CHECKING:
    from prefork.dispatcher.exchange import Exchange
    from prefork.dispatcher.loops import EventLoop
    from prefork.dispatcher.traffic import Traffic
    from prefork.dispatcher.workers import Worker


class Streaming:
    """Begins them. What has begun is a request as any other."""

    def __init__(self, traffic: Traffic) -> None:
        self.traffic = traffic

    def begin(self, exchange: Exchange) -> bool:
        """Give a worker a request with an `inflow`; False where there is none that could take it now."""
        traffic = self.traffic
        if not traffic.queue.idle.loops or not self.concerns(exchange):
            return False
        exchange.lane = traffic.lanes.of(exchange.head.target)
        worker = traffic.queue.claim(exchange)
        if worker is None:
            return False
        if worker.loop is None or not has_room(worker.loop):
            traffic.queue.release(worker)
            return False
        exchange.number = traffic.number()
        exchange.request_id = traffic.identity.of(exchange.origin.headers)
        if not traffic.assignments.assign(exchange, worker):
            return False
        traffic.accounts.arrived(exchange.lane)
        return True

    def turn_away(self, exchange: Exchange, worker: Worker) -> None:
        """Its first worker died before it began, and the next one is of other code, without an event loop."""
        self.traffic.queue.release(worker)
        self.traffic.answers.fail(exchange, 503, "no worker can read the rest of its body any more", worker="-")

    def concerns(self, exchange: Exchange) -> bool:
        """Whether nobody else would answer a request: neither we nor a websocket worker."""
        traffic, target = self.traffic, exchange.head.target
        ours = health.asked(target) or target in traffic.health_paths or (traffic.shelf.any and traffic.shelf.has(target))
        return not (ours or traffic.live.wants(exchange) or traffic.live.alone(exchange) or upgrades(exchange))


def has_room(loop: EventLoop) -> bool:
    """Whether less than half of its places have such a request."""
    return (
        2 * sum(1 for place in loop.places if place.exchange and place.exchange.inflow and not place.exchange.buffered) + 2
        <= loop.size
    )
