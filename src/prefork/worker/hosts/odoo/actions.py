"""Odoo's scheduled actions as jobs: each is one run, with its name, its limits and its incident.

Which action is due, who takes it and what its end means stays Odoo's own business: `_process_jobs` is called for one action at a
time. Only the choice of the database and the action is made here, so that none waits for all of another one's, nor for one that
costs workers their lives: up to 17 Odoo keeps no count of its failures, and would begin it again at once.
"""

from __future__ import annotations

import itertools
import logging
import time
from typing import TYPE_CHECKING, Any

from prefork.scoreboard import legible
from prefork.worker.cron import Unavailable
from prefork.worker.hosts.odoo.configuration import databases_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefork.worker.cron import Identity

CHANNEL = "cron_trigger"  # where Odoo tells, from 15 on, that an action has become due
POLL = 60.0  # seconds between two looks at all databases: what nobody tells of is found by then, as in Odoo itself
ASIDE = 60.0  # seconds that an action is left alone which another server runs, and a database that is not this Odoo's to touch


class Actions:
    """The due actions of all databases. Databases take turns, and so do the actions of each."""

    def __init__(self, identity: Identity) -> None:
        from odoo.addons.base.models import ir_cron

        self.cron = getattr(ir_cron, "IrCron", None) or ir_cron.ir_cron  # up to 18
        self.foreign = (ir_cron.BadVersion, ir_cron.BadModuleState, TypeError)  # the last one where it has no module at all
        self.poll = POLL + identity.pid % 10  # not all workers at once
        self.numbers = itertools.count(1)
        self.cursor: Any = None
        self.turns: dict[str | tuple[str, int], float] = {}  # when a database or an action had its last turn here
        self.fatal: dict[str, float] = {}  # the same of actions that workers have died in, by name
        self.aside: dict[tuple[str, int], float] = {}  # until when an action is left alone, unless a bell rings
        self.foreign_until: dict[str, float] = {}  # until when a database is
        self.databases: list[str] = []
        self.next_due = 0.0  # seconds, as far as the databases say
        self.only: int | None = None  # the action that is to be run, and no other
        self.begun = False  # whether it really was
        self.put_last(identity.fatal)
        self.narrow()

    def put_last(self, fatal: tuple[str, ...]) -> None:
        """Count the deaths of other workers as turns that these actions have had, in their order."""
        for name in fatal:
            self.fatal[name] = self.turns[name.partition(": ")[0]] = time.monotonic()

    def narrow(self) -> None:
        """Have Odoo see one action only while it is to run one, and notice whether it does."""
        ready, process = self.cron._get_all_ready_jobs.__func__, self.cron._process_job.__func__

        def narrowed(cls: Any, *arguments: Any, **named: Any) -> Any:
            found = ready(cls, *arguments, **named)
            return found if self.only is None else [job for job in found if job["id"] == self.only]

        def noticed(cls: Any, *arguments: Any, **named: Any) -> Any:
            self.begun = True
            return process(cls, *arguments, **named)

        self.cron._get_all_ready_jobs = classmethod(narrowed)
        self.cron._process_job = classmethod(noticed)

    def connect(self) -> None:
        """Listen for what becomes due. Raises Unavailable."""
        import psycopg2

        import odoo

        try:
            self.cursor = odoo.sql_db.db_connect("postgres").cursor()
            self.cursor.execute("SELECT pg_is_in_recovery()")
            if not self.cursor.fetchone()[0]:  # a standby cannot be listened to
                self.cursor.execute(f"LISTEN {CHANNEL}")
            self.cursor.commit()
        except psycopg2.Error as error:
            raise Unavailable(" ".join(str(error).split())) from error

    def fileno(self) -> int:
        """The connection that is told of what becomes due."""
        number: int = self.cursor._cnx.fileno()
        return number

    def claim(self) -> Action | None:
        """The next due action, databases taking turns; None when there is none. Raises Unavailable."""
        self.hear()
        self.next_due = self.poll
        self.databases = databases()
        now = time.monotonic()
        for database in sorted(self.databases, key=self.last_turn):
            if self.foreign_until.get(database, 0.0) > now:
                continue
            if found := list(self.due(database)):
                return min(found, key=self.last_turn_of)
        return None

    def hear(self) -> None:
        """Take in what Odoo tells. What another server ran a moment ago may have become due again, and that one be busy."""
        import psycopg2

        try:
            self.cursor._cnx.poll()
        except psycopg2.Error as error:
            raise Unavailable(" ".join(str(error).split())) from error
        if self.cursor._cnx.notifies:
            self.cursor._cnx.notifies.clear()
            self.aside.clear()

    def last_turn(self, whose: str | tuple[str, int]) -> float:
        """When a database or an action had its last turn."""
        return self.turns.get(whose, 0.0)

    def last_turn_of(self, action: Action) -> float:
        """When an action had its last turn, here or in a worker that it was the death of."""
        return max(self.last_turn(action.key), self.fatal.get(action.name, 0.0))

    def due(self, database: str) -> Iterator[Action]:
        """The due actions of a database, in Odoo's own order; none where there is no Odoo in it, or one of another version."""
        import psycopg2

        import odoo

        now = time.monotonic()
        try:
            with odoo.sql_db.db_connect(database).cursor() as cursor:
                self.cron._check_version(cursor)
                ready = self.cron._get_all_ready_jobs(cursor)
                self.next_due = min(self.next_due, seconds_to_next(cursor))
        except psycopg2.OperationalError as error:
            raise Unavailable(f"database {database}: {' '.join(str(error).split())}") from error
        except (psycopg2.ProgrammingError, *self.foreign) as error:
            self.leave_alone(database, error)
            return
        except psycopg2.Error:
            return
        finally:
            if len(self.databases) > 1:
                odoo.sql_db.close_db(database)  # as Odoo does: a connection for each database would add up
        for job in ready:
            name = legible(f"{database}: {job.get('cron_name') or job['id']}")
            action = Action(self, database, job["id"], name, next(self.numbers))
            if self.aside.get(action.key, 0.0) <= now:
                yield action

    def leave_alone(self, database: str, error: Exception) -> None:
        """Touch a database no more for a while, and say so the first time."""
        if database not in self.foreign_until:
            reason = " ".join(str(error).split()) or f"Odoo's check of its version says {type(error).__name__}"
            logging.getLogger("prefork").warning("The scheduled actions of database %s are left alone: %s", database, reason)
        self.foreign_until[database] = time.monotonic() + ASIDE

    def patience(self) -> float:
        """Seconds until the next action is due, or all are to be looked at again."""
        waiting = [until - time.monotonic() for until in (*self.aside.values(), *self.foreign_until.values())]
        return max(0.0, min([self.poll, self.next_due, *(seconds for seconds in waiting if seconds > 0)]))

    def close(self) -> None:
        """Listen no more."""
        import odoo

        if self.cursor is not None:
            self.cursor.close()
            self.cursor = None
        odoo.sql_db.close_all()


