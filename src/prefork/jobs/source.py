"""Where a worker for jobs gets its runs from: PostgreSQL. Made in the worker, after the fork.

None of its transactions is open while a job is done. A run that went well ends together with the claim of the next one: who works
through a queue commits once for each run. What could not be said to the database because it was away is said by the next `connect`.
Whoever has lost its run meanwhile changes nothing any more.
"""

from __future__ import annotations

import random
import resource
import time
import traceback
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Callable

from prefork.jobs import failures, schedules
from prefork.jobs.declaration import Job, registry
from prefork.jobs.lease import Lease
from prefork.store import jobs, schema
from prefork.store.address import address
from prefork.store.connection import Unavailable, connect, translated

if TYPE_CHECKING:
    from prefork.store.connection import Connection
    from prefork.store.jobs import Claim, Holder
    from prefork.worker.cron import Identity

POLL = 5.0  # seconds after which everybody looks, whether the bell rang or not
BUSY = 1.0  # seconds after which somebody looks for recurring jobs who goes from run to run
FORGETTING = 3600.0  # seconds between two deletions of old history
KEPT = 30 * 86_400.0  # seconds of history
LONGEST_ERROR = 8192  # characters of a traceback's end
SET_BACK = 60.0  # seconds by which a clock that was ahead is set back at least
WITHIN = 1.0  # seconds between two notes of progress


class Source:
    """Runs of this application's jobs for one worker, `holder`. `tell` hears of what people should know, as an event's fields."""

    def __init__(self, holder: Holder, tell: Callable[..., None] = lambda *_, **__: None) -> None:
        self.holder = holder
        self.tell = tell
        self.where = address()
        self.names = sorted(registry)
        self.title = f"prefork {holder.worker}"
        self.lease = Lease(self.where, self.title)
        self.connection: Connection | None = None
        self.listener: Connection | None = None
        self.rung = False  # since the last look
        self.look_at = 0.0  # when to look for recurring jobs again
        self.unsaved: Run | None = None  # has ended, and the database does not know yet
        self.ahead: float | None = None  # seconds of the database's clock before the one here that nobody sets
        self.sweep_at = 0.0  # when to look for runs whose workers are gone,
        self.leases_from = 0.0  # not before which a lease counts as over,
        self.forget_at = 0.0  # and when to delete what is old, and say that this node is there

    def connect(self) -> None:
        """Be ready to claim. Raises `Unavailable` with a sentence."""
        again = self.connection is not None
        self._disconnect()
        connection = connect(self.where, self.title)
        with translated():
            schema.prepare(connection)
            self.listener = self._listen(connection)
            jobs.declare(connection, [row(job, datetime.now(timezone.utc)) for job in registry.values()])
            self._recall(connection)
            jobs.attend(connection, self.holder.node, self.names)
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
        with translated():
            if self.listener is not self.connection and self.listener:
                self.listener.execute("SELECT")  # takes the notices in
            if time.monotonic() >= self.look_at:
                self._look(self.connection)
            claim = self._next(self.connection)
            if claim is None and self.rung:
                self.rung = False
                self._look(self.connection)
                claim = self._next(self.connection)
            if claim is None:
                self._rest(self.connection)
        return Run(self, claim) if claim else None

    def _next(self, connection: Connection) -> Claim | None:
        """The next run, after the last one has been ended."""
        if self.unsaved is None or self.unsaved.error:
            self.settle()
            return jobs.claim(connection, self.holder, self.names)
        held, claim = jobs.advance(connection, self.unsaved.claimed, self.unsaved.cost, self.holder, self.names)
        self.unsaved.ended(held)
        return claim

    def settle(self) -> None:
        """Say what the database does not know yet."""
        if self.unsaved:
            self.unsaved.save()

    def _look(self, connection: Connection) -> None:
        with connection.transaction():
            for job in jobs.due(connection, self.names):
                self._begin(connection, job)
        now = time.monotonic()
        if now >= self.sweep_at:
            self.sweep_at = now + POLL
            self._recall(connection)
            self._told(jobs.release(connection, self.holder.node, lambda _, pid: gone(pid)))
            if now >= self.leases_from:
                self._told(jobs.expire(connection))
        if now >= self.forget_at:
            jobs.attend(connection, self.holder.node, self.names)
            jobs.dismiss(connection)
            forgotten = jobs.forget(connection, KEPT)
            # Not all workers at once, and at the next look again as long as there is more.
            self.forget_at = now + (FORGETTING * random.uniform(0.5, 1.5) if forgotten < jobs.AT_ONCE else 0.0)  # noqa: S311
        self.look_at = now + BUSY

    def _recall(self, connection: Connection) -> None:
        """Look whether the database's clock has been set back."""
        seconds, was_ahead = jobs.clock(connection)
        before, self.ahead = self.ahead, seconds - time.monotonic()
        if was_ahead or (before is not None and self.ahead < before - SET_BACK):
            jobs.recall(connection)

    def _mine(self, worker: str, pid: int) -> bool:
        """Whether a run is held in our name while we do nothing: by a predecessor, or by a claim whose answer we never got."""
        return worker == self.holder.worker or pid == self.holder.pid

    def _told(self, lost: list[jobs.Lost]) -> None:
        for each in lost:
            self.tell("run_lost", **each._asdict())

    def _begin(self, connection: Connection, job: jobs.Due) -> None:
        begins = schedules.universal(job.due_at) <= schedules.universal(job.now)
        try:
            next_at = schedules.parse(job.schedule, job.tz).after(job.due_at if begins else job.now, job.now)
        except ValueError as error:
            jobs.deactivate(connection, job.name, str(error))
            self.tell("job_deactivated", job=job.name, reason=str(error))
            return
        if begins and not schedules.missed(job.misfire, job.due_at, job.now):
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


