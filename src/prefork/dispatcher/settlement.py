"""Requests that workers have answered, on their way into all accounts: several at a time.

Whoever waits for an answer, or for the worker that has given it, is looked after first. One by one in a process that sleeps between
them, each would find code and figures anew in memory, which takes several times as long as to enter it.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from prefork.scoreboard import RESIDENT_AT

if TYPE_CHECKING:
    from prefork.dispatcher.accounts import Accounts
    from prefork.dispatcher.answers import Answers
    from prefork.dispatcher.exchange import Exchange
    from prefork.dispatcher.workers import Worker
    from prefork.messages import Ending

MANY = 16  # requests that are worth a look at the accounts


class Settlement:
    """Enters them in the order of their ends, into these accounts and the access log."""

    def __init__(self, accounts: Accounts, answers: Answers) -> None:
        self.accounts = accounts
        self.answers = answers
        answers.settle = self.settle
        self.ended: deque[tuple[Exchange, Worker, Ending, int]] = deque()  # with the worker's memory when it began the request

    def add(self, exchange: Exchange, worker: Worker, ending: Ending) -> None:
        """A worker has answered a request, of whose time all is known. To be said before it is given the next one."""
        self.ended.append((exchange, worker, ending, worker.slot.words[RESIDENT_AT]))

    def due(self, busy: bool) -> bool:
        """Whether it is time to settle, where workers are `busy` with other requests or not."""
        return len(self.ended) >= MANY or (len(self.ended) > 0 and not busy)

    def settle(self) -> None:
        """Enter what has ended."""
        epoch = time.time() - time.monotonic()
        while self.ended:
            exchange, worker, ending, resident = self.ended.popleft()
            service = exchange.service
            assert service is not None
            self.accounts.answered(exchange, worker, ending, service, resident)
            ended_at = epoch + exchange.assigned + service
            self.answers.enter(exchange, ending.status, ending.sent, worker.name, ending, ended_at)
