"""The wires of workers and their pidfds: what comes on them is heard in its order, to the end of each.

What is said means something to `words` and `traffic`, which know neither epoll nor the master.
"""

from __future__ import annotations

import os
import select
from functools import partial
from typing import TYPE_CHECKING, Any

from prefork.dispatcher.loops import fitting
from prefork.dispatcher.workers import BEGIN_WITHIN
from prefork.messages import CLOEXEC_DONTWAIT, ONE_RIGHT, Truncated, has_more, inbox, receive

if TYPE_CHECKING:
    from prefork.dispatcher.loop import Dispatcher
    from prefork.dispatcher.loops import EventLoop
    from prefork.dispatcher.workers import Worker

ONCE = select.EPOLLIN | select.EPOLLONESHOT


class Wires:
    """Of workers of either kind, and of event loops."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self.dispatcher = dispatcher
        self.channel = dispatcher.channel
        self.poller = dispatcher.poller
        self.closed = dispatcher.closed
        self.buffer = inbox()

    def pause(self, worker: Worker, paused: bool) -> None:
        """Stop or resume reading what a worker says."""
        if self.poller.watches(worker.wire.fileno()):  # a dead one may have been heard to its end
            self.poller.change(worker.wire.fileno(), 0 if paused else select.EPOLLIN)

    def attend(self, worker: Worker) -> None:
        """Be told once when there is something to read on a worker's loans and the worker does not wait for it."""
        assert worker.loans
        watch = worker.loans.watch.fileno()
        if self.poller.watches(watch):
            self.poller.change(watch, ONCE)
        else:
            self.poller.watch(watch, partial(self._stirred, worker), ONCE)
            if worker.loop:
                self.poller.watch(worker.loans.wire.fileno(), partial(self.hear_loans, worker.loop), select.EPOLLIN)

    def _stirred(self, worker: Worker, mask: int) -> None:  # noqa: ARG002 - every callback gets the mask
        if worker.loop:
            self.dispatcher.traffic.lender.attendance.stirred(worker.loop)
        else:
            self.dispatcher.traffic.lender.relief.stirred(worker)

    def hear_loans(self, loop: EventLoop, mask: int = 0) -> None:  # noqa: ARG002 - every callback gets the mask
        """Hear what an event loop has said of its loans, beside what its places say of requests."""
        if loop.loans is None or not loop.places:
            return
        wire = loop.loans.wire
        while self.poller.watches(wire.fileno()):
            try:
                message, descriptors = receive(wire, self.buffer, CLOEXEC_DONTWAIT, ONE_RIGHT)
            except BlockingIOError:
                return
            except (OSError, Truncated):
                message, descriptors = b"", []
            if not message or not self.dispatcher.words.heard(loop.places[0], message, descriptors):
                self.poller.unwatch(wire.fileno())
                if message:
                    self.tell_master("faulty", loop.places[0])

    def listen(self, worker: Worker, mask: int) -> None:  # noqa: ARG002 - every callback gets the mask
        """A worker says something, or its end of the pair is closed."""
        try:
            message, descriptors = receive(worker.wire, self.buffer, CLOEXEC_DONTWAIT, ONE_RIGHT)
        except BlockingIOError:
            return
        except Truncated:
            self.dispatcher.traffic.mangled(worker)
            return
        except OSError:
            message, descriptors = b"", []
        if not message:
            # Not the truth about its death, that is the pidfd's word; but there is nothing more to hear.
            self.poller.unwatch(worker.wire.fileno())
            return
        if not self.dispatcher.words.heard(worker, message, descriptors):
            # Something else in the worker writes to its pair: whatever it says now cannot be trusted.
            for descriptor in descriptors:
                os.close(descriptor)
            self.poller.unwatch(worker.wire.fileno())
            self.tell_master("faulty", worker)

    def lost(self, worker: Worker, mask: int) -> None:  # noqa: ARG002 - every callback gets the mask
        """A worker is dead. Hear why, if the master has said it, and what it still said itself; then decide about its request."""
        while has_more(self.channel.wire):
            self.poller.guard(self.dispatcher.hear, select.EPOLLIN)
        self.hear_out(worker)
        if worker.loans:
            self.dispatcher.traffic.lender.receipts.drain(worker)
        if not self.poller.watches(worker.pidfd):
            return  # it was retiring, and its last word has let it go
        self.dispatcher.traffic.departures.die_with(worker)
        self._release(worker)
        self.tell_master("released", worker, **self.dispatcher.traffic.departures.bury(worker))

    def lost_loop(self, loop: EventLoop, mask: int) -> None:  # noqa: ARG002 - every callback gets the mask
        """The same for a worker with an event loop, and each of its requests."""
        while has_more(self.channel.wire):
            self.poller.guard(self.dispatcher.hear, select.EPOLLIN)
        for worker in list(loop.places):
            self.hear_out(worker)
        self.hear_loans(loop)
        if loop.loans and loop.places:
            self.dispatcher.traffic.lender.receipts.drain(loop.places[0])
        left = list(loop.places)
        if not left:
            return  # it was retiring, and its last words have let it go
        self.dispatcher.traffic.departures.die_with(left[0])
        self.dispatcher.traffic.lender.bury_loop(loop)
        for worker in left:
            self._release(worker)
            loop.told += filter(None, [self.dispatcher.traffic.departures.bury(worker)])
        self.tell_master("released", left[0], places=loop.size, told=fitting(loop.told))

    def hear_out(self, worker: Worker) -> None:
        """Hear what a worker has said."""
        while self.poller.watches(worker.wire.fileno()):
            self.poller.guard(partial(self.listen, worker), select.EPOLLIN)
            if not has_more(worker.wire):
                break

    def part(self, worker: Worker) -> None:
        """Let a retiring worker go: closing its pair is what tells it to leave."""
        self.dispatcher.traffic.forget(worker)
        self._release(worker)
        if worker.loop is None:
            self.tell_master("released", worker)
        elif not worker.loop.places:
            self.tell_master("released", worker, places=worker.loop.size)

    def _release(self, worker: Worker) -> None:
        self.poller.unwatch(worker.wire.fileno())
        if worker.loans and worker.loop is None:
            self.poller.unwatch(worker.loans.watch.fileno())
        self.closed.append(worker)
        if worker.loop is None:
            self.poller.unwatch(worker.pidfd)
            return
        worker.loop.places.remove(worker)
        if not worker.loop.places:
            if loans := worker.loop.loans:
                self.poller.unwatch(loans.watch.fileno())
                self.poller.unwatch(loans.wire.fileno())
            self.poller.unwatch(worker.loop.pidfd)
            self.closed.append(worker.loop)

    def hear_of_the_dead(self) -> None:
        """Workers that have died before the master left: their clients are told. The last turn may have begun before that."""
        dead = select.poll()
        for worker in self.dispatcher.traffic.everybody():
            dead.register(worker.loop.pidfd if worker.loop else worker.pidfd, select.POLLIN)
        for descriptor, mask in dead.poll(0):
            if lost := self.poller.callbacks.get(descriptor):
                self.poller.guard(lost, mask)

    def tell_master(self, kind: str, worker: Worker, **more: Any) -> None:
        """Say something about a worker; of one with an event loop, by its first place."""
        slot = worker.loop.number if worker.loop else worker.number
        self.channel.send(kind, slot=slot, pid=worker.pid, seconds=BEGIN_WITHIN, **more)