class Run:
    """One claimed run of a job."""

    def __init__(self, source: Source, claim: Claim) -> None:
        self.source = source
        self.claimed = claim
        self.name = claim.job
        self.number = claim.id
        self.cost = jobs.Cost(0.0, 0.0, 0)
        self.error: BaseException | None = None
        self._noted = 0.0

    def call(self) -> None:
        """Do it: the application's function, whatever it raises."""
        job = registry[self.name]
        arguments = self.claimed.arguments
        started, cpu = time.monotonic(), processor_time()
        forget_peak()
        self.source.lease.hold(self.claimed)
        job.report = self._progress
        try:
            job(*arguments["args"], **arguments["kwargs"])
        finally:
            job.report = None
            self.cost = jobs.Cost(time.monotonic() - started, processor_time() - cpu, peak())

    def _progress(self, done: int, remaining: int) -> None:
        now = time.monotonic()
        connection = self.source.connection
        if now - self._noted >= WITHIN and connection:
            self._noted = now
            try:
                jobs.progress(connection, self.number, self.claimed.attempt, done, remaining)
            except Exception:  # noqa: BLE001, S110 - a note about a job must not fail it; `finish` meets the same database
                pass

    def finish(self, error: BaseException | None) -> None:
        """Note how it ended: a failure is said at once, success with the next claim. Raises Unavailable; then `connect` says it."""
        self.error = error
        self.source.unsaved = self
        if error is not None:
            with translated():
                self.save()

    def save(self) -> None:
        """Write down how it ended, conditional on our still holding it."""
        connection = self.source.connection
        assert connection
        if self.error is None:
            self.ended(jobs.complete(connection, self.number, self.claimed.attempt, self.cost))
        else:
            self.ended(self._failed(connection))

    def ended(self, held: bool) -> None:
        """The database knows; it was still ours, or not."""
        self.source.unsaved = None
        self.source.lease.drop()
        if not held:
            self.source.tell("run_superseded", job=self.name, run=self.number, attempt=self.claimed.attempt)

    def _failed(self, connection: Connection) -> bool:
        claim, error = self.claimed, self.error
        assert error
        said = readable("".join(traceback.format_exception(type(error), error, error.__traceback__)))[-LONGEST_ERROR:]
        if failures.again(claim.attempt, claim.retries, claim.recurring):
            return jobs.retry(connection, claim, self.cost, said, failures.delay(claim.attempt))
        count = claim.failures + 1
        remark = None
        if claim.recurring and failures.rests(count, claim.first_failed_at, datetime.now(timezone.utc)):
            remark = f"failed {count} times in a row since {claim.first_failed_at:%Y-%m-%d %H:%M %Z}"
        with connection.transaction():
            planned = jobs.planned(connection, claim.job) if claim.recurring else None
            held = jobs.fail(connection, claim, self.cost, said, planned and put_off(planned, failures.delay(count)), remark)
        if held and remark:
            self.source.tell("job_deactivated", job=self.name, reason=remark)
        return held


def source(identity: Identity) -> Source:
    """What `jobs` gives a worker as its `job_source`."""
    holder = jobs.Holder(identity.node, f"{identity.pool}.{identity.number}", identity.pid)
    return Source(holder, identity.tell)


def row(job: Job, now: datetime) -> dict[str, Any]:
    """A job's row as its code has it."""
    plan = job.plan
    due_at = schedules.first(schedules.parse(plan.schedule, plan.tz), now) if plan.schedule else None
    return {"name": job.name, **plan._asdict(), "due_at": due_at}


def put_off(job: jobs.Due, seconds: float) -> datetime:
    """When a recurring job is due that waits so long at least: at one of its times, as it may be meant for the night alone."""
    soonest = schedules.universal(job.now) + timedelta(seconds=seconds)
    if job.due_at > soonest:
        return job.due_at
    try:
        return schedules.parse(job.schedule, job.tz).after(job.due_at, soonest)
    except ValueError:  # nobody can read it: that is said when it is due
        return soonest


def readable(text: str) -> str:
    """A text as PostgreSQL takes it: what an exception says may hold anything."""
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()


def gone(pid: int) -> bool:
    """Whether there is no such process on this node, or only what is left of it."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True
    except OSError:
        return False


def processor_time() -> float:
    """Seconds of processor time of this process and of its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def forget_peak() -> None:
    """Have the kernel measure the peak of this process's memory anew: proc(5), clear_refs."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        pass  # a kernel without it: the peak is that of the process's life


def peak() -> int:
    """The most memory that has been resident since then, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
