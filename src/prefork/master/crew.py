"""The workers that exist, of all pools: forks, retires, ends and buries them, and learns from reports, releases and deaths.

By what they are reached is in `pairs` and `processes`; who feeds them is the dispatcher's business, or their own.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from prefork.events import BootFailed, WorkerDied, WorkerExited, WorkerReady, WorkerRetiring
from prefork.master.fleet import COMING, State, Worker
from prefork.master.gauges import is_busy
from prefork.master.news import event_of
from prefork.master.pairs import Pairs
from prefork.master.pools import HTTP
from prefork.master.processes import Processes
from prefork.master.remains import Legacy, remains_of
from prefork.master.spawn import kill_group
from prefork.scoreboard import OPEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prefork.channel import Channel
    from prefork.journal import Journal
    from prefork.master.fuse import Fuses
    from prefork.master.generation import Generation
    from prefork.master.pools import Pool
    from prefork.master.remains import Remains
    from prefork.master.spawn import Death
    from prefork.scoreboard import Scoreboard


class Crew:
    """`failed(worker, said)` is called when a worker did not get ready, or died as soon as it was."""

    def __init__(
        self, journal: Journal, scoreboard: Scoreboard, fuses: Fuses, failed: Callable[[Worker, str | None], None]
    ) -> None:
        self.journal = journal
        self.scoreboard = scoreboard
        self.fuses = fuses
        self.failed = failed
        self.pairs = Pairs()
        self.processes = Processes()
        self.legacy = Legacy()
        self.workers: dict[int, Worker] = {}  # by their first place, like all that there is one of for a worker
        self.early: list[dict[str, Any]] = []  # reports of workers whose pid has not been told yet
        self.said: dict[int, str] = {}  # why a worker could not get ready, until it is buried
        self.dropped: set[int] = set()  # places of those that were killed because nobody needs them any more

    def all(self) -> list[Worker]:
        """Every worker, by slot."""
        return [self.workers[slot] for slot in sorted(self.workers)]

    def ready(self) -> list[Worker]:
        """Those that get requests."""
        return [worker for worker in self.all() if worker.state is State.READY]

    def forking(self) -> bool:
        """Whether the pid of a worker is yet to be told."""
        return any(worker.state is State.FORKING for worker in self.workers.values())

    def find(self, slot: int, pid: int) -> Worker | None:
        """The worker whose place somebody speaks of, unless it has been replaced meanwhile."""
        return next((worker for worker in self.workers.values() if slot in worker.slots and worker.pid == pid), None)

    def open_connections(self, worker: Worker) -> int:
        """How many WebSockets and other lasting connections a worker has."""
        return self.scoreboard.slot(worker.slot)[OPEN]

    def look(self, now: float) -> None:
        """Note who is busy, and who has finished and leaves."""
        for worker in self.workers.values():
            worker.busy = any(is_busy(self.scoreboard.slot(slot)) for slot in worker.slots)
            self._let_go(worker, now)

    # Coming.

    def fork(self, pool: Pool, generation: Generation, now: float) -> None:
        """Order a worker for a pool from a generation's template."""
        concurrency = generation.concurrency if pool is HTTP else 0
        threads = generation.threads if pool is HTTP and not concurrency else 0
        first = self._room(pool, max(1, threads, concurrency), concurrency or 1)
        if generation.template is None or first is None:
            return
        self.legacy.places.discard(first)
        worker = self.workers[first] = Worker(
            first, generation.number, now, since=now, threads=threads, concurrency=concurrency, pool=pool
        )
        for slot in worker.slots:
            self.scoreboard.slot(slot).clear()
        try:
            self._order(worker, generation.template.channel)
        except OSError as error:
            self._refused(worker, error.strerror or str(error))

    def _order(self, worker: Worker, template: Channel) -> None:
        """Have a template fork it. Raises OSError."""
        first, pool = worker.slot, worker.pool
        slate = self.processes.expect(worker)
        theirs = self.pairs.make(worker)
        descriptors = [slate, *(end.fileno() for end in theirs)]
        number = first - pool.first + 1
        told = {
            "slot": first,
            "pool": pool.name,
            "number": number,
            "name": worker.name,
            "fatal": self.legacy.fatal,
            "looped": worker.looped,
        }
        try:
            template.send("fork", descriptors, **told)
        finally:
            for end in theirs:
                end.close()

    def _refused(self, worker: Worker, reason: str) -> None:
        self._forget(worker)
        self.failed(worker, f"the system refused another process ({reason})")

    def _room(self, pool: Pool, places: int, step: int = 1) -> int | None:
        """The first of so many free places in a row, looked for in steps; before all others one where a job was left behind."""
        taken = self.pairs.unreleased.union(*(worker.slots for worker in self.workers.values()))
        firsts = [*sorted(self.legacy.places.intersection(pool.places)), *pool.places[: len(pool.places) - places + 1 : step]]
        return next((n for n in firsts if taken.isdisjoint(range(n, n + places))), None)

    def forked(self, slot: int, pid: int, now: float) -> None:
        """The template has forked it, or could not (pid 0)."""
        worker = self.workers.get(slot)
        if worker is None or worker.state is not State.FORKING:
            return
        if pid == 0:
            self._refused(worker, "fork")
            return
        worker.pid = pid
        worker.to(State.BOOTING, now)
        try:
            self.processes.open(worker)
        except OSError as error:
            self.kill(worker, f"the system refused to tell of its end ({error.strerror})", now)
            return
        self.fuses.attach(worker.name, pid)
        early, self.early = self.early, []
        for report in early:
            self.hear(report)

    def unanswered(self, generation: int, since: float) -> Worker | None:
        """A worker that a generation's template was told to fork before `since`, and has not."""
        ordered = (worker for worker in self.all() if worker.state is State.FORKING and worker.generation == generation)
        return next((worker for worker in ordered if worker.born < since), None)

    def unforked(self, generation: int) -> None:
        """The template died with orders in hand. A worker that it did fork finds its pair closed and leaves."""
        for worker in self.all():
            if worker.state is State.FORKING and worker.generation == generation:
                self._forget(worker)

    def hear(self, report: dict[str, Any]) -> None:
        """A worker says that it is ready, or why it cannot be; or what has happened to its jobs or its sessions."""
        worker = self.workers.get(report["slot"])
        if worker and worker.state is State.FORKING:
            self.early.append(report)
        elif worker and worker.pid == report["pid"]:
            self._hear(worker, report)

    def _hear(self, worker: Worker, report: dict[str, Any]) -> None:
        if report["kind"] == "ready" and worker.state is State.BOOTING:
            now = time.monotonic()
            worker.to(State.READY, now)
            worker.speaks = report["speaks"]
            self.introduce(worker)  # before it is said, so that who reads it finds it at work
            self.journal.emit(WorkerReady(worker.name, worker.pid, worker.generation, now - worker.born))
        elif report["kind"] == "boot_failed" and worker.state is State.BOOTING:
            self._cannot_boot(worker, report["reason"], report["traceback"])
        elif report["kind"] == "worn":
            worker.worn = True
        elif event := event_of(worker.name, report):
            self.journal.emit(event)

    def _cannot_boot(self, worker: Worker, reason: str, traceback: str | None) -> None:
        self.said[worker.slot] = traceback or reason
        self.journal.emit(BootFailed(worker.name, worker.pid, worker.generation, reason, traceback))

    def introduce(self, worker: Worker) -> None:
        """Have the dispatcher know the worker, if it feeds that: from now on it gets requests."""
        self.pairs.introduce(worker, self.processes.pidfds[worker.slot], self.fuses.counters(worker.pid))

    # Going.

    def retire(self, worker: Worker, reason: str, now: float) -> None:
        """Let a worker finish and leave. Whoever reads that it retires can rely on it: it has been told before."""
        worker.to(State.RETIRING, now)
        self.pairs.retire(worker)
        self._let_go(worker, now)
        self.journal.emit(WorkerRetiring(worker.name, worker.pid, reason))

    def released(self, slot: int, pid: int, now: float, places: int = 1) -> None:
        """The dispatcher has closed a pair, or so many in a row, and will not read their slots again."""
        self.pairs.release(slot, places)
        worker = self.find(slot, pid)
        if worker:
            worker.reachable.discard(slot)
            self._let_go(worker, now)

    def _let_go(self, worker: Worker, now: float) -> None:
        """A retiring worker leaves when all its pairs are closed, and it has finished what it had."""
        if worker.state is State.RETIRING and not self.pairs.feeds(worker):
            self.pairs.close(worker)
            if not self.open_connections(worker) and not any(is_busy(self.scoreboard.slot(slot)) for slot in worker.slots):
                worker.to(State.LEAVING, now)

    def dispatcher_lost(self, now: float) -> None:
        """All pairs that the dispatcher had are closed: their workers finish and leave."""
        self.pairs.lose_dispatcher()
        for worker in self.workers.values():
            if worker.state is State.READY and worker.slot not in self.pairs.ends:
                worker.to(State.RETIRING, now)
            self._let_go(worker, now)

    def kill(self, worker: Worker, reason: str, now: float) -> None:
        """End a worker and its children at once. One that has no pid yet is left for the next look."""
        if worker.state is State.FORKING:
            return
        if worker.state in COMING:
            self._cannot_boot(worker, reason, None)
        worker.to(State.KILLED, now)
        kill_group(worker.pid)

    def drop(self, worker: Worker, now: float) -> None:
        """End a worker that is not ready yet and not needed any more."""
        if worker.state is State.BOOTING:
            self.dropped.add(worker.slot)
            worker.to(State.KILLED, now)
            kill_group(worker.pid)

    def give_up(self, workers: Iterable[Worker], now: float) -> None:
        """End workers at once, in a stop; the log has said why. Those without a pid are dropped when they have one."""
        for worker in workers:
            self.dropped.add(worker.slot)
            if worker.pid and worker.state is not State.KILLED:
                worker.to(State.KILLED, now)
                kill_group(worker.pid)

    def bury(self, worker: Worker, death: Death, settled: bool) -> Remains | None:
        """A worker is dead; returns what is left of it, unless it was asked to go.

        That is a failed start, unless it had been ready for long (`settled`) or had got a request or job.
        """
        kill_group(worker.pid)  # what it left behind, while its pid is still its own
        stacks = self.processes.stacks_of(worker)
        remains = remains_of(worker, death, self.scoreboard, self.said.get(worker.slot), stacks)
        asked = remains.left or worker.slot in self.dropped
        self._forget(worker)
        if remains.job:
            self.legacy.leave(worker, remains.job["name"])
        if asked:
            self.journal.emit(WorkerExited(worker.name, worker.pid))
            return None
        self.journal.emit(WorkerDied(worker.name, worker.pid, death.how()))
        if remains.failed_start(settled=settled):
            self.failed(worker, remains.complaint)
        return remains

    def _forget(self, worker: Worker) -> None:
        del self.workers[worker.slot]
        self.said.pop(worker.slot, None)
        self.dropped.discard(worker.slot)
        self.processes.close(worker)
        self.pairs.close(worker)
