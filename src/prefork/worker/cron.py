"""The body of a cron worker: one job at a time, from a source that knows what is due.

Everything about a run happens in `turn` and `perform`, top to bottom: connect, claim, begin, call, finish, sleep until something
may be due. The slot is written at each step, as in `http`. The other end of the pair is the master's: it is looked at before
anything is claimed, and its end means that this worker leaves. An outage of the source ends no worker: it waits, and tries again.
"""

from __future__ import annotations

import os
import random
import select
import time
from typing import TYPE_CHECKING, NamedTuple, Protocol

from prefork.kernel import set_title
from prefork.messages import CLOEXEC_DONTWAIT, LOG, inbox, receive
from prefork.scoreboard import DONE, NOTHING, RECEIVED, REQUEST, REQUESTS, WAITING_SINCE, pack_progress
from prefork.store.connection import Unavailable as Unavailable
from prefork.worker.hosts import django
from prefork.worker.offspring import family
from prefork.worker.output import complain
from prefork.worker.stamps import Stamps
from prefork.worker.traces import sentence, trace

if TYPE_CHECKING:
    import socket
    from typing import Any, Callable

    from prefork.scoreboard import Slot
    from prefork.worker.output import Output

FIRST, CAP = 0.5, 30.0  # seconds between two attempts to reach a source
SHORTEST = 0.01  # seconds between two claims where nothing was due


class Identity(NamedTuple):
    """Which worker this is.

    There is one living worker at a time with the same `node`, `pool` and `number`, and who dies in a job is replaced under the same
    ones: what another `pid` has left unfinished there is nobody's any more. `fatal` names jobs that workers have died in here,
    the latest last, as `legible` has them. `tell(kind, **fields)` reports to the master.
    """

    node: str
    pool: str
    number: int
    pid: int
    generation: int
    fatal: tuple[str, ...]
    tell: Callable[..., Any]


class Run(Protocol):
    """One job that has been claimed. `name` is shown to people, `number` is that of this run in the history, from 1."""

    name: str
    number: int

    def call(self) -> None:
        """Do it. What it raises is its failure."""

    def finish(self, error: BaseException | None) -> None:
        """Note how it ended, unless it is somebody else's by now. Raises Unavailable."""


class Source(Protocol):
    """Where a worker's jobs come from: made in the worker, after the fork. Any method but `close` may raise Unavailable."""

    def connect(self) -> None:
        """Reach for the jobs."""

    def fileno(self) -> int:
        """What gets readable when something may be due, until the next `claim`; -1 where there is no such thing."""

    def claim(self) -> Run | None:
        """Take a job that is due, or say that there is none."""

    def patience(self) -> float:
        """Seconds until something may be due that `fileno` does not tell of."""

    def close(self) -> None:
        """Let go of everything; `connect` may follow."""


class Wire:
    """The pair with the master: it tells of another log, and by its end that the worker has to leave."""

    def __init__(self, pair: socket.socket, output: Output) -> None:
        self.pair = pair
        self.output = output
        self.buffer = inbox()

    def ended(self) -> bool:
        """Whether the worker has to leave."""
        while True:
            try:
                message, descriptors = receive(self.pair, self.buffer, CLOEXEC_DONTWAIT)
            except BlockingIOError:
                return False
            if not message:
                return True
            if message == LOG:
                self.output.switch(descriptors[0])

    def wait(self, seconds: float, bell: int) -> None:
        """Wait until there is something on the wire, the bell rings, or time is up."""
        waiting = select.poll()
        for descriptor in {self.pair.fileno(), bell} - {-1}:
            waiting.register(descriptor, select.POLLIN)
        waiting.poll(seconds * 1000)


class Cron:
    """A worker for scheduled jobs. `tell(kind, **fields)` reports to the master; after `limit` runs it asks for a replacement."""

    def __init__(self, wire: Wire, slot: Slot, source: Source, title: str, tell: Callable[..., Any], limit: int) -> None:
        self.wire = wire
        self.slot = slot
        self.stamps = Stamps(slot)
        self.source = source
        self.title = title
        self.tell = tell
        self.limit = limit
        self.connected = False
        self.failures = 0  # attempts in a row to get something from the source
        self.offline_since = 0.0  # monotonic seconds
        self.runs = 0

    def work(self) -> None:
        """Run jobs until the master closes the pair."""
        while True:
            # Said before the look at the pair: the master closes it first and looks at the slot then, so one of the two sees it.
            self.slot[REQUEST] = pack_progress(0, RECEIVED)
            if self.wire.ended():
                break
            pause = self.turn()
            if pause:
                self.slot[REQUEST] = pack_progress(0, NOTHING)
                self.wire.wait(pause, self.source.fileno() if self.connected else -1)
        self.source.close()

    def turn(self) -> float:
        """Do one job, if there is one; returns the seconds to wait for the next one."""
        try:
            if not self.connected:
                self.source.connect()
                self.connected = True
            run = self.source.claim()
            self.note_success()
            if run is None:
                return max(SHORTEST, self.source.patience())
            self.perform(run)
        except Exception as error:  # noqa: BLE001 - a worker that ended because of it would only be followed by others
            return self.note_failure(error)
        return 0.0

    def perform(self, run: Run) -> None:
        """Do a job; whatever it raises is its own failure."""
        set_title(f"{self.title}: {run.name}")
        self.slot.set_tag(run.number, run.name)
        self.stamps.begin(run.number)
        failure = None
        try:
            django.refresh()
            run.call()
            family.end()
        except BaseException as error:  # noqa: BLE001 - SystemExit in a job must not end the worker either
            family.end(error)
            failure = error
            complain(f"prefork: job {run.name}, run {run.number}, raised in worker {os.getpid()}:\n{trace(error)}")
        try:
            run.finish(failure)
        finally:
            self.slot[REQUEST] = pack_progress(run.number, DONE)
            set_title(self.title)
        django.refresh()  # what is not kept is not held until the next job
        self.runs += 1
        self.slot[REQUESTS] = self.runs
        if self.runs == self.limit:
            self.tell("worn")

    def note_success(self) -> None:
        """The source has answered."""
        if self.failures:
            self.tell("jobs_reachable", seconds=time.monotonic() - self.offline_since)
            self.slot[WAITING_SINCE] = 0
            self.failures = 0

    def note_failure(self, error: Exception) -> float:
        """The source has not answered; returns the seconds until the next attempt, at random so that not all try at once."""
        self.connected = False
        self.source.close()
        if not self.failures:
            self.offline_since = time.monotonic()
            self.slot[WAITING_SINCE] = time.monotonic_ns()
            known = isinstance(error, Unavailable)
            reason = str(error) if known else sentence(error)
            self.tell("jobs_unreachable", reason=reason, traceback=None if known else trace(error))
        self.failures += 1
        longest: float = min(CAP, FIRST * 2 ** min(self.failures, 10))
        return random.uniform(longest / 2, longest)  # noqa: S311 - not a secret
