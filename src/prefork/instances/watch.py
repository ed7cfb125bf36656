"""Watches one instance on this machine: what it does becomes its history, what is wrong with it an alert that people are told.

`open` and `close` take a sample, every ten seconds; `inquire`, `judge` and `deliver` may take longer, since they ask a database and
send mail. The two halves run in two threads, and each changes its own things only.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from prefork.events import AlertOver, AlertRaised, AlertUntold
from prefork.incidents import Ledger
from prefork.instances import alerts, history, notices, provisions, webhook
from prefork.instances.local import STATEMENT_LIMIT, Local, Unreachable
from prefork.instances.mail import Mailbox, Post
from prefork.instances.notices import Undeliverable, Way
from prefork.instances.rules import PERIOD, Picture, conditions, judged
from prefork.instances.webhook import Hook
from prefork.store import board
from prefork.store.address import Address
from prefork.store.census import connections
from prefork.store.connection import Unavailable, bounded, connect, translated
from prefork.usage.reading import Mark
from prefork.usage.sample import Sample, merge
from prefork.usage.sampler import PACE, Sampler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from prefork.config import Settings
    from prefork.events import Event
    from prefork.instances.alerts import Alert
    from prefork.instances.database import Database
    from prefork.instances.notices import Sender
    from prefork.instances.provisions import Provision

MINUTE = 60.0  # seconds that the rules look back
PATIENCE = 2.0  # seconds for a server to say how it is: others wait meanwhile


class Watch:
    """The instance with this id, name and data directory. `settings` are the latest that could be read, None before that."""

    def __init__(self, db: Database, instance: str, name: str, directory: Path, wall: Callable[[], float] = time.time) -> None:
        self.db, self.instance, self.name, self.wall = db, instance, name, wall
        self.local = Local(directory)
        self.sampler = Sampler(partial(self.local.status, PATIENCE), directory, wall)
        self.settings: Settings | None = None
        self.jobs: list[dict[str, Any]] | None = None
        self.alerts: list[Alert] = alerts.current(db, instance)
        self._ledger = Ledger(directory)
        self._span: list[Sample] = []  # not yet recorded
        self._noted = wall() - history.DAY  # incidents up to then have their marks

    # The first half: samples.

    def open(self) -> None:
        """Begin a sample."""
        self.sampler.open()

    def close(self) -> None:
        """End it, and keep what it says."""
        self._noted = min(self._noted, self.wall())  # the clock was set back
        sample = self.sampler.close()
        marks = [*self.sampler.marks, *(self._incidents() if sample and sample.incidents else ())]
        if marks:
            history.note(self.db, self.instance, marks)
        if sample:
            self._span.append(sample)
        interval = self.settings.usage_interval if self.settings else history.DEFAULT_SPAN
        if sum(each.seconds for each in self._span) > interval - PACE / 2:
            span, self._span = self._span, []  # one that cannot be kept is a gap, and not a part of the next one
            history.record(self.db, self.instance, merge(span))

    def _incidents(self) -> Iterator[Mark]:
        for incident in self._ledger.latest(self._noted):
            self._noted = incident.time
            yield Mark(incident.time, "incident", f"{incident.id}: {incident.cause}")

    # The second half: what is wrong, and who hears of it.

    def inquire(self) -> None:
        """Read its settings, and ask its database. Raises Denied."""
        try:
            self.settings = settings = self.local.settings()
        except Unreachable:  # which the rules see, too
            return
        if not (settings.store_dsn or settings.stores or settings.in_file):
            self.jobs = self.sampler.database = None
            return
        try:
            with (
                connect(Address(settings.store_address), "prefork console") as connection,
                translated(),
                bounded(connection, STATEMENT_LIMIT),
            ):
                self.jobs = board.listed(connection) if settings.jobs else None
                self.sampler.database = None if settings.in_file else connections(connection)
        except Unavailable as error:
            self.jobs, self.sampler.database = None, {"error": str(error)}

    def picture(self, now: float) -> Picture:
        """How it is, for the rules."""
        provision = provisions.find(self.db, self.instance)
        if provision and provision.wanted == provisions.STOPPED:
            return Picture(now, ended="")
        silent = self.sampler.silent
        lately = [] if silent else self.sampler.since(now - MINUTE - PACE)
        return Picture(
            now,
            minute=merge(lately) if lately else None,
            status=self.sampler.reading.status if self.sampler.reading and not silent else None,
            silent=silent,
            incidents=[each for each in self._ledger.latest(now - PERIOD) if each.time <= now],
            most_incidents=self.settings.alert_incidents if self.settings else 5,
            jobs=None if silent else self.jobs,  # what was due then, another node may have done since
            ended=ending(provision, now) if provision else None,
        )

    def judge(self) -> list[Event]:
        """Let the rules look at it. What is new is kept, and waits for its delivery."""
        now = self.wall()
        picture = self.picture(now)
        step = alerts.advance(self.instance, self.alerts, conditions(picture), judged(picture), now)
        with self.db.transaction():  # all or nothing: so what is in memory is what is kept
            raised = {alert.key: self._tell(alert, now) for alert in step.raised}
            for alert in step.over:
                self._tell(alert, now)
            for alert in step.alerts:
                if alert.id is not None and alert not in self.alerts:
                    alerts.keep(self.db, alert)
        self.alerts = [raised.get(alert.key, alert) for alert in step.alerts]
        return [
            *(AlertRaised(self.instance, each.rule, each.text) for each in step.raised),
            *(AlertOver(self.instance, each.rule, now - each.began, each.text) for each in step.over),
        ]

    def _tell(self, alert: Alert, now: float) -> Alert:
        kept = alerts.keep(self.db, alert)
        ways = senders(self.settings) if self.settings else ()
        notices.queue(self.db, self.instance, ways, notices.content(kept, self.name), now)
        return kept

    def deliver(self) -> Iterator[Event]:
        """Tell people what they have not been told yet."""
        if self.settings:
            for failure in notices.deliver(self.db, self.instance, senders(self.settings), self.wall()):
                yield AlertUntold(self.instance, *failure)


def ending(provision: Provision, now: float) -> str:
    """How a server has ended lately that is to run; empty where it has not, or in a time that the clock has taken back."""
    if provision.ended_at is None or not 0 <= now - provision.ended_at <= PERIOD:
        return ""
    times = f", {provision.failures} times in a row" if provision.failures > 1 else ""
    return f"it has ended{times}: {provision.ended_how}"


def senders(settings: Settings) -> dict[Way, Sender]:
    """The ways on which people want to be told: each recipient of mail is one."""
    found: dict[Way, Sender] = {}
    if settings.alert_email:
        password = partial(secret, settings.smtp_password_file, settings.smtp_password)
        place = (settings.smtp_server, settings.smtp_port, settings.smtp_ssl, settings.smtp_user)
        post = Post(Mailbox(*place, password, settings.email_from, settings.alert_email))
        found |= {Way("email", recipient): partial(post.send, recipient) for recipient in settings.alert_email}
    if settings.alert_webhook:
        hook = Hook(settings.alert_webhook, partial(secret, settings.alert_webhook_secret_file))
        found[Way("webhook")] = partial(webhook.send, hook)
    return found


def secret(file: Path | None, otherwise: str | None = None) -> str | None:
    """What stands in the first line of a file, or the other one where there is none. Raises Undeliverable."""
    if file is None:
        return otherwise
    try:
        return next(iter(file.read_text(encoding="utf-8").splitlines()), "")
    except (OSError, UnicodeDecodeError) as error:
        raise Undeliverable(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from None
