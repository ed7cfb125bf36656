"""One claimed run of a job: called, measured, and what comes of its end.

A success waits in the source's tray for the next claim, a failure is written down at once, with what follows from it.
"""

from __future__ import annotations

import time
import traceback
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from prefork.jobs import failures
from prefork.jobs.cost import Meter
from prefork.jobs.declaration import registry
from prefork.store import jobs
from prefork.store.connection import translated

if TYPE_CHECKING:
    from prefork.jobs.source import Source
    from prefork.store.connection import Connection
    from prefork.store.jobs import Claim

LONGEST_ERROR = 8192  # characters of a traceback's end
WITHIN = 1.0  # seconds between two notes of progress


class Run:
    """Of a source."""

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
        meter = Meter()
        self.source.tray.hold(self.claimed)
        self.source.lease.watch()
        job.report = self._progress
        try:
            job(*arguments["args"], **arguments["kwargs"])
        finally:
            job.report = None
            self.cost = meter.read()

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
        if error is None:
            self.source.tray.end(self.claimed, self.cost)
            self.source.tray.drop()
            return
        self.error = error
        self.source.failed = self
        with translated():
            self.save()

    def save(self) -> None:
        """Write down that it failed, conditional on our still holding it."""
        connection = self.source.connection
        assert connection
        held = self._failed(connection)
        self.source.failed = None
        self.source.tray.drop()
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
        held = jobs.fail(connection, claim, self.cost, said, failures.delay(count), remark)
        if held and remark:
            self.source.tell("job_deactivated", job=self.name, reason=remark)
        return held


def readable(text: str) -> str:
    """A text as PostgreSQL takes it: what an exception says may hold anything."""
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
