"""Which worker works on which request: assigns, finishes, and decides what a dead worker's request becomes.

Knows connections and workers, but neither epoll nor the master: the loop passes in what it needs from them.
"""

from __future__ import annotations

import secrets
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from prefork.dispatcher import health
from prefork.dispatcher.exchange import UNIX
from prefork.dispatcher.identity import Identity
from prefork.dispatcher.lanes import Lanes
from prefork.dispatcher.ledger import Ledger
from prefork.dispatcher.outbox import Extent
from prefork.dispatcher.paths import Paths
from prefork.dispatcher.queue import Queue
from prefork.dispatcher.replies import failure, file_head
from prefork.dispatcher.states import State
from prefork.dispatcher.static import Found, find
from prefork.dispatcher.verdict import Verdict, corrected, judge
from prefork.dispatcher.workers import Sentence
from prefork.events import QueueFull, RequestFailed, RequestRefused, RequestRetried, SpoolFull
from prefork.files import Places
from prefork.http.head import Reader, Refused
from prefork.http.proxies import Headers, Origin, Proxies
from prefork.messages import pack_request
from prefork.scoreboard import (
    ABANDONED,
    ALLOWED,
    ANSWERED,
    BEGUN,
    BUSY,
    DISPATCHER,
    DONE,
    FAILED,
    FOREVER,
    OLDEST,
    QUEUED,
    REFUSED,
    RETRIED,
    SIZE,
    WRITING,
)

if TYPE_CHECKING:
    from prefork.dispatcher.connection import Connection
    from prefork.dispatcher.disk import Disk, Spool
    from prefork.dispatcher.exchange import Exchange
    from prefork.dispatcher.options import Options
    from prefork.dispatcher.workers import Worker
    from prefork.journal import Journal
    from prefork.messages import Ending
    from prefork.scoreboard import Progress, Scoreboard

BEGIN_WITHIN = 1.0  # seconds from the hand-over to the application's start
MOST_HELD = 1 << 18  # bytes that a client may leave unread in our memory before its worker has to wait
SAY_AGAIN = 60.0  # seconds between two complaints about the same


class Loop(Protocol):
    """What traffic needs of the event loop."""

    def watch(self, connection: Connection, mask: int) -> None:
        """Be told of other things than before."""

    def forget(self, connection: Connection) -> None:
        """The connection is closed; a thread may still hold its socket."""

    def dispose(self, connection: Connection) -> None:
        """Nobody holds the socket of a closed connection any more."""

    def again(self, connection: Connection) -> None:
        """It has more to read than one turn allows."""

    def pause(self, worker: Worker, paused: bool) -> None:
        """Stop or resume reading what the worker says."""

    def part(self, worker: Worker) -> None:
        """A retiring worker has no request any more: let it go."""

    def tell_master(self, kind: str, worker: Worker, **more: Any) -> None:
        """Send the master a word about a worker."""


