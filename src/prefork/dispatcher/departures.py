"""How workers leave: retired, condemned, or dead; and what becomes of what they have."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from prefork.dispatcher.live import Keeper
from prefork.dispatcher.workers import Sentence
from prefork.lending import LOANED
from prefork.scoreboard import DONE

if TYPE_CHECKING:
    from prefork.dispatcher.traffic import Loop, Traffic
    from prefork.dispatcher.workers import Worker

STARVED = "the kernel killed the worker for want of memory"


class Departures:
    """Of workers of either kind. What waits is served by those who stay."""

    def __init__(self, loop: Loop, traffic: Traffic) -> None:
        self.loop = loop
        self.traffic = traffic

    def retire(self, worker: Worker) -> None:
        """Give a worker no further request, and let it go when it has none."""
        if isinstance(worker, Keeper):
            self.traffic.live.retire(worker)
            return
        for each in list(worker.loop.places) if worker.loop else [worker]:
            each.retiring = True
            self.traffic.queue.retire(each)
            self.traffic.lender.dismiss(each)
            here = self.traffic.worker(each.number) is each  # what its loop has said of loans may have let it go already
            if here and each.exchange is None and not each.finishing and not self.traffic.lender.owes(each):
                self.loop.part(each)
        if worker.loop.places if worker.loop else worker.exchange or self.traffic.lender.owes(worker):
            self.loop.tell_master("withdrawn", worker)
        self.traffic.assignments.serve()  # what it was kept for may be another worker's now

    def condemn(self, worker: Worker, number: int, sentence: Sentence) -> bool:
        """A worker is to be killed while it has its request `number` (0: none): it gets nothing more.

        False: it has answered meanwhile, or been given another request, which is not to die for what was before it.
        """
        if isinstance(worker, Keeper):
            return self.traffic.live.condemn(worker, sentence)
        self.traffic.lender.adoption.adopt(worker)
        has = worker.exchange.number if worker.exchange else worker.finishing
        if worker.loop and not number:
            sentence_of_all = sentence  # whose fault it is, nobody knows
        elif number != has or (has and worker.slot.progress().state == DONE):
            return False
        else:
            worker.condemned = sentence
            sentence_of_all = Sentence(502, f"its worker was killed for another request: {sentence.reason}", sentence.incident)
        self.traffic.queue.retire(worker)
        self._doom(worker, sentence_of_all)
        self.traffic.assignments.serve()
        return True

    def miss(self, worker: Worker, number: int) -> bool:
        """A loop has had no descriptor left to take a request with: that waits again, before all others. What the loop has goes on,
        and its process is replaced, with all that it has left open. False: it was given no such request.
        """
        if worker.loop is None:
            return False
        if worker.after and worker.after.number == number:
            exchange, worker.after = worker.after, None
        elif worker.exchange and worker.exchange.number == number:
            exchange, worker.exchange = worker.exchange, None
        else:
            return False
        worker.loop.rest(time.monotonic_ns())
        self.traffic.wear(worker)
        self.traffic.lender.adoption.again(worker, exchange)
        if worker.retiring and worker.exchange is None:
            self.traffic.assignments.free(worker)
        return True

    def die_with(self, worker: Worker) -> None:
        """Give nothing more to the other places of a dead process, before their own deaths are noticed."""
        for other in self.traffic.workers.values():
            if other.pid == worker.pid:
                self.traffic.queue.forget(other)
        if worker.loop and worker.starved():  # whose request it was, nobody knows
            self._doom(worker, Sentence(503, STARVED, os.urandom(4).hex()))
        self._doom(worker, Sentence(502, "the worker died", os.urandom(4).hex()))

    def _doom(self, worker: Worker, sentence: Sentence) -> None:
        """Those who share its loop die with a worker: all of them of one cause, which one incident tells of."""
        for other in worker.loop.places if worker.loop else ():
            if not other.fate:
                other.fate = sentence
                self.traffic.queue.retire(other)

    def bury(self, worker: Worker) -> dict[str, Any]:
        """A worker is dead and has said all it said: decide about its request. Returns what the master may want to know of it."""
        if isinstance(worker, Keeper):
            return self.traffic.live.bury(worker)
        self.traffic.queue.forget(worker)
        self.traffic.workers.pop(worker.number, None)
        self.traffic.lender.bury(worker)
        exchange, worker.exchange = worker.exchange, None
        known: dict[str, Any] = {}
        if exchange is not None:
            exchange.worker = None
            service = time.monotonic() - exchange.assigned
            self.traffic.accounts.lost(exchange, service)
            alone = worker.condemned is None and worker.loop is None
            if alone and worker.starved():  # a limit that the kernel enforces: not to be broken once more
                worker.condemned = Sentence(503, STARVED, os.urandom(4).hex())
            sentence = worker.condemned or worker.fate or Sentence(502, "the worker died", os.urandom(4).hex())
            known = {"incident": sentence.incident, "request": exchange.described(worker.slot)}
            known["status"] = self.traffic.estates.settle(exchange, worker, sentence, self.traffic.ending)
            if exchange.number > LOANED:  # by such numbers its next worker counts what it finds by itself
                exchange.number = self.traffic.number()
        elif worker.condemned:
            known = {"status": worker.slot.progress().status}  # it has answered meanwhile
        self.traffic.assignments.serve()  # its lane may have another worker now; that of a retry first
        return known
