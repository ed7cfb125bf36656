"""Which worker works on which request, from the moment it is complete until its worker has ended it, or has died of it.

Knows connections and workers, but neither epoll nor the master: the loop passes in what it needs from them.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

from prefork.dispatcher import health, lender
from prefork.dispatcher.accounts import Accounts
from prefork.dispatcher.answers import Answers
from prefork.dispatcher.assignments import SAY_AGAIN, Assignments
from prefork.dispatcher.buffered import Buffered
from prefork.dispatcher.departures import Departures
from prefork.dispatcher.estate import Estates
from prefork.dispatcher.exchange import UNIX
from prefork.dispatcher.idle import Idle
from prefork.dispatcher.lanes import Lanes
from prefork.dispatcher.lender import Lender
from prefork.dispatcher.live import Keeper, Live, upgrades
from prefork.dispatcher.outbox import Extent
from prefork.dispatcher.queue import Queue
from prefork.dispatcher.settlement import Settlement
from prefork.dispatcher.shelf import Shelf
from prefork.dispatcher.states import State
from prefork.dispatcher.streaming import Streaming
from prefork.events import RequestRefused, SpoolFull
from prefork.http.identity import Identity
from prefork.http.proxies import Headers, Origin, Proxies
from prefork.http.repertoire import Repertoire
from prefork.scoreboard import ABANDONED, DISPATCHER, REFUSED

if TYPE_CHECKING:
    from prefork.dispatcher.connection import Connection
    from prefork.dispatcher.disk import Disks
    from prefork.dispatcher.exchange import Exchange
    from prefork.dispatcher.options import Options
    from prefork.dispatcher.workers import Worker
    from prefork.http.head import Refused
    from prefork.journal import Journal
    from prefork.messages import Ending
    from prefork.scoreboard import Scoreboard
    from prefork.trace import Trace

MOST_HELD = 1 << 18  # bytes that a client may leave unread in our memory before its worker has to wait


class Loop(lender.Loop, Protocol):
    """What traffic needs of the event loop."""

    def pause(self, worker: Worker, paused: bool) -> None:
        """Stop or resume reading what the worker says."""

    def tell_master(self, kind: str, worker: Worker, **more: Any) -> None:
        """Send the master a word about a worker."""


class Traffic:
    """All requests that are complete and not answered."""

    def __init__(self, loop: Loop, options: Options, journal: Journal, scoreboard: Scoreboard, trace: Trace, disks: Disks) -> None:
        self.loop = loop
        self.disks = disks
        self.journal = journal
        self.counters = scoreboard.slot(DISPATCHER)
        self.reader = Repertoire()
        self.identity = Identity()
        self.workers: dict[int, Worker] = {}
        self.accounts = Accounts(scoreboard, trace, self.workers)
        self.lender = Lender(loop, self)
        idle: Idle[Worker] = Idle(
            lambda each: each.loop,
            lambda loop: loop.turns(time.monotonic_ns()),
            lambda each, most: each.line(most),
            lambda loop, places: loop.rank(places),
            lambda each: each.inside(),
        )
        self.queue: Queue[Exchange, Worker] = Queue(options.queue_size, options.queue_timeout, idle=idle)
        self.assignments = Assignments(loop, self, self.queue)
        self.departures = Departures(loop, self)
        self.answers = Answers(options, journal, self.counters)
        self.settlement = Settlement(self.accounts, self.answers)
        self.shelf = Shelf(options, disks.files, self.answers, self.assignments.dispatch)
        self.estates = Estates(self.queue, self.answers, journal, self.counters)
        self.live = Live(loop, options, self.answers, self.route)
        self.streaming = Streaming(self)
        self.buffered = Buffered()
        self.numbered = 0
        self.draining = False  # not ready for new clients, but serving them
        self.said_no_room = float("-inf")
        self.ending = ""  # why no request will be given to a worker any more
        self.lanes = Lanes(options.lanes)
        self.apply(options)

    def apply(self, options: Options) -> None:
        """Use these settings from now on."""
        self.options = options
        self.proxies = Proxies(options.trusted_proxies)
        self.answers.apply(options)
        self.shelf.apply(options)
        self.live.apply(options)
        self.health_paths = frozenset(path.encode() for path in options.health_paths)
        self.assignments.apply(options)
        self.settlement.settle()  # by the lanes that they were in
        before, self.lanes = self.lanes, Lanes(options.lanes)
        self.accounts.arrange(before, self.lanes)
        self.lender.apply(options)
        self.queue.arrange(self.lanes.shares, lambda exchange: self.lanes.of(exchange.head.target))
        self.assignments.serve()

    # From connections.

    def origin(self, peer: tuple[str, int], headers: Headers) -> Origin:
        """Who the client is, with headers that are this request's own."""
        own = headers.copy()
        return self.proxies.origin(peer, own) if self.options.proxy_mode else Origin(peer, "http", own)

    def submit(self, exchange: Exchange) -> None:
        """Take a complete request."""
        exchange.number = self.number()
        exchange.request_id = self.identity.of(exchange.origin.headers)
        if health.asked(exchange.head.target) and self.proxies.trusts(exchange.origin.client[0]):
            self.answers.give(exchange, *health.health(self, exchange.head, exchange.request_id, keep=self.answers.keep(exchange)))
            return
        if exchange.head.target in self.health_paths:
            self.answers.give(exchange, *health.brief(self, exchange.head, exchange.request_id, keep=self.answers.keep(exchange)))
            return
        if self.live.wants(exchange):
            self.live.hand_over(exchange)
        else:
            self.route(exchange)

    def number(self) -> int:
        """A number that no request has had."""
        self.numbered += 1
        return self.numbered

    def route(self, exchange: Exchange) -> None:
        """Have a request answered that is none of a websocket worker's business."""
        if self.live.alone(exchange):
            self.answers.fail(exchange, 404, "", worker="-")
        elif self._converses(exchange) and not self.live.portable(exchange):
            self.answers.fail(exchange, 413, "", worker="-")
        elif not (self.shelf.any and self.shelf.serve(exchange)):
            self.assignments.dispatch(exchange)

    def _converses(self, exchange: Exchange) -> bool:
        """Whether a request is the handshake of a WebSocket that an HTTP worker with an event loop keeps."""
        return not self.live.on and upgrades(exchange) and any(worker.loop for worker in self.workers.values())

    def abandoned(self) -> None:
        """A client has left before it had sent its request, or before a worker had it."""
        self.counters[ABANDONED] += 1

    def withdraw(self, exchange: Exchange) -> None:
        """The client of a waiting request has left."""
        self.queue.withdraw(exchange)
        exchange.discard()

    def refused(self, connection: Connection, refused: Refused) -> str:
        """A request that could not be read is answered by its connection; returns the request's id."""
        self.counters[REFUSED] += 1
        request_id = self.identity.of(connection.upload.head.headers.copy()) if connection.upload else self.identity.make()
        self.journal.note(RequestRefused(connection.peer[0] or UNIX, refused.status, request_id, refused.reason))
        return request_id

    def no_room(self, error: OSError) -> None:
        """There is no room for a large body."""
        now = time.monotonic()
        if now - self.said_no_room > SAY_AGAIN:
            self.said_no_room = now
            self.journal.note(SpoolFull(error.strerror or str(error)))

    def relieved(self, connection: Connection) -> None:
        """A client has read some of what waits for it."""
        exchange = connection.exchange
        eased = connection.held < MOST_HELD // 4 or not connection.open
        if exchange and exchange.worker and exchange.worker.paused and eased:
            exchange.worker.paused = False
            self.loop.pause(exchange.worker, False)

    # To and from workers.

    def worker(self, slot: int) -> Worker | None:
        """The worker in a slot, of either kind."""
        return self.workers.get(slot) or self.live.keepers.get(slot)

    def everybody(self) -> list[Worker]:
        """All workers."""
        return [*self.workers.values(), *self.live.keepers.values()]

    def forget(self, worker: Worker) -> None:
        """A worker's pair is about to be closed."""
        if isinstance(worker, Keeper):
            self.live.forget(worker)
        self.lender.forget(worker)
        self.workers.pop(worker.number, None)

    def add(self, worker: Worker) -> None:
        """A worker is ready."""
        if isinstance(worker, Keeper):
            self.live.add(worker)
            return
        self.workers[worker.number] = worker
        self.lender.furnish(worker)
        self.assignments.free(worker)

    def left(self, exchange: Exchange) -> None:
        """The client of a request has closed its side while it is served."""
        if exchange.worker and exchange.worker.loop:
            exchange.worker.loop.note_left(exchange)
            exchange.worker.tell_gone(exchange.number)

    def rest(self, worker: Worker, part: bytes | Extent) -> None:
        """A worker hands on what its client's socket did not take, or what is in a file."""
        exchange = self._present(worker)
        if exchange is None or exchange.connection.state is State.CLOSED:
            if isinstance(part, Extent):
                self.disks.discard(part)
            return
        exchange.connection.hand_on(part)
        if exchange.connection.open and exchange.connection.held > MOST_HELD:
            worker.paused = True
            self.loop.pause(worker, True)

    def mangled(self, worker: Worker) -> None:
        """A part of an answer was lost on the way from its worker, which does not know: no further byte of it may follow."""
        exchange = self._present(worker)
        if exchange and exchange.connection.state is not State.CLOSED:
            self.answers.cut(exchange, 0, worker.name, "a part of the answer was lost for want of a descriptor")

    def ended(self, worker: Worker, ending: Ending) -> None:
        """A worker has finished its request. It gets the next one first: it does nothing until then, and the account can wait."""
        if isinstance(worker, Keeper):
            self.live.ended(worker, ending)
            return
        exchange, worker.exchange, worker.after = worker.exchange, worker.after, None
        assert exchange
        exchange.worker = None
        if exchange.service is None:
            exchange.service = time.monotonic() - exchange.assigned
        self.settlement.add(exchange, worker, ending)
        if ending.worn:
            self.wear(worker)
        if ending.busy:
            worker.finishing = exchange.number
        elif worker.exchange is None:
            self.assignments.free(worker)
        exchange.discard()
        connection = exchange.connection
        if exchange.converses:
            if connection.open:
                connection.hand_off()
            return
        connection.answered(ending.sent, keep=ending.keep, broken=ending.broken)
        if ending.kept and worker.loans:
            self.lender.kept(worker, connection)
        connection.proceed()

    def has(self, worker: Worker, ending: Ending) -> bool:
        """Whether a worker is working on the request that it says it has finished."""
        self._present(worker)
        return worker.has(ending.number)

    def _present(self, worker: Worker) -> Exchange | None:
        """The request that a word of a worker's is about. The one before it, found on a loan, may have ended by a receipt alone."""
        if worker.after:
            self.lender.receipts.drain(worker)
        return worker.exchange

    def wear(self, worker: Worker) -> None:
        """A worker has asked to be replaced."""
        process = worker.loop or worker
        if not process.worn:
            process.worn = True
            self.loop.tell_master("worn", worker)
            self.lender.recall(worker)

    def finished(self, worker: Worker) -> None:
        """A worker has done what it still had to do for a request that it has answered."""
        worker.finishing = 0
        if worker.exchange is None:
            self.assignments.free(worker)

    # In between.

    def tick(self, now: float) -> None:
        """Look at what has waited too long."""
        for exchange in self.queue.expired(now):
            self.accounts.expired(exchange, now - exchange.arrived)
            self.answers.fail(exchange, 503, "it waited too long for a worker (queue_timeout)", worker="-")
            exchange.connection.proceed()
        for exchange in self.queue.waiting():
            exchange.connection.watch()
        for worker in list(self.workers.values()):
            if worker.stuck(now) and self._is_stuck(worker, now):
                self.loop.tell_master("stuck", worker, **worker.seen())
            elif worker.loop and worker.loop.places[:1] == [worker] and worker.loop.stuck(time.monotonic_ns()):
                self.loop.tell_master("deaf", worker)
        self.assignments.tick()
        self.lender.tick(now)
        self.live.tick(now)
        self.settlement.settle()
        self.accounts.show(self.queue, now)

    def _is_stuck(self, worker: Worker, now: float) -> bool:
        """The same once more, of a worker that has perhaps ended the request, and gone on to another one on a loan."""
        self.loop.hear_out(worker)
        if worker.loans:
            self.lender.receipts.drain(worker)
        return self.worker(worker.number) is worker and worker.stuck(now)

    def give_up(self, reason: str) -> None:
        """Answer everything that waits for a worker, now and from now on: there will be none."""
        self.ending = reason
        self.live.give_up(reason)
        for exchange in self.queue.waiting():
            self.queue.withdraw(exchange)
            self.answers.fail(exchange, 503, reason, worker="-")
