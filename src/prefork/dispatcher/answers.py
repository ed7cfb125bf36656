"""How requests end: the answers that the dispatcher gives itself, and the account of every answer.

What is counted, logged as failed and entered into the access log about an answer is so here and nowhere else. It knows neither the
queue nor who works on what.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prefork.dispatcher.replies import failure
from prefork.events import RequestFailed
from prefork.http.paths import Paths
from prefork.scoreboard import ANSWERED, CLASSES, FAILED

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.dispatcher.exchange import Exchange
    from prefork.dispatcher.options import Options
    from prefork.dispatcher.outbox import Extent
    from prefork.journal import Journal
    from prefork.messages import Ending
    from prefork.scoreboard import Slot


class Answers:
    """Answers exchanges, and accounts for those that workers have answered. `worker` is a name, `-` where there is none.

    `settle` enters what has ended before, which is logged before what is accounted for at once.
    """

    def __init__(self, options: Options, journal: Journal, counters: Slot) -> None:
        self.journal = journal
        self.counters = counters
        self.settle: Callable[[], None] = lambda: None
        self.closing = False  # connections are closed after their answer
        self.apply(options)

    def apply(self, options: Options) -> None:
        """Use these settings from now on."""
        self.options = options
        self.unlogged = Paths([options.access_log_exclude] if options.access_log_exclude else [])

    def keep(self, exchange: Exchange) -> bool:
        """Whether its connection is for further requests."""
        return exchange.head.keep and not self.closing and self.options.keepalive_timeout > 0

    def keep_instead(self, exchange: Exchange) -> bool:
        """The same where we answer in a worker's place, which may have read a part of the body, nobody knows how much."""
        return self.keep(exchange) and exchange.passed_over()

    def give(self, exchange: Exchange, status: int, *parts: bytes | Extent) -> None:
        """Answer a request with these parts, head and all."""
        self.account(exchange, status, sum(map(len, parts)), "-")
        exchange.discard()
        exchange.connection.answer(*parts, keep=self.keep_instead(exchange))

    def fail(self, exchange: Exchange, status: int, reason: str, *, worker: str, incident: str = "") -> None:
        """Answer a request that no worker will. Without a `reason` nothing but its access line is logged."""
        self._note_failure(exchange, status, worker, reason)
        keep = self.keep_instead(exchange)
        self.give(exchange, status, failure(status, exchange.head, exchange.request_id, incident, keep=keep))

    def cut(self, exchange: Exchange, status: int, worker: str, cause: str) -> None:
        """End a connection in the middle of an answer of which `status` is out, 0 where that is not known."""
        self._note_failure(exchange, status, worker, f"{cause}, the connection is cut")
        exchange.connection.cut()

    def account(self, exchange: Exchange, status: int, sent: int, worker: str, ending: Ending | None = None) -> None:
        """Enter a whole answer that has just been given. `sent` is in bytes; an `ending` tells what a worker spent on it."""
        self.settle()
        self.enter(exchange, status, sent, worker, ending, time.time())

    def enter(self, exchange: Exchange, status: int, sent: int, worker: str, ending: Ending | None, at: float) -> None:
        """The same of one that was given at a time before (seconds since 1970)."""
        self.count(status)
        if self.logs(status, exchange.head.target):
            if self.journal.writes_own:
                self.journal.answered(exchange.line(status, sent, worker, ending), at)
            else:
                self.journal.note(exchange.entry(status, sent, worker, ending), at)

    def count(self, status: int) -> None:
        """A request has been answered."""
        words = self.counters.words
        words[ANSWERED] += 1
        if 200 <= status < 600:
            words[CLASSES - 2 + status // 100] += 1

    def logs(self, status: int, target: bytes) -> bool:
        """Whether an answer has a line in the access log. A health check that fails is worth one."""
        return self.options.access_log and (status >= 400 or self.unlogged.find(target) is None)

    def _note_failure(self, exchange: Exchange, status: int, worker: str, reason: str) -> None:
        self.settle()
        self.counters[FAILED] += 1
        if reason:
            failed = RequestFailed(exchange.head.method, exchange.target(), status, worker, exchange.request_id, reason)
            self.journal.note(failed)
