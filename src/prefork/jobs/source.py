"""Where a worker for jobs gets its runs from: PostgreSQL. Made in the worker, after the fork.

None of its transactions is open while a job is done. A run that went well ends together with the claim of the next one, and
several of a job that takes no time with that of several (`tray.py`): who works through a queue commits once for each run, or less.
What could not be said to the database because it was away is said by the next `connect`. Whoever has lost its run meanwhile
changes nothing any more.
"""

from __future__ import annotations

import random
import time
from contextlib import suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Callable

from prefork.jobs import schedules
from prefork.jobs.declaration import Job, registry
from prefork.jobs.lease import Lease
from prefork.jobs.run import Run
from prefork.jobs.tray import Tray
from prefork.store import jobs, schema
from prefork.store.address import address
from prefork.store.connection import Unavailable, connect, translated

if TYPE_CHECKING:
    from prefork.store.connection import Connection
    from prefork.store.jobs import Claim, Ended, Holder
    from prefork.worker.cron import Identity

POLL = 5.0  # seconds after which everybody looks, whether the bell rang or not
BUSY = 1.0  # seconds after which somebody looks for recurring jobs who goes from run to run
FORGETTING = 3600.0  # seconds between two deletions of old history
KEPT = 30 * 86_400.0  # seconds of history


