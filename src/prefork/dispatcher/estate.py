"""What a dead worker leaves: a request, and perhaps a part of its answer.

Slot and socket are the witnesses, `verdict` judges, and here the sentence is carried out: another worker takes the request, or its
client gets an answer that says why there is none, or the connection is cut.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prefork.dispatcher.states import State
from prefork.dispatcher.verdict import Verdict, corrected, judge
from prefork.events import RequestRetried
from prefork.scoreboard import BEGUN, RETRIED, SIZE, WRITING

if TYPE_CHECKING:
    from prefork.dispatcher.answers import Answers
    from prefork.dispatcher.exchange import Exchange
    from prefork.dispatcher.queue import Queue
    from prefork.dispatcher.workers import Sentence, Worker
    from prefork.journal import Journal
    from prefork.scoreboard import Progress, Slot


class Estates:
    """Settles them, one at a time. Who serves what waits afterwards is not decided here."""

    def __init__(self, queue: Queue[Exchange, Worker], answers: Answers, journal: Journal, counters: Slot) -> None:
        self.queue = queue
        self.answers = answers
        self.journal = journal
        self.counters = counters

    def settle(self, exchange: Exchange, worker: Worker, sentence: Sentence, ending: str) -> int:
        """Do what a worker's death means for its request. Returns the status that its client gets for it, 0 where there is none.

        `ending` is why no request will be given to a worker any more, if that is so.
        """
        progress, given = witnessed(exchange, worker)
        verdict = judge(progress, exchange.number, exchange.head.method, exchange.attempt, exchange.deliveries)
        if verdict is Verdict.RETRY and exchange.inflow:
            verdict = Verdict.FAIL  # what the dead worker has read of the body, nobody has
        if exchange.connection.state is State.CLOSED:
            exchange.discard()
        elif verdict is Verdict.DONE:
            self._finish(exchange, worker, progress, given)
        elif verdict in {Verdict.AGAIN, Verdict.RETRY} and ending:
            self.answers.fail(exchange, 503, ending, worker=worker.name)
        elif verdict is Verdict.AGAIN or (verdict is Verdict.RETRY and not worker.condemned):
            self._again(exchange, worker, verdict)
        elif verdict in {Verdict.FAIL, Verdict.RETRY}:  # what broke a limit once would break it again
            incident = "" if ending else sentence.incident  # nobody keeps one for each worker that a stop kills
            self.answers.fail(exchange, sentence.status, sentence.reason, worker=worker.name, incident=incident)
            exchange.connection.proceed()
            return sentence.status
        else:
            exchange.discard()
            self.answers.cut(exchange, progress.status, worker.name, f"{sentence.reason}, in the middle of the answer")
        return 0

    def _finish(self, exchange: Exchange, worker: Worker, progress: Progress, given: int) -> None:
        self.answers.account(exchange, progress.status, given, worker.name)
        exchange.discard()
        exchange.connection.answered(given, keep=progress.keep)
        exchange.connection.proceed()

    def _again(self, exchange: Exchange, worker: Worker, verdict: Verdict) -> None:
        if verdict is Verdict.RETRY:
            exchange.attempt += 1
        exchange.arrived = time.monotonic()  # the time it was served is no time that it waited
        self.counters[RETRIED] += 1
        head = exchange.head
        self.journal.note(
            RequestRetried(head.method, exchange.target(), worker.name, exchange.attempt, exchange.request_id, verdict.value)
        )
        # It had its turn: it stands before those who have not, however full the queue is.
        exchange.connection.to(State.QUEUED)
        self.queue.wait(exchange, first=True)
        if exchange.connection.ended:  # its client has left meanwhile, and nobody is told of that again
            exchange.connection.abandon()


def witnessed(exchange: Exchange, worker: Worker) -> tuple[Progress, int]:
    """What a dead worker had done about its request, and how many bytes of the answer it has got rid of."""
    progress, connection = worker.slot.progress(), exchange.connection
    if progress.state < WRITING or progress.number != exchange.number or connection.state is State.CLOSED:
        return progress, 0
    given = connection.tally.given()
    progress = corrected(progress, worker.slot[SIZE], given)
    if progress.state == BEGUN and given:  # hints, which belong to no answer
        if connection.tally.out() == given:
            connection.tally.end(given)
        else:  # it has handed them on, and some are still here
            progress = progress._replace(state=WRITING)
    if progress.state == WRITING and not connection.errand and connection.tally.out() == 0:
        connection.take_back()  # the client has seen nothing of what was handed on: another answer takes its place
        progress = progress._replace(state=BEGUN)
    return progress, given or 0
