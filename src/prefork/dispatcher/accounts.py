"""What is counted and kept of each request: of its lane, of its route, and as a sample for the advice.

It counts and never decides. What was answered is entered by `answers` as well, which knows of all answers, also of our own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.dispatcher.bills import Bills, note_service, note_wait, spent
from prefork.dispatcher.fairness import Pace
from prefork.dispatcher.ledger import Ledger
from prefork.histogram import bucket
from prefork.scoreboard import DISPATCHER, OLDEST, QUEUED, RESIDENT_AT

if TYPE_CHECKING:
    from prefork.dispatcher.exchange import Exchange
    from prefork.dispatcher.lanes import Lanes
    from prefork.dispatcher.queue import Queue
    from prefork.dispatcher.workers import Worker
    from prefork.lending import Receipt
    from prefork.messages import Ending
    from prefork.scoreboard import Scoreboard
    from prefork.trace import Trace


class Accounts:
    """Of the requests of these `workers`. `wait` and `service` are seconds."""

    def __init__(self, scoreboard: Scoreboard, trace: Trace, workers: dict[int, Worker]) -> None:
        self.scoreboard = scoreboard
        self.counters = scoreboard.slot(DISPATCHER)
        self.ledger = Ledger(scoreboard)
        self.bills = Bills(scoreboard)
        self.trace = trace
        self.pace = Pace()
        self.workers = workers

    def arrange(self, before: Lanes, lanes: Lanes) -> None:
        """Have other lanes. A sample names its lane by number, so none of before is of use."""
        if lanes.declared != before.declared:
            self.trace.forget()
        self.ledger.arrange(lanes.names)

    def arrived(self, lane: int) -> None:
        """A request for a worker has come."""
        self.ledger.arrived(lane)

    def assigned(self, exchange: Exchange) -> None:
        """A worker has it."""
        self.ledger.waited(exchange.lane, exchange.assigned - exchange.arrived)

    def answered(self, exchange: Exchange, worker: Worker, ending: Ending, service: float, resident: int) -> None:
        """Its worker has answered it, and had so many bytes in memory when it began."""
        self.pace.answered()
        self.ledger.served(exchange.lane, service)
        self.bills.ended(exchange, worker, ending, service, resident)
        self._sample(exchange, exchange.assigned - exchange.arrived, service, ending.cpu)

    def found(self, lane: int, method: str, target: bytes, worker: Worker, receipt: Receipt) -> None:
        """A worker has found a request by itself and answered it: all of the above at once."""
        _, status, _, _, _, wait, began, service, sent, cpu, queries, sql, _, _, _, _ = receipt
        waits, services = bucket(wait / 1e9), bucket(service / 1e9)
        self.pace.answered()
        self.ledger.note(lane, wait, waits, service, services)
        words = self.bills.of_answer(method, target, status, worker, worker.slot.words[RESIDENT_AT])
        spent(words, status, sent, cpu, queries, sql)
        note_wait(words, wait, waits)
        note_service(words, service, services)
        self.trace.note((began - wait) / 1e9, wait / 1e9, service / 1e9, cpu, lane, len(self.workers))

    def lost(self, exchange: Exchange, service: float) -> None:
        """Its worker has died with it."""
        self.ledger.served(exchange.lane, service)
        self.bills.lost(exchange, service)
        self._sample(exchange, exchange.assigned - exchange.arrived, service)

    def refused(self, exchange: Exchange) -> None:
        """It was not even let into its line."""
        self.ledger.shed(exchange.lane)
        self.bills.shed(exchange, 0.0)
        self._sample(exchange, 0.0, None)

    def expired(self, exchange: Exchange, wait: float) -> None:
        """It has waited too long for a worker."""
        self.ledger.waited(exchange.lane, wait)
        self.ledger.shed(exchange.lane)
        self.bills.shed(exchange, wait)
        self._sample(exchange, wait, None)

    def show(self, queue: Queue[Exchange, Worker], now: float) -> None:
        """Put what waits and who works on the scoreboard."""
        self.pace.tick(now)
        oldest = queue.oldest()
        self.counters[QUEUED] = queue.length
        self.counters[OLDEST] = int(oldest * 1e9) if oldest is not None else 0
        for lane, line in enumerate(queue.lines):
            self.ledger.show(lane, line.length, line.working + line.leaving, line.oldest())
        self.ledger.sum_up([worker.exchange.assigned for worker in self.workers.values() if worker.exchange], now)

    def _sample(self, exchange: Exchange, wait: float, service: float | None, cpu: int = 0) -> None:
        self.trace.note(exchange.arrived, wait, service, cpu, exchange.lane, len(self.workers))