class Source:
    """Runs of this application's jobs for one worker, `holder`. `tell` hears of what people should know, as an event's fields."""

    def __init__(self, holder: Holder, tell: Callable[..., None] = lambda *_, **__: None) -> None:
        self.holder = holder
        self.tell = tell
        self.where = address()
        self.names = sorted(registry)
        self.title = f"prefork {holder.worker}"
        self.tray = Tray()
        self.lease = Lease(self.where, self.title, self.tray, self.superseded)
        self.connection: Connection | None = None
        self.listener: Connection | None = None
        self.rung = False  # since the last look
        self.look_at = 0.0  # when to look for recurring jobs again
        self.failed: Run | None = None  # and the database does not know yet
        self.sweep_at = 0.0  # when to look for runs whose workers are gone,
        self.leases_from = 0.0  # not before which a lease counts as over,
        self.forget_at = 0.0  # and when to delete what is old

    def connect(self) -> None:
        """Be ready to claim. Raises `Unavailable` with a sentence."""
        again = self.connection is not None
        self._disconnect()
        connection = connect(self.where, self.title)
        with translated():
            schema.prepare(connection)
            self.listener = self._listen(connection)
            jobs.declare(connection, [row(job, datetime.now(timezone.utc)) for job in registry.values()])
            self.connection = connection
            self.settle()
            self._told(jobs.release(connection, self.holder.node, lambda worker, pid: self._mine(worker, pid) or gone(pid)))
        # Whoever else was cut off with us comes back and renews: leases count from here.
        self.leases_from = time.monotonic() + (jobs.LEASE if again else 0.0)
        self.sweep_at = 0.0
        self.look_at = 0.0

    def _listen(self, connection: Connection) -> Connection:
        listener = connect(self.where, f"{self.title} listen", direct=True) if self.where and self.where.listen else connection
        listener.add_notify_handler(self._ring)
        jobs.listen(listener)
        return listener

    def _ring(self, _notify: object) -> None:
        self.rung = True

    def fileno(self) -> int:
        """Readable when something may be due, or the connection is lost."""
        return -1 if self.listener is None or self.listener.closed else self.listener.fileno()

    def claim(self) -> Run | None:
        """One run, which is ours now; None when nothing is due. Raises `Unavailable`."""
        assert self.connection, "connect() first"
        claim = self.tray.next() or self._claimed(self.connection)
        return Run(self, claim) if claim else None

    def _claimed(self, connection: Connection) -> Claim | None:
        with translated():
            if self.listener is not connection and self.listener:
                self.listener.execute("SELECT")  # takes the notices in
            if time.monotonic() >= self.look_at:
                self._look(connection)
            claim = self._next(connection)
            if claim is None and self.rung:
                self.rung = False
                self._look(connection)
                claim = self._next(connection)
            if claim is None:
                self._rest(connection)
        return claim

    def _next(self, connection: Connection) -> Claim | None:
        """The next run, after those that have ended were written down."""
        if stale := self.tray.take_ready():
            jobs.give_back(connection, stale)
        ended = self.tray.take_ended()
        if not ended:
            return jobs.claim(connection, self.holder, self.names)
        try:
            known, claims = jobs.advance(connection, ended, self.holder, self.names, self.tray.quick)
        except BaseException:
            self.tray.put_back(ended)
            raise
        self.superseded(ended, known)
        self.tray.fill(claims)
        if len(claims) > 1:
            self.lease.alert()
        return self.tray.next()

    def settle(self) -> None:
        """Say what the database does not know yet, and give back what was not begun."""
        connection = self.connection
        assert connection
        if self.failed:
            self.failed.save()
        if ended := self.tray.take_ended():
            try:
                known = jobs.complete(connection, ended)
            except BaseException:
                self.tray.put_back(ended)
                raise
            self.superseded(ended, known)
        if ready := self.tray.take_ready():
            jobs.give_back(connection, ready)

    def superseded(self, ended: list[Ended], known: set[int]) -> None:
        """Tell of those that have ended without being ours any more."""
        for claim, _ in ended:
            if claim.id not in known:
                self.tell("run_superseded", job=claim.job, run=claim.id, attempt=claim.attempt)

    def _look(self, connection: Connection) -> None:
        with connection.transaction():
            for job in jobs.due(connection, self.names):
                self._begin(connection, job)
        now = time.monotonic()
        if now >= self.sweep_at:
            self.sweep_at = now + POLL
            self._told(jobs.release(connection, self.holder.node, lambda _, pid: gone(pid)))
            if now >= self.leases_from:
                self._told(jobs.expire(connection))
        if now >= self.forget_at:
            forgotten = jobs.forget(connection, KEPT)
            # Not all workers at once, and at the next look again as long as there is more.
            self.forget_at = now + (FORGETTING * random.uniform(0.5, 1.5) if forgotten < jobs.AT_ONCE else 0.0)  # noqa: S311
        self.look_at = now + BUSY

    def _mine(self, worker: str, pid: int) -> bool:
        """Whether a run is held in our name while we do nothing: by a predecessor, or by a claim whose answer we never got."""
        return worker == self.holder.worker or pid == self.holder.pid

    def _told(self, lost: list[jobs.Lost]) -> None:
        for each in lost:
            self.tell("run_lost", **each._asdict())

    def _begin(self, connection: Connection, job: jobs.Due) -> None:
        try:
            next_at = schedules.parse(job.schedule, job.tz).after(job.due_at, job.now)
        except ValueError as error:
            jobs.deactivate(connection, job.name, str(error))
            self.tell("job_deactivated", job=job.name, reason=str(error))
            return
        if not schedules.missed(job.misfire, job.due_at, job.now):
            jobs.occur(connection, job)
        jobs.postpone(connection, job.name, next_at)

    def _rest(self, connection: Connection) -> None:
        left = jobs.until_next(connection, self.names)
        self.look_at = time.monotonic() + (POLL if left is None else min(POLL, max(0.0, left)))

    def patience(self) -> float:
        """Seconds until it should be asked again."""
        return 0.0 if self.rung else max(0.0, self.look_at - time.monotonic())

    def close(self) -> None:
        """Leave, and say before what there is to say: what fails now is said by the next `connect`, or lost with this process."""
        if self.connection and not self.connection.closed:
            with suppress(Unavailable), translated():
                self.settle()
        self._disconnect()

    def _disconnect(self) -> None:
        for connection in {self.connection, self.listener} - {None}:
            assert connection
            connection.close()
        self.listener = None


def source(identity: Identity) -> Source:
    """What `jobs` gives a worker as its `job_source`."""
    holder = jobs.Holder(identity.node, f"{identity.pool}.{identity.number}", identity.pid)
    return Source(holder, identity.tell)


def row(job: Job, now: datetime) -> dict[str, Any]:
    """A job's row as its code has it."""
    plan = job.plan
    due_at = schedules.first(schedules.parse(plan.schedule, plan.tz), now) if plan.schedule else None
    return {"name": job.name, **plan._asdict(), "due_at": due_at}


def gone(pid: int) -> bool:
    """Whether there is no such process on this node, or only what is left of it."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True
    except OSError:
        return False
