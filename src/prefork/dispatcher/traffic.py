"""Which worker works on which request, from the moment it is complete until its worker has ended it, or has died of it.

Knows connections and workers, but neither epoll nor the master: the loop passes in what it needs from them.
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any, Protocol

from prefork.dispatcher import health, lender
from prefork.dispatcher.answers import Answers
from prefork.dispatcher.bills import Bills
from prefork.dispatcher.estate import Estates
from prefork.dispatcher.exchange import UNIX
from prefork.dispatcher.idle import Idle
from prefork.dispatcher.lanes import Lanes
from prefork.dispatcher.ledger import Ledger
from prefork.dispatcher.lender import Lender
from prefork.dispatcher.live import Keeper, Live, upgrades
from prefork.dispatcher.outbox import Extent
from prefork.dispatcher.queue import Queue
from prefork.dispatcher.shelf import Shelf
from prefork.dispatcher.states import State
from prefork.dispatcher.streaming import Streaming
from prefork.dispatcher.workers import Sentence
from prefork.events import QueueFull, RequestRefused, SpoolFull
from prefork.http.head import Reader, Refused
from prefork.http.identity import Identity
from prefork.http.paths import Paths
from prefork.http.proxies import Headers, Origin, Proxies
from prefork.messages import CONVERSATION, pack_handover, pack_request
from prefork.scoreboard import (
    ABANDONED,
    ALLOWED,
    DISPATCHER,
    DONE,
    FOREVER,
    OLDEST,
    QUEUED,
    REFUSED,
)

if TYPE_CHECKING:
    from prefork.dispatcher.connection import Connection
    from prefork.dispatcher.disk import Disks
    from prefork.dispatcher.exchange import Exchange
    from prefork.dispatcher.options import Options
    from prefork.dispatcher.workers import Worker
    from prefork.journal import Journal
    from prefork.messages import Ending
    from prefork.scoreboard import Scoreboard
    from prefork.trace import Trace

MOST_HELD = 1 << 18  # bytes that a client may leave unread in our memory before its worker has to wait
STARVED = "the kernel killed the worker for want of memory"
SAY_AGAIN = 60.0  # seconds between two complaints about the same


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
        self.ledger = Ledger(scoreboard)
        self.bills = Bills(scoreboard)
        self.trace = trace
        self.reader = Reader()
        self.identity = Identity()
        self.workers: dict[int, Worker] = {}
        self.lender = Lender(loop, self)
        idle: Idle[Worker] = Idle(lambda each: each.loop, lambda loop: loop.turns(time.monotonic_ns()), self.lender.rests)
        self.queue: Queue[Exchange, Worker] = Queue(options.queue_size, options.queue_timeout, idle=idle)
        self.answers = Answers(options, journal, self.counters)
        self.shelf = Shelf(options, disks.files, self.answers, self.dispatch)
        self.estates = Estates(self.queue, self.answers, journal, self.counters)
        self.live = Live(loop, options, self.answers, self.route)
        self.streaming = Streaming(self)
        self.numbered = 0
        self.draining = False  # not ready for new clients, but serving them
        self.said_full: dict[str, float] = {}  # when, for each lane
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
        self.routes = Paths([(pattern,) for pattern, _ in options.limit_time_real_routes])
        self.queue.size, self.queue.timeout = options.queue_size, options.queue_timeout
        before, self.lanes = self.lanes, Lanes(options.lanes)
        if self.lanes.declared != before.declared:
            self.trace.forget()
        self.ledger.arrange(self.lanes.names)
        self.lender.apply(options)
        self.queue.arrange(self.lanes.shares, lambda exchange: self.lanes.of(exchange.head.target))
        self.serve()

    # From connections.

    def origin(self, peer: tuple[str, int], headers: Headers) -> Origin:
        """Who the client is."""
        return self.proxies.origin(peer, headers) if self.options.proxy_mode else Origin(peer, "http", headers)

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
            self.dispatch(exchange)

    def _converses(self, exchange: Exchange) -> bool:
        """Whether a request is the handshake of a WebSocket that an HTTP worker with an event loop keeps."""
        return not self.live.on and upgrades(exchange) and any(worker.loop for worker in self.workers.values())

    def dispatch(self, exchange: Exchange) -> None:
        """Give a request to an idle worker, or have it wait for one."""
        exchange.lane = lane = self.lanes.of(exchange.head.target)
        self.ledger.arrived(lane)
        while (worker := self.queue.claim(exchange)) is not None:
            if self.assign(exchange, worker):
                return
        self._enqueue(exchange)

    def _enqueue(self, exchange: Exchange) -> None:
        if self.ending:
            self.answers.fail(exchange, 503, self.ending, worker="-")
            return
        if self.queue.full(exchange.lane):
            self._say_full(exchange.lane)
            self.bills.shed(exchange, 0.0)
            self._note(exchange, 0.0, None)
            self.answers.fail(exchange, 503, "", worker="-")  # the event has said why, once for all of them
            return
        exchange.connection.to(State.QUEUED)
        self.queue.wait(exchange)

    def _say_full(self, lane: int) -> None:
        now, name = time.monotonic(), self.lanes.names[lane]
        if now - self.said_full.get(name, float("-inf")) > SAY_AGAIN:
            self.said_full[name] = now
            self.journal.note(QueueFull(name, self.queue.lines[lane].length))

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
        request_id = self.identity.of(connection.head.headers) if connection.head else self.identity.make()
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
        eased = connection.outbox.held < MOST_HELD // 4 or not connection.open
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
        self.lender.doubtful.discard(worker)
        self.workers.pop(worker.number, None)

    def add(self, worker: Worker) -> None:
        """A worker is ready."""
        if isinstance(worker, Keeper):
            self.live.add(worker)
            return
        self.workers[worker.number] = worker
        self.lender.furnish(worker)
        self.free(worker)

    def assign(self, exchange: Exchange, worker: Worker) -> bool:
        """Give a request to the worker it has claimed; False when that one is gone, which its pidfd will say too."""
        if exchange.inflow and worker.loop is None:
            self.streaming.turn_away(exchange, worker)
            return True
        worker.slot.words[ALLOWED] = self._allowed(exchange) if self.routes.any else 0
        exchange.converses = worker.loop is not None and not self.live.on and upgrades(exchange) and self.live.portable(exchange)
        request = exchange.request(self.answers.keep(exchange), self.lender.offers(worker, exchange))
        handed = pack_handover(request, CONVERSATION, exchange.connection.inbound.buffer) if exchange.converses else b""
        try:
            worker.give(handed or pack_request(request), exchange.descriptors())
        except ConnectionError:
            self.queue.forget(worker)
            return False
        except OSError:
            # The kernel does not take the message although the worker lives: it would be neither idle nor busy for ever.
            self.queue.forget(worker)
            self.loop.tell_master("faulty", worker)
            return False
        exchange.deliveries += 1
        exchange.assigned = time.monotonic()
        self.ledger.waited(exchange.lane, exchange.assigned - exchange.arrived)
        exchange.worker = worker
        worker.exchange = exchange
        exchange.connection.to(State.SERVED)
        self.lender.given(worker, exchange)
        return True

    def left(self, exchange: Exchange) -> None:
        """The client of a request has closed its side while it is served."""
        if exchange.worker and exchange.worker.loop:
            exchange.worker.tell_gone()

    def held_up(self) -> bool:
        """Whether requests wait beside idle places of event loops, which may turn again at any moment."""
        return self.queue.length > 0 and bool(self.queue.idle.loops)

    def _allowed(self, exchange: Exchange) -> int:
        """The nanoseconds that the request's route may take, 0 where the limit of all counts."""
        route = self.routes.find(exchange.head.target)
        if route is None:
            return 0
        return int(self.options.limit_time_real_routes[route][1] * 1e9) or FOREVER

    def free(self, worker: Worker) -> None:
        """A worker has no request: it gets the next one, or is idle, or leaves."""
        if worker.condemned or (worker.fate and not worker.retiring):
            self.queue.forget(worker)
        elif worker.retiring:
            self.queue.forget(worker)
            if not self.lender.owes(worker):
                self.loop.part(worker)
        else:
            self.queue.release(worker)
        self.serve()

    def serve(self) -> None:
        """Give the requests that wait to idle workers, as far as their lanes allow it."""
        while (turn := self.queue.next()) is not None:
            exchange, worker = turn
            if not self.assign(exchange, worker):
                self.queue.wait(exchange, first=True)

    def rest(self, worker: Worker, part: bytes | Extent) -> None:
        """A worker hands on what its client's socket did not take, or what is in a file."""
        exchange = worker.exchange
        if exchange is None or exchange.connection.state is State.CLOSED:
            if isinstance(part, Extent):
                self.disks.discard(part)
            return
        exchange.connection.hand_on(part)
        if exchange.connection.open and exchange.connection.outbox.held > MOST_HELD:
            worker.paused = True
            self.loop.pause(worker, True)

    def mangled(self, worker: Worker) -> None:
        """A part of an answer was lost on the way from its worker, which does not know: no further byte of it may follow."""
        exchange = worker.exchange
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
        service = time.monotonic() - exchange.assigned if exchange.service is None else exchange.service
        self._wear(worker, ending)
        if ending.busy:
            worker.finishing = exchange.number
        elif worker.exchange is None:
            self.free(worker)
        self._enter(exchange, worker, ending, service)
        exchange.discard()
        connection = exchange.connection
        if exchange.converses:
            if connection.open:
                connection.hand_off()
            return
        connection.answered(ending.sent, keep=ending.keep, broken=ending.broken)
        if ending.kept:
            self.lender.kept(worker, connection)
        connection.proceed()

    def has(self, worker: Worker, ending: Ending) -> bool:
        """Whether a worker is working on the request that it says it has finished."""
        if worker.after:
            self.lender.drain(worker)  # the request before that may have ended without a word
        return worker.has(ending)

    def enter(self, exchange: Exchange, worker: Worker, ending: Ending) -> None:
        """A worker has answered a request that it had found by itself, and nobody here has known of."""
        assert exchange.service is not None
        self.ledger.arrived(exchange.lane)
        self.ledger.waited(exchange.lane, exchange.assigned - exchange.arrived)
        self._wear(worker, ending)
        self._enter(exchange, worker, ending, exchange.service)

    def _wear(self, worker: Worker, ending: Ending) -> None:
        process = worker.loop or worker
        if ending.worn and not process.worn:
            process.worn = True
            self.loop.tell_master("worn", worker)
            self.lender.recall(worker)

    def _enter(self, exchange: Exchange, worker: Worker, ending: Ending, service: float) -> None:
        self.ledger.served(exchange.lane, service)
        self.bills.ended(exchange, worker, ending, service)
        self._note(exchange, exchange.assigned - exchange.arrived, service, ending.cpu)
        self.answers.account(exchange, ending.status, ending.sent, worker.name, ending)

    def finished(self, worker: Worker) -> None:
        """A worker has done what it still had to do for a request that it has answered."""
        worker.finishing = 0
        self.free(worker)

    def _note(self, exchange: Exchange, wait: float, service: float | None, cpu: int = 0) -> None:
        self.trace.note(exchange.arrived, wait, service, cpu, exchange.lane, len(self.workers))

    def retire(self, worker: Worker) -> None:
        """Give a worker no further request, and let it go when it has none."""
        if isinstance(worker, Keeper):
            self.live.retire(worker)
            return
        for each in list(worker.loop.places) if worker.loop else [worker]:
            each.retiring = True
            self.queue.retire(each)
            self.lender.recall(each)
            if each.exchange is None and not each.finishing and not self.lender.owes(each):
                self.loop.part(each)
        if worker.loop.places if worker.loop else worker.exchange or self.lender.owes(worker):
            self.loop.tell_master("withdrawn", worker)
        self.serve()  # what it was kept for may be another worker's now

    def condemn(self, worker: Worker, number: int, sentence: Sentence) -> bool:
        """A worker is to be killed while it has its request `number` (0: none): it gets nothing more.

        False: it has answered meanwhile, or been given another request, which is not to die for what was before it.
        """
        if isinstance(worker, Keeper):
            return self.live.condemn(worker, sentence)
        self.lender.adopt(worker)
        has = worker.exchange.number if worker.exchange else worker.finishing
        if worker.loop and not number:
            sentence_of_all = sentence  # whose fault it is, nobody knows
        elif number != has or (has and worker.slot.progress().state == DONE):
            return False
        else:
            worker.condemned = sentence
            sentence_of_all = Sentence(502, f"its worker was killed for another request: {sentence.reason}", sentence.incident)
        self.queue.retire(worker)
        self._doom(worker, sentence_of_all)
        self.serve()
        return True

    def die_with(self, worker: Worker) -> None:
        """Give nothing more to the other places of a dead process, before their own deaths are noticed."""
        for other in self.workers.values():
            if other.pid == worker.pid:
                self.queue.forget(other)
        if worker.loop and worker.starved():  # whose request it was, nobody knows
            self._doom(worker, Sentence(503, STARVED, secrets.token_hex(4)))
        self._doom(worker, Sentence(502, "the worker died", secrets.token_hex(4)))

    def _doom(self, worker: Worker, sentence: Sentence) -> None:
        """Those who share its loop die with a worker: all of them of one cause, which one incident tells of."""
        for other in worker.loop.places if worker.loop else ():
            if not other.fate:
                other.fate = sentence
                self.queue.retire(other)

    def bury(self, worker: Worker) -> dict[str, Any]:
        """A worker is dead and has said all it said: decide about its request. Returns what the master may want to know of it."""
        if isinstance(worker, Keeper):
            return self.live.bury(worker)
        self.queue.forget(worker)
        self.workers.pop(worker.number, None)
        self.lender.bury(worker)
        exchange, worker.exchange = worker.exchange, None
        known: dict[str, Any] = {}
        if exchange is not None:
            exchange.worker = None
            service = time.monotonic() - exchange.assigned
            self.ledger.served(exchange.lane, service)
            self.bills.lost(exchange, service)
            self._note(exchange, exchange.assigned - exchange.arrived, service)
            alone = worker.condemned is None and worker.loop is None
            if alone and worker.starved():  # a limit that the kernel enforces: not to be broken once more
                worker.condemned = Sentence(503, STARVED, secrets.token_hex(4))
            sentence = worker.condemned or worker.fate or Sentence(502, "the worker died", secrets.token_hex(4))
            known = {"incident": sentence.incident, "request": exchange.described(worker.slot)}
            known["status"] = self.estates.settle(exchange, worker, sentence, self.ending)
        elif worker.condemned:
            known = {"status": worker.slot.progress().status}  # it has answered meanwhile
        self.serve()  # its lane may have another worker now; that of a retry first
        return known

    # In between.

    def tick(self, now: float) -> None:
        """Look at what has waited too long."""
        for exchange in self.queue.expired(now):
            self.ledger.waited(exchange.lane, now - exchange.arrived)
            self.bills.shed(exchange, now - exchange.arrived)
            self._note(exchange, now - exchange.arrived, None)
            self.answers.fail(exchange, 503, "it waited too long for a worker (queue_timeout)", worker="-")
            exchange.connection.proceed()
        for worker in self.workers.values():
            if worker.stuck(now):
                self.loop.tell_master("stuck", worker)
            elif worker.loop and worker is worker.loop.places[0] and worker.loop.stuck(time.monotonic_ns()):
                self.loop.tell_master("deaf", worker)
        self.lender.tick(now)
        self.live.tick(now)
        self._show(now)

    def _show(self, now: float) -> None:
        """Put what waits and who works on the scoreboard."""
        oldest = self.queue.oldest()
        self.counters[QUEUED] = self.queue.length
        self.counters[OLDEST] = int(oldest * 1e9) if oldest is not None else 0
        for lane, line in enumerate(self.queue.lines):
            self.ledger.show(lane, line.length, line.working + line.leaving, line.oldest())
        self.ledger.sum_up([worker.exchange.assigned for worker in self.workers.values() if worker.exchange], now)

    def give_up(self, reason: str) -> None:
        """Answer everything that waits for a worker, now and from now on: there will be none."""
        self.ending = reason
        self.live.give_up(reason)
        for exchange in self.queue.waiting():
            self.queue.withdraw(exchange)
            self.answers.fail(exchange, 503, reason, worker="-")
