"""Which worker works on which request: assigns, finishes, and decides what a dead worker's request becomes.

Knows connections and workers, but neither epoll nor the master: the loop passes in what it needs from them.
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Protocol

from prefork.dispatcher.connection import State
from prefork.dispatcher.outbox import Rest
from prefork.dispatcher.queue import Queue
from prefork.dispatcher.replies import HEALTH, failure, health
from prefork.dispatcher.verdict import Verdict, corrected, judge
from prefork.events import Access, QueueFull, RequestFailed, RequestRefused, RequestRetried
from prefork.http.head import Reader, Refused
from prefork.http.proxies import Headers, Origin, Proxies
from prefork.messages import pack_request
from prefork.scoreboard import ANSWERED, BEGUN, BUSY, CONNECTIONS, FAILED, OLDEST, QUEUED, REFUSED, RETRIED, SIZE, WRITING

if TYPE_CHECKING:
    from prefork.dispatcher.connection import Connection
    from prefork.dispatcher.exchange import Exchange
    from prefork.dispatcher.options import Options
    from prefork.dispatcher.workers import Worker
    from prefork.journal import Journal
    from prefork.messages import Ending
    from prefork.scoreboard import Progress, Slot

BEGIN_WITHIN = 1.0  # seconds from the hand-over to the application's start
MOST_WAITING = 32 << 20  # bytes a client may leave unread before its worker has to wait
UNIX = "unix:"  # what logs call a client that has no address
RETRY_AFTER = 5  # seconds, for those who come while the queue is full


class Loop(Protocol):
    """What traffic needs of the event loop."""

    def watch(self, connection: Connection, mask: int) -> None:
        """Be told of other things than before."""

    def forget(self, connection: Connection) -> None:
        """The connection is closed."""

    def again(self, connection: Connection) -> None:
        """It has more to read than one turn allows."""

    def pause(self, worker: Worker, paused: bool) -> None:
        """Stop or resume reading what the worker says."""

    def part(self, worker: Worker) -> None:
        """A retiring worker has no request any more: let it go."""

    def tell_master(self, kind: str, worker: Worker) -> None:
        """Send the master a word about a worker."""


class Traffic:
    """All requests that are complete and not answered."""

    def __init__(self, loop: Loop, options: Options, journal: Journal, counters: Slot) -> None:
        self.loop = loop
        self.journal = journal
        self.counters = counters
        self.reader = Reader()
        self.queue: Queue[Exchange, Worker] = Queue(options.queue_size, options.queue_timeout)
        self.workers: dict[int, Worker] = {}
        self.numbered = 0
        self.draining = False  # not ready for new clients, but serving them
        self.closing = False  # connections are closed after their answer
        self.said_full = 0.0
        self.ending = ""  # why no request will be given to a worker any more
        self.watch, self.forget, self.again = loop.watch, loop.forget, loop.again
        self.apply(options)

    def apply(self, options: Options) -> None:
        """Use these settings from now on."""
        self.options = options
        self.proxies = Proxies(options.trusted_proxies)
        self.queue.size, self.queue.timeout = options.queue_size, options.queue_timeout

    # From connections.

    def origin(self, peer: tuple[str, int], headers: Headers) -> Origin:
        """Who the client is."""
        return self.proxies.origin(peer, headers) if self.options.proxy_mode else Origin(peer, "http", headers)

    def submit(self, exchange: Exchange) -> None:
        """Take a complete request."""
        self.numbered += 1
        exchange.number = self.numbered
        if exchange.head.target.startswith(HEALTH) and self.proxies.trusts(exchange.origin.client[0]):
            self._answer(exchange, *health(self, exchange.head, keep=self._keep(exchange)))
            return
        while (worker := self.queue.claim()) is not None:
            if self.assign(exchange, worker):
                return
        self._enqueue(exchange)

    def _enqueue(self, exchange: Exchange) -> None:
        if self.ending:
            self.fail(exchange, 503, self.ending, worker="-")
            return
        if self.queue.full():
            now = time.monotonic()
            if now - self.said_full > 60:
                self.said_full = now
                self.journal.note(QueueFull(self.queue.length))
            self.fail(exchange, 503, "", worker="-")  # the event has said why, once for all of them
            return
        exchange.connection.to(State.QUEUED)
        self.queue.wait(exchange)

    def withdraw(self, exchange: Exchange) -> None:
        """The client of a waiting request has left."""
        self.queue.withdraw(exchange)
        exchange.discard()

    def refused(self, connection: Connection, refused: Refused) -> None:
        """A request that could not be read is answered by its connection."""
        self.counters[REFUSED] += 1
        self.journal.note(RequestRefused(connection.peer[0] or UNIX, refused.status, refused.reason))

    def relieved(self, connection: Connection) -> None:
        """A client has read some of what waits for it."""
        exchange = connection.exchange
        if exchange and exchange.worker and exchange.worker.paused and connection.outbox.size < MOST_WAITING // 4:
            exchange.worker.paused = False
            self.loop.pause(exchange.worker, False)

    # To and from workers.

    def add(self, worker: Worker) -> None:
        """A worker is ready."""
        self.workers[worker.number] = worker
        self.free(worker)

    def assign(self, exchange: Exchange, worker: Worker) -> bool:
        """Give a request to a worker that is not idle any more; False when it is gone, which its pidfd will say too."""
        try:
            worker.give(pack_request(exchange.request(self._keep(exchange))), exchange.descriptors())
        except ConnectionError:
            return False
        except OSError:
            # The kernel does not take the message although the worker lives: it would be neither idle nor busy for ever.
            self.loop.tell_master("faulty", worker)
            return False
        exchange.deliveries += 1
        exchange.assigned = time.monotonic()
        exchange.worker = worker
        worker.exchange = exchange
        exchange.connection.to(State.SERVED)
        return True

    def free(self, worker: Worker) -> None:
        """A worker has no request: it gets the next one, or is idle, or leaves."""
        if worker.retiring:
            self.loop.part(worker)
            return
        waiting = self.queue.release(worker)
        if waiting is not None and not self.assign(waiting, worker):
            self.queue.wait(waiting, first=True)

    def rest(self, worker: Worker, data: bytes | Rest) -> None:
        """A worker hands on what its client's socket did not take."""
        exchange = worker.exchange
        if exchange is None or exchange.connection.state is State.CLOSED:
            if isinstance(data, Rest):
                data.discard()
            return
        exchange.connection.hand_on(data)
        if exchange.connection.outbox.size > MOST_WAITING:
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
        self.queue.forget(worker)
        if worker.exchange is None:
            self.loop.part(worker)
        else:
            self.loop.tell_master("withdrawn", worker)

    def bury(self, worker: Worker) -> None:
        """A worker is dead and has said all it said: decide about its request."""
        self.queue.forget(worker)
        self.workers.pop(worker.number, None)
        exchange, worker.exchange = worker.exchange, None
        if exchange is None:
            return
        exchange.worker = None
        progress, sent = self._progress(exchange, worker)
        verdict = judge(progress, exchange.number, exchange.head.method, exchange.attempt, exchange.deliveries)
        if exchange.connection.state is State.CLOSED:
            exchange.discard()
        elif verdict is Verdict.DONE and not exchange.connection.outbox:
            self._account(exchange, progress.status, sent, 0.0, worker.name)
            exchange.discard()
            exchange.connection.written += sent
            exchange.connection.answered(progress.keep)
            exchange.connection.proceed()
        elif verdict in {Verdict.AGAIN, Verdict.RETRY} and self.ending:
            self.fail(exchange, 503, self.ending, worker=worker.name)
        elif verdict in {Verdict.AGAIN, Verdict.RETRY}:
            self._again(exchange, worker, verdict)
        elif verdict is Verdict.FAIL:
            self.fail(exchange, 502, "the worker died", worker=worker.name)
            exchange.connection.proceed()
        else:
            exchange.discard()
            self._cut(exchange, progress.status, worker, "the worker died in the middle of the answer")

    def _progress(self, exchange: Exchange, worker: Worker) -> tuple[Progress, int]:
        """What a dead worker had done about its request, and how many bytes of the answer are out."""
        progress, size = worker.slot.progress(), worker.slot[SIZE]
        if progress.state < WRITING or progress.number != exchange.number or exchange.connection.state is State.CLOSED:
            return progress, 0
        sent = exchange.connection.out()
        progress = corrected(progress, size, sent)
        if progress.state < WRITING:
            exchange.connection.outbox.clear()  # what it has handed on: another answer takes its place
        return progress, sent or 0

    def _again(self, exchange: Exchange, worker: Worker, verdict: Verdict) -> None:
        if verdict is Verdict.RETRY:
            exchange.attempt += 1
        exchange.arrived = time.monotonic()  # the time it was served is no time that it waited
        self.counters[RETRIED] += 1
        head = exchange.head
        self.journal.note(RequestRetried(head.method, exchange.target(), worker.name, exchange.attempt, verdict.value))
        while (other := self.queue.claim()) is not None:
            if self.assign(exchange, other):
                return
        # It had its turn: it stands before those who have not, however full the queue is.
        exchange.connection.to(State.QUEUED)
        self.queue.wait(exchange, first=True)

    def _cut(self, exchange: Exchange, status: int, worker: Worker, cause: str) -> None:
        reference = secrets.token_hex(4)
        self.counters[FAILED] += 1
        reason = f"{cause}, the connection is cut"
        self.journal.note(RequestFailed(exchange.head.method, exchange.target(), status, worker.name, reference, reason))
        exchange.connection.cut()

    def fail(self, exchange: Exchange, status: int, reason: str, *, worker: str) -> None:
        """Answer a request that no worker will. With a `reason` it is logged, and the page refers to that line."""
        reference = secrets.token_hex(4) if reason else ""
        self.counters[FAILED] += 1
        head = exchange.head
        if reason:
            self.journal.note(RequestFailed(head.method, exchange.target(), status, worker, reference, reason))
        data = failure(status, head, reference, keep=self._keep(exchange), retry_after=RETRY_AFTER if status == 503 else None)
        self._answer(exchange, status, data)

    # In between.

    def tick(self, now: float) -> None:
        """Look at what has waited too long."""
        for exchange in self.queue.expired(now):
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
        self.counters[BUSY] = sum(1 for worker in self.workers.values() if worker.exchange)

    def give_up(self, reason: str) -> None:
        """Answer everything that waits for a worker, now and from now on: there will be none."""
        self.ending = reason
        for exchange in list(self.queue.line):
            if not exchange.withdrawn:
                self.queue.withdraw(exchange)
                self.fail(exchange, 503, reason, worker="-")

    def unfinished(self) -> int:
        """Requests that have no complete answer."""
        return self.queue.length + sum(1 for worker in self.workers.values() if worker.exchange)

    def readiness(self) -> tuple[int, dict[str, object]]:
        """Whether a balancer should send requests here."""
        if self.draining:
            return 503, {"status": "stopping"}
        count = sum(1 for worker in self.workers.values() if not worker.retiring)
        return (200, {"status": "ready", "workers": count}) if count else (503, {"status": "no worker is ready"})

    def saturation(self) -> tuple[int, dict[str, object]]:
        """How busy the workers are; 503 when a request that came now would have to wait."""
        busy = sum(1 for worker in self.workers.values() if worker.exchange)
        oldest = self.queue.oldest()
        said: dict[str, object] = {
            "workers": len(self.workers),
            "busy": busy,
            "idle": len(self.queue.idle),
            "queue": self.queue.length,
            "queue_size": self.queue.size,
            "oldest_wait": round(time.monotonic() - oldest, 3) if oldest is not None else 0,
            "connections": self.counters[CONNECTIONS],
        }
        return (200 if self.queue.idle else 503), said

    def _keep(self, exchange: Exchange) -> bool:
        return exchange.head.keep and not self.closing and self.options.keepalive_timeout > 0

    def _answer(self, exchange: Exchange, status: int, data: bytes) -> None:
        self._account(exchange, status, len(data), 0.0, "-")
        exchange.discard()
        exchange.connection.answer(data, self._keep(exchange))

    def _account(self, exchange: Exchange, status: int, sent: int, cpu: float, worker: str) -> None:
        self.counters[ANSWERED] += 1
        if not self.options.access_log:
            return
        now = time.monotonic()
        wait = (exchange.assigned if exchange.deliveries else now) - exchange.arrived
        service = now - exchange.assigned if exchange.deliveries else 0.0
        head = exchange.head
        client = exchange.origin.client[0] or UNIX
        self.journal.note(Access(client, head.method, head.target.decode("latin-1"), status, sent, wait, service, cpu, worker))
