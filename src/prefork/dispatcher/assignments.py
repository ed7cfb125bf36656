"""Which worker gets which request: at once, or after its time in the queue."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prefork.dispatcher.live import upgrades
from prefork.dispatcher.states import State
from prefork.dispatcher.workers import SCARCE
from prefork.events import HandoverPaused, QueueFull
from prefork.http.paths import Paths
from prefork.messages import CONVERSATION, pack_handover, pack_request
from prefork.scoreboard import ALLOWED, CAME_AT, FOREVER, NEXT_AT

if TYPE_CHECKING:
    from prefork.dispatcher.exchange import Exchange
    from prefork.dispatcher.options import Options
    from prefork.dispatcher.queue import Queue
    from prefork.dispatcher.traffic import Loop, Traffic
    from prefork.dispatcher.workers import Worker

SHORT = 8  # requests for each worker: so few have their turn before it is worth being told that one of their clients has left
SAY_AGAIN = 60.0  # seconds between two complaints about the same


class Assignments:
    """The queue says whose turn it is; here it is done. `times` are seconds for the routes that have limits of their own."""

    def __init__(self, loop: Loop, traffic: Traffic, queue: Queue[Exchange, Worker]) -> None:
        self.loop = loop
        self.traffic = traffic
        self.queue = queue
        self.said_full: dict[str, float] = {}  # when, for each lane
        self.said_paused = float("-inf")
        self.resting: list[Worker] = []  # to whom the kernel could hand nothing

    def apply(self, options: Options) -> None:
        """Use these settings from now on."""
        self.queue.size, self.queue.timeout = options.queue_size, options.queue_timeout
        self.routes = Paths([(pattern,) for pattern, _ in options.limit_time_real_routes])
        self.times = [seconds for _, seconds in options.limit_time_real_routes]

    def dispatch(self, exchange: Exchange) -> None:
        """Give a request to an idle worker, or have it wait for one."""
        exchange.lane = lane = self.traffic.lanes.of(exchange.head.target)
        self.traffic.accounts.arrived(lane)
        while (worker := self.queue.claim(exchange)) is not None:
            if self.assign(exchange, worker):
                return
        self._enqueue(exchange)

    def _enqueue(self, exchange: Exchange) -> None:
        if self.traffic.ending:
            self.traffic.answers.fail(exchange, 503, self.traffic.ending, worker="-")
            return
        if self.queue.full(exchange.lane):
            self._say_full(exchange.lane)
            self.traffic.accounts.refused(exchange)
            self.traffic.answers.fail(exchange, 503, "", worker="-")  # the event has said why, once for all of them
            return
        exchange.connection.to(State.QUEUED)
        self.queue.wait(exchange)
        if exchange.connection.unix or self.queue.length > SHORT * len(self.traffic.workers):
            exchange.connection.watch()

    def _say_full(self, lane: int) -> None:
        now, name = time.monotonic(), self.traffic.lanes.names[lane]
        if now - self.said_full.get(name, float("-inf")) > SAY_AGAIN:
            self.said_full[name] = now
            self.traffic.journal.note(QueueFull(name, self.queue.lines[lane].length))

    def assign(self, exchange: Exchange, worker: Worker) -> bool:
        """Give a request to the worker it has claimed; False when that one is gone, which its pidfd will say too."""
        if exchange.inflow and worker.loop is None and not exchange.buffered:
            self.traffic.streaming.turn_away(exchange, worker)
            return True
        words = worker.slot.words
        words[ALLOWED] = self._allowed(exchange) if self.routes.any else 0
        if worker.loans and worker.loop is None:
            words[CAME_AT] = int(exchange.arrived * 1e9)
            words[NEXT_AT] = self._next(exchange.lane)
        live = self.traffic.live
        exchange.converses = worker.loop is not None and not live.on and upgrades(exchange) and live.portable(exchange)
        request = exchange.request(self.traffic.answers.keep(exchange), self.traffic.lender.offers(worker, exchange))
        handed = pack_handover(request, CONVERSATION, exchange.connection.inbound.buffer) if exchange.converses else b""
        try:
            worker.give(handed or pack_request(request), exchange.descriptors())
        except ConnectionError:
            self.queue.forget(worker)
            return False
        except OSError as error:
            self.queue.forget(worker)
            if error.errno in SCARCE:
                self.resting.append(worker)
                self._say_paused(error)
            else:
                # The kernel does not take the message although the worker lives: it would be neither idle nor busy for ever.
                self.loop.tell_master("faulty", worker)
            return False
        exchange.deliveries += 1
        exchange.assigned = time.monotonic()
        self.traffic.accounts.assigned(exchange)
        exchange.worker = worker
        worker.exchange = exchange
        exchange.connection.to(State.SERVED)
        if worker.loop:
            exchange.connection.watch()  # its application is told when the client leaves
        self.traffic.lender.given(worker, exchange)
        return True

    def _say_paused(self, error: OSError) -> None:
        now = time.monotonic()
        if now - self.said_paused > SAY_AGAIN:
            self.said_paused = now
            self.traffic.journal.note(HandoverPaused(error.strerror or str(error)))

    def tick(self) -> None:
        """Try again with those to whom the kernel could hand nothing."""
        resting, self.resting = self.resting, []
        for worker in resting:
            # It may have found a request on a loan meanwhile: who frees it when that ends does all of this.
            rests = worker.exchange is None and not worker.finishing and worker not in self.queue.idle
            if rests and self.traffic.worker(worker.number) is worker:
                self.free(worker)

    def _allowed(self, exchange: Exchange) -> int:
        """The nanoseconds that the request's route may take, 0 where the limit of all counts."""
        route = self.routes.find(exchange.head.target)
        if route is None:
            return 0
        return int(self.times[route] * 1e9) or FOREVER

    def _next(self, lane: int) -> int:
        """When the first of a lane's waiting requests arrived (nanoseconds), where there is one for each worker; otherwise 0."""
        line = self.queue.lines[lane]
        oldest = line.oldest() if line.length >= len(self.traffic.workers) else None
        return int(oldest * 1e9) if oldest is not None else 0

    def held_up(self) -> bool:
        """Whether requests wait beside idle places of event loops, which may turn again at any moment."""
        return bool(self.queue.idle.loops) and self.queue.length > 0

    def free(self, worker: Worker) -> None:
        """A worker has no request: it gets the next one, or is idle, or leaves."""
        if worker.condemned or (worker.fate and not worker.retiring):
            self.queue.forget(worker)
        elif worker.retiring:
            self.queue.forget(worker)
            if not self.traffic.lender.owes(worker):
                self.loop.part(worker)
        else:
            self.queue.release(worker)
        self.serve()

    def serve(self) -> None:
        """Give the requests that wait to idle workers, as far as their lanes allow it."""
        while (turn := self.queue.next()) is not None:
            exchange, worker = turn
            if exchange.connection.deserted():
                self.queue.release(worker)
                exchange.discard()
                exchange.connection.end()
            elif not self.assign(exchange, worker):
                self.queue.wait(exchange, first=True)