class Traffic:
    """All requests that are complete and not answered."""

    def __init__(self, loop: Loop, options: Options, journal: Journal, scoreboard: Scoreboard, disk: Disk, spool: Spool) -> None:
        self.loop = loop
        self.disk = disk  # of files that others have made
        self.spool = spool
        self.journal = journal
        self.counters = scoreboard.slot(DISPATCHER)
        self.ledger = Ledger(scoreboard)
        self.reader = Reader()
        self.identity = Identity()
        self.queue: Queue[Exchange, Worker] = Queue(options.queue_size, options.queue_timeout)
        self.workers: dict[int, Worker] = {}
        self.numbered = 0
        self.draining = False  # not ready for new clients, but serving them
        self.closing = False  # connections are closed after their answer
        self.said_full: dict[str, float] = {}  # when, for each lane
        self.said_no_room = float("-inf")
        self.ending = ""  # why no request will be given to a worker any more
        self.watch, self.forget, self.dispose, self.again = loop.watch, loop.forget, loop.dispose, loop.again
        self.apply(options)

    def apply(self, options: Options) -> None:
        """Use these settings from now on."""
        self.options = options
        self.proxies = Proxies(options.trusted_proxies)
        self.places = Places(options.static)
        self.unlogged = Paths([options.access_log_exclude] if options.access_log_exclude else [])
        self.routes = Paths([(pattern,) for pattern, _ in options.limit_time_real_routes])
        self.queue.size, self.queue.timeout = options.queue_size, options.queue_timeout
        self.lanes = Lanes(options.lanes)
        self.ledger.arrange(self.lanes.names)
        self.queue.arrange(self.lanes.shares, lambda exchange: self.lanes.of(exchange.head.target))
        self._serve()

    # From connections.

    def origin(self, peer: tuple[str, int], headers: Headers) -> Origin:
        """Who the client is."""
        return self.proxies.origin(peer, headers) if self.options.proxy_mode else Origin(peer, "http", headers)

    def submit(self, exchange: Exchange) -> None:
        """Take a complete request."""
        self.numbered += 1
        exchange.number = self.numbered
        exchange.request_id = self.identity.of(exchange.origin.headers)
        if exchange.head.target.startswith(health.PLACE) and self.proxies.trusts(exchange.origin.client[0]):
            self._answer(exchange, *health.health(self, exchange.head, exchange.request_id, keep=self._keep(exchange)))
            return
        if self.options.static and (place := self.places.find(exchange.head.target.partition(b"?")[0])):
            self._find(exchange, *place)
            return
        exchange.lane = lane = self.lanes.of(exchange.head.target)
        self.ledger.arrived(lane)
        while (worker := self.queue.claim(exchange)) is not None:
            if self.assign(exchange, worker):
                return
        self._enqueue(exchange)

    def _find(self, exchange: Exchange, directory: str, path: str | None) -> None:
        exchange.discard()
        exchange.connection.to(State.SERVED, time.monotonic() + self.options.body_timeout)
        if self.disk.stalled(directory):
            self.fail(exchange, 503, f"the disk of {directory} hangs", worker="-")
        else:
            job, then = partial(find, directory, path, exchange.head), partial(self._found, exchange)
            exchange.connection.send_on_errand(self.disk, job, then, directory)

    def _found(self, exchange: Exchange, outcome: Found | int | Exception) -> None:
        """A thread has looked for a static file."""
        head, keep = exchange.head, self._keep(exchange)
        if exchange.connection.state is State.CLOSED:
            if isinstance(outcome, Found) and isinstance(outcome.body, Extent):
                self.discard(outcome.body)
            return
        if isinstance(outcome, OSError):
            self.fail(exchange, 503, f"the file could not be read: {outcome.strerror}", worker="-")
        elif isinstance(outcome, Exception):
            raise outcome
        elif isinstance(outcome, int):
            self._answer(exchange, outcome, failure(outcome, head, exchange.request_id, "", keep=keep))
        else:
            self._answer(exchange, outcome.part.status, file_head(outcome, exchange.request_id, keep=keep), outcome.body)
        exchange.connection.proceed()

    def disk_of(self, extent: Extent) -> Disk:
        """Where a file is read and closed."""
        return self.spool if extent.growing else self.disk

    def discard(self, extent: Extent) -> None:
        """Let go of a file."""
        self.disk_of(extent).close(extent.descriptor)

    def _enqueue(self, exchange: Exchange) -> None:
        if self.ending:
            self.fail(exchange, 503, self.ending, worker="-")
            return
        if self.queue.full(exchange.lane):
            self._say_full(exchange.lane)
            self.fail(exchange, 503, "", worker="-")  # the event has said why, once for all of them
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

    def add(self, worker: Worker) -> None:
        """A worker is ready."""
        self.workers[worker.number] = worker
        self.free(worker)

    def assign(self, exchange: Exchange, worker: Worker) -> bool:
        """Give a request to the worker it has claimed; False when that one is gone, which its pidfd will say too."""
        worker.slot[ALLOWED] = self._allowed(exchange) if self.routes.any else 0
        try:
            worker.give(pack_request(exchange.request(self._keep(exchange))), exchange.descriptors())
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
        return True

    def _allowed(self, exchange: Exchange) -> int:
        """The nanoseconds that the request's route may take, 0 where the limit of all counts."""
        route = self.routes.find(exchange.head.target)
        if route is None:
            return 0
        return int(self.options.limit_time_real_routes[route][1] * 1e9) or FOREVER

    def free(self, worker: Worker) -> None:
        """A worker has no request: it gets the next one, or is idle, or leaves."""
        if worker.condemned:
            self.queue.forget(worker)
        elif worker.retiring:
            self.queue.forget(worker)
            self.loop.part(worker)
        else:
            self.queue.release(worker)
        self._serve()

    def _serve(self) -> None:
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
                self.discard(part)
            return
        exchange.connection.hand_on(part)
        if exchange.connection.open and exchange.connection.outbox.held > MOST_HELD:
            worker.paused = True
            self.loop.pause(worker, True)

    def mangled(self, worker: Worker) -> None:
        """A part of an answer was lost on the way from its worker, which does not know: no further byte of it may follow."""
        exchange = worker.exchange
        if exchange and exchange.connection.state is not State.CLOSED:
            self._cut(exchange, 0, worker, "a part of the answer was lost for want of a descriptor")

    def ended(self, worker: Worker, ending: Ending) -> None:
        """A worker has finished its request."""
        exchange, worker.exchange = worker.exchange, None
        assert exchange
        exchange.worker = None
        self.ledger.served(exchange.lane, time.monotonic() - exchange.assigned)
        self._account(exchange, ending.status, ending.sent, ending.cpu / 1e9, worker.name)
        connection = exchange.connection
        connection.written += ending.sent
        exchange.discard()
        if ending.worn and not worker.worn:
            worker.worn = True
            self.loop.tell_master("worn", worker)
        self.free(worker)
        connection.answered(ending.keep, broken=ending.broken)
        connection.proceed()

    def retire(self, worker: Worker) -> None:
        """Give a worker no further request, and let it go when it has none."""
        worker.retiring = True
        self.queue.retire(worker)
        if worker.exchange is None:
            self.loop.part(worker)
        else:
            self.loop.tell_master("withdrawn", worker)
        self._serve()  # what it was kept for may be another worker's now

    def condemn(self, worker: Worker, number: int, sentence: Sentence) -> bool:
        """A worker is to be killed while it has its request `number` (0: none): it gets nothing more.

        False: it has answered meanwhile, or been given another request, which is not to die for what was before it.
        """
        has = worker.exchange.number if worker.exchange else 0
        if number != has or (has and worker.slot.progress().state == DONE):
            return False
        worker.condemned = sentence
        self.queue.retire(worker)
        self._serve()
        return True

    def die_with(self, worker: Worker) -> None:
        """Give nothing more to the other threads of a dead process, before their own deaths are noticed."""
        for other in self.workers.values():
            if other.pid == worker.pid:
                self.queue.forget(other)

    def bury(self, worker: Worker) -> dict[str, Any]:
        """A worker is dead and has said all it said: decide about its request. Returns what the master may want to know of it."""
        self.queue.forget(worker)
        self.workers.pop(worker.number, None)
        exchange, worker.exchange = worker.exchange, None
        known: dict[str, Any] = {}
        if exchange is not None:
            exchange.worker = None
            self.ledger.served(exchange.lane, time.monotonic() - exchange.assigned)
            if worker.condemned is None and worker.starved():  # a limit that the kernel enforces: not to be broken once more
                worker.condemned = Sentence(503, "the kernel killed the worker for want of memory", secrets.token_hex(4))
            sentence = worker.condemned or Sentence(502, "the worker died", secrets.token_hex(4))
            known = {"incident": sentence.incident, "request": exchange.described(worker.slot)}
            known["status"] = self._conclude(exchange, worker, sentence)
        elif worker.condemned:
            known = {"status": worker.slot.progress().status}  # it has answered meanwhile
        self._serve()  # its lane may have another worker now; that of a retry first
        return known

    def _conclude(self, exchange: Exchange, worker: Worker, sentence: Sentence) -> int:
        """Do what a worker's death means for its request. Returns the status that its client gets for it, 0 where there is none."""
        progress, given = self._progress(exchange, worker)
        verdict = judge(progress, exchange.number, exchange.head.method, exchange.attempt, exchange.deliveries)
        if exchange.connection.state is State.CLOSED:
            exchange.discard()
        elif verdict is Verdict.DONE:
            self._account(exchange, progress.status, given, 0.0, worker.name)
            exchange.discard()
            exchange.connection.written += given
            exchange.connection.answered(progress.keep)
            exchange.connection.proceed()
        elif verdict in {Verdict.AGAIN, Verdict.RETRY} and self.ending:
            self.fail(exchange, 503, self.ending, worker=worker.name)
        elif verdict is Verdict.AGAIN or (verdict is Verdict.RETRY and not worker.condemned):
            self._again(exchange, worker, verdict)
        elif verdict in {Verdict.FAIL, Verdict.RETRY}:  # what broke a limit once would break it again
            incident = "" if self.ending else sentence.incident  # nobody keeps one for each worker that a stop kills
            self.fail(exchange, sentence.status, sentence.reason, worker=worker.name, incident=incident)
            exchange.connection.proceed()
            return sentence.status
        else:
            exchange.discard()
            self._cut(exchange, progress.status, worker, f"{sentence.reason}, in the middle of the answer")
        return 0

    def _progress(self, exchange: Exchange, worker: Worker) -> tuple[Progress, int]:
        """What a dead worker had done about its request, and how many bytes of the answer it has got rid of."""
        progress, connection = worker.slot.progress(), exchange.connection
        if progress.state < WRITING or progress.number != exchange.number or connection.state is State.CLOSED:
            return progress, 0
        given = connection.given()
        progress = corrected(progress, worker.slot[SIZE], given)
        if progress.state == WRITING and not connection.errand and connection.out() == 0:
            connection.outbox.clear()  # the client has seen nothing of what was handed on: another answer takes its place
            connection.direct = connection.handed = 0
            progress = progress._replace(state=BEGUN)
        return progress, given or 0

    def _again(self, exchange: Exchange, worker: Worker, verdict: Verdict) -> None:
        if verdict is Verdict.RETRY:
            exchange.attempt += 1
        exchange.arrived = time.monotonic()  # the time it was served is no time that it waited
        self.counters[RETRIED] += 1
        head = exchange.head
        self.journal.note(
            RequestRetried(head.method, exchange.target(), worker.name, exchange.attempt, exchange.request_id, verdict.value)
        )
        # It had its turn: it stands before those who have not, however full the queue is.
        exchange.connection.to(State.QUEUED)
        self.queue.wait(exchange, first=True)

    def _cut(self, exchange: Exchange, status: int, worker: Worker, cause: str) -> None:
        self._note_failure(exchange, status, worker.name, f"{cause}, the connection is cut")
        exchange.connection.cut()

    def fail(self, exchange: Exchange, status: int, reason: str, *, worker: str, incident: str = "") -> None:
        """Answer a request that no worker will. Without a `reason` nothing but its access line is logged."""
        self._note_failure(exchange, status, worker, reason)
        data = failure(status, exchange.head, exchange.request_id, incident, keep=self._keep(exchange))
        self._answer(exchange, status, data)

    def _note_failure(self, exchange: Exchange, status: int, worker: str, reason: str) -> None:
        self.counters[FAILED] += 1
        if reason:
            failed = RequestFailed(exchange.head.method, exchange.target(), status, worker, exchange.request_id, reason)
            self.journal.note(failed)

    # In between.

    def tick(self, now: float) -> None:
        """Look at what has waited too long."""
        for exchange in self.queue.expired(now):
            self.ledger.waited(exchange.lane, now - exchange.arrived)
            self.fail(exchange, 503, "it waited too long for a worker (queue_timeout)", worker="-")
            exchange.connection.proceed()
        for worker in self.workers.values():
            given = worker.exchange
            if given and now - given.assigned > BEGIN_WITHIN:
                progress = worker.slot.progress()
                if progress.number != given.number or progress.state < BEGUN:
                    self.loop.tell_master("stuck", worker)
        oldest = self.queue.oldest()
        self.counters[QUEUED] = self.queue.length
        self.counters[OLDEST] = int(oldest * 1e9) if oldest is not None else 0
        for lane, line in enumerate(self.queue.lines):
            self.ledger.show(lane, line.length, line.working + line.leaving, line.oldest())
        self.counters[BUSY] = sum(1 for worker in self.workers.values() if worker.exchange)

    def give_up(self, reason: str) -> None:
        """Answer everything that waits for a worker, now and from now on: there will be none."""
        self.ending = reason
        for exchange in self.queue.waiting():
            self.queue.withdraw(exchange)
            self.fail(exchange, 503, reason, worker="-")

    def _keep(self, exchange: Exchange) -> bool:
        return exchange.head.keep and not self.closing and self.options.keepalive_timeout > 0

    def _answer(self, exchange: Exchange, status: int, *parts: bytes | Extent) -> None:
        self._account(exchange, status, sum(map(len, parts)), 0.0, "-")
        exchange.discard()
        exchange.connection.answer(*parts, keep=self._keep(exchange))

    def _account(self, exchange: Exchange, status: int, sent: int, cpu: float, worker: str) -> None:
        self.counters[ANSWERED] += 1
        # A health check that fails is worth its line.
        if self.options.access_log and (status >= 400 or self.unlogged.find(exchange.head.target) is None):
            self.journal.note(exchange.entry(status, sent, cpu, worker))
