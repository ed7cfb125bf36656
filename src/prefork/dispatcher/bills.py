"""What the requests of each route have cost, kept on the scoreboard: time of workers, of processors, of waiting, bytes, memory.

It counts and never decides. What counting itself takes is in docs/usage.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.dispatcher.routes import Routes
from prefork.histogram import bucket
from prefork.scoreboard import (
    CPU,
    ENDED,
    ERRORS,
    GROWTH,
    QUERIES,
    ROUTE_SERVED,
    ROUTE_SERVICES,
    ROUTE_WAITED,
    ROUTE_WAITS,
    SENT,
    SQL,
    WRAP,
)

if TYPE_CHECKING:
    from prefork.dispatcher.exchange import Exchange
    from prefork.dispatcher.workers import Worker
    from prefork.messages import Ending
    from prefork.scoreboard import Scoreboard

NOBODY = (0, 0, 0)


class Bills:
    """The words of all routes. Only what an application has answered can be a new route: a scanner's guesses are not."""

    def __init__(self, scoreboard: Scoreboard) -> None:
        self.routes = Routes(scoreboard)
        self.words = [block.words for block in self.routes.blocks]
        # For each slot the worker's pid, the route of its last request, and what it had in memory when that began.
        self.last: dict[int, tuple[int, int, int]] = {}

    def ended(self, exchange: Exchange, worker: Worker, ending: Ending, service: float, resident: int) -> None:
        """A worker has answered a request, after so many seconds, and had so many bytes in memory when it began."""
        head, status = exchange.head, ending.status
        words = self.of_answer(head.method, head.target, status, worker, resident)
        spent(words, status, ending.sent, ending.cpu, ending.queries, ending.sql)
        waited(words, exchange.assigned - exchange.arrived)
        served(words, service)

    def of_answer(self, method: str, target: bytes, status: int, worker: Worker, resident: int) -> memoryview:
        """The words of a route that a worker has answered a request of, which it had begun with so many bytes in memory."""
        index = self.routes.of(method, target, learn=status < 400 or status >= 500)
        self._weigh(index, worker, resident)
        return self.words[index]

    def lost(self, exchange: Exchange, service: float) -> None:
        """A worker has died with a request, after so many seconds."""
        words = self.words[self.routes.of(exchange.head.method, exchange.head.target, learn=True)]
        words[ERRORS] += 1
        waited(words, exchange.assigned - exchange.arrived)
        served(words, service)

    def shed(self, exchange: Exchange, wait: float) -> None:
        """A request was sent away without a worker, after so many seconds."""
        words = self.words[self.routes.of(exchange.head.method, exchange.head.target, learn=False)]
        words[ERRORS] += 1
        waited(words, wait)

    def _weigh(self, index: int, worker: Worker, resident: int) -> None:
        """Note what the request before this one has left in its worker's memory: at its end nobody has looked."""
        pid, before, had = self.last.get(worker.number, NOBODY)
        if had != resident and pid == worker.pid and resident:
            words = self.words[before]
            words[GROWTH] = (words[GROWTH] + resident - had) & WRAP
        self.last[worker.number] = (worker.pid, index, resident)


def spent(words: memoryview, status: int, sent: int, cpu: int, queries: int, sql: int) -> None:
    """What an answer of this route has cost: bytes, nanoseconds of processors, queries and their nanoseconds."""
    words[CPU] = words[CPU] + cpu & WRAP
    words[SENT] = words[SENT] + sent & WRAP
    if queries:
        words[QUERIES] += queries
        words[SQL] = words[SQL] + sql & WRAP
    if status >= 500:
        words[ERRORS] += 1


def waited(words: memoryview, seconds: float) -> None:
    """A request of this route has come to its end, and had waited so long for its worker."""
    note_wait(words, int(seconds * 1e9), bucket(seconds))


def served(words: memoryview, seconds: float) -> None:
    """A worker had it so long."""
    note_service(words, int(seconds * 1e9), bucket(seconds))


def note_wait(words: memoryview, nanoseconds: int, bucket: int) -> None:
    """As `waited`, with what is known of it."""
    words[ENDED] += 1
    words[ROUTE_WAITED] = words[ROUTE_WAITED] + nanoseconds & WRAP
    words[ROUTE_WAITS + bucket] += 1


def note_service(words: memoryview, nanoseconds: int, bucket: int) -> None:
    """As `served`, with what is known of it."""
    words[ROUTE_SERVED] = words[ROUTE_SERVED] + nanoseconds & WRAP
    words[ROUTE_SERVICES + bucket] += 1