class Action:
    """A due action, which need not be due any more when it is called."""

    def __init__(self, actions: Actions, database: str, identifier: int, name: str, number: int) -> None:
        self.actions = actions
        self.database = database
        self.key = (database, identifier)
        self.name = name
        self.number = number

    def call(self) -> None:
        """Have Odoo run it, if it is still due and nobody else does."""
        actions = self.actions
        actions.only, actions.begun = self.key[1], False
        try:
            actions.cron._process_jobs(self.database)
        finally:
            actions.only = None
        now = time.monotonic()
        actions.turns[self.database] = actions.turns[self.key] = now
        if not actions.begun:
            actions.aside[self.key] = now + ASIDE

    def finish(self, error: BaseException | None) -> None:
        """Odoo has noted how it ended."""


def databases() -> list[str]:
    """Those of `db_name`, or all that Odoo would show."""
    import odoo

    return databases_of(odoo.tools.config) or list(odoo.service.db.list_dbs(True))


def seconds_to_next(cursor: Any) -> float:
    """Seconds until an action of this database is due."""
    cursor.execute(
        "SELECT EXTRACT(EPOCH FROM min(moment) - (now() AT TIME ZONE 'UTC')) FROM ("
        " SELECT nextcall AS moment FROM ir_cron WHERE active UNION ALL SELECT call_at FROM ir_cron_trigger"
        ") AS moments WHERE moment > (now() AT TIME ZONE 'UTC')"
    )
    (seconds,) = cursor.fetchone()
    return POLL if seconds is None else max(0.0, float(seconds))
