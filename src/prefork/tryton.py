"""Tryton's scheduled actions in the cron pool, in the place of `trytond-cron`: `job_source = prefork.tryton:source`.

Each due action of each database is one run, with its name, its limits and its incident. What is due, who takes it and when it is
due again stays Tryton's business: its rows, locks and log. Its own loop runs all that are due in one go; here one of them is run as
that loop does it. The databases are those of TRYTOND_DATABASE_NAMES.
"""

from __future__ import annotations

import csv
import itertools
import os
import time
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from prefork.scoreboard import legible
from prefork.worker.cron import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefork.worker.cron import Identity

NAMES = "TRYTOND_DATABASE_NAMES"
POLL = 60.0  # seconds between two looks, as in Tryton: nobody tells of what has been made due
ASIDE = 10.0  # seconds that an action is left alone which another worker runs
PAUSE = 0.02  # seconds, times the attempts so far, before what another transaction was in the way of


def source(identity: Identity) -> Crons:
    """What `job_source` names. Raises ValueError where no database is named, ImportError where there is no Tryton."""
    names = next(csv.reader([os.environ.get(NAMES, "")]), [])
    if not names:
        raise ValueError(f"job_source = prefork.tryton:source: set {NAMES} to the databases whose actions are to be run")
    import trytond.application  # noqa: F401 - loads the modules, unless it is what is served and has done so

    return Crons(names, identity.fatal)


class Crons:
    """The due actions of all databases. Those that workers have died in come last."""

    def __init__(self, names: list[str], fatal: tuple[str, ...]) -> None:
        self.names = names
        self.fatal = fatal
        self.numbers = itertools.count(1)
        self.next_due = 0.0  # seconds, as of the last look
        self.aside: dict[tuple[str, int], float] = {}  # until when an action is left alone

    def connect(self) -> None:
        """Reach every database. Raises Unavailable."""
        for name in self.names:
            with transaction(name, readonly=True):
                pass

    def fileno(self) -> int:
        """Nobody tells."""
        return -1

    def claim(self) -> Action | None:
        """The due action that has waited longest; None when there is none. Raises Unavailable."""
        self.next_due = POLL
        found = [action for name in self.names for action in self.due(name)]
        return min(found, key=self.rank) if found else None

    def rank(self, action: Action) -> tuple[int, datetime]:
        """Who comes first: whoever has killed nobody, or longest ago."""
        return (self.fatal.index(action.name) if action.name in self.fatal else -1, action.due_at)

    def due(self, name: str) -> Iterator[Action]:
        """The due actions of a database."""
        now = time.monotonic()
        with transaction(name, readonly=True):
            for cron in model(name, "ir.cron").search([]):
                action = Action(self, name, cron.id, cron.method, cron.next_call)
                wait = (action.due_at - utc()).total_seconds()
                if wait > 0:
                    self.next_due = min(self.next_due, wait)
                elif self.aside.get(action.key, 0.0) <= now:
                    yield action

    def patience(self) -> float:
        """Seconds until the next action is due, or all are to be looked at again."""
        now = time.monotonic()
        return max(0.0, min([self.next_due, *(until - now for until in self.aside.values() if until > now)]))

    def close(self) -> None:
        """Let go of the databases."""
        from trytond import backend

        for name in self.names:
            backend.Database(name).close()


class Action:
    """A due action, which need not be due any more when it is called."""

    def __init__(self, crons: Crons, database: str, identifier: int, method: str, due_at: datetime | None) -> None:
        self.crons = crons
        self.database = database
        self.key = (database, identifier)
        self.due_at = due_at or datetime.min  # noqa: DTZ901 - Tryton's times have no zone
        self.name = legible(f"{database}: {method}")
        self.number = next(crons.numbers)
        self.begun = utc()

    def call(self) -> None:
        """Run it, if it is still due and nobody else does; again where other transactions were in its way, as Tryton would."""
        from trytond import backend, config
        from trytond.transaction import TransactionError

        extras: dict[str, Any] = {}
        most = config.getint("database", "retry")
        for attempt in itertools.count(1):
            try:
                self.attempt(extras)
                break
            except TransactionError as error:
                error.fix(extras)
            except backend.DatabaseOperationalError:
                if attempt > most:
                    raise
                time.sleep(PAUSE * attempt)

    def attempt(self, extras: dict[str, Any]) -> None:
        """One transaction of it; afterwards the tasks that it has put into the queue, where no worker of Tryton's does them."""
        from trytond.status import processing
        from trytond.transaction import Transaction
        from trytond.worker import run_task

        with Transaction().start(self.database, 0, context={"_skip_warnings": True}, **extras) as current:
            cron = self.locked(current)
            if cron is None:
                self.crons.aside[self.key] = time.monotonic() + ASIDE
                return
            with processing(self.name), current.set_context(_cron=cron.method):
                cron.run_once()
            cron.next_call = cron.compute_next_call(self.begun)
            cron.save()
            model(self.database, "ir.cron.log")(cron=cron, started=self.begun, ended=utc()).save()
        while current.tasks:
            run_task(self.database, current.tasks.pop())

    def locked(self, current: Any) -> Any:
        """Its row, which is ours until the transaction ends; None where it is another's, or not due any more."""
        cron = model(self.database, "ir.cron")
        if current.database.has_select_for():
            table, cursor = cron.__table__(), current.connection.cursor()
            skip = current.database.get_select_for_skip_locked()
            cursor.execute(*table.select(table.id, where=table.id == self.key[1], for_=skip("UPDATE")))
            if not cursor.fetchone():
                return None
        found = cron(self.key[1])
        if not current.database.has_select_for():
            found.lock()
        return found if found.active and (found.next_call is None or found.next_call <= utc()) else None

    def finish(self, error: BaseException | None) -> None:
        """After a failure it is due at its next time, and Tryton's users are told of what is meant for them."""
        from trytond import exceptions

        if error is None:
            return
        # Who else has begun it in the moment between has put it off as well; a database that is away is met by the next claim.
        with suppress(Unavailable), transaction(self.database):
            cron = model(self.database, "ir.cron")(self.key[1])
            if isinstance(error, (exceptions.UserError, exceptions.UserWarning)):
                model(self.database, "ir.error").report(cron, error)
            cron.next_call = cron.compute_next_call(self.begun)
            cron.save()


@contextmanager
def transaction(name: str, readonly: bool = False) -> Iterator[None]:
    """A transaction in a database. Raises Unavailable where it cannot be reached."""
    from trytond import backend
    from trytond.transaction import Transaction

    try:
        with Transaction().start(name, 0, readonly=readonly):
            yield
    except backend.DatabaseOperationalError as error:
        raise Unavailable(f"database {name}: {' '.join(str(error).split())}") from error


def model(name: str, what: str) -> Any:
    """A class of Tryton's, as the modules of that database have made it."""
    from trytond.pool import Pool

    return Pool(name).get(what)


def utc() -> datetime:
    """Now, as Tryton writes times: UTC without saying so."""
    return datetime.now(timezone.utc).replace(tzinfo=None)
