"""The dispatcher's event loop: its turn, its connections, what workers and the master say, and the end.

Everything that happens arrives here; what it means for requests is `traffic`'s.
"""

from __future__ import annotations

import os
import select
import socket
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from prefork.dispatcher.attendance import EVERY
from prefork.dispatcher.connection import Connection
from prefork.dispatcher.disk import Disk, Disks, Spool
from prefork.dispatcher.door import Door
from prefork.dispatcher.drain import Drain
from prefork.dispatcher.fairness import MOMENT
from prefork.dispatcher.loops import EventLoop, fitting
from prefork.dispatcher.orders import Orders
from prefork.dispatcher.poller import Poller
from prefork.dispatcher.states import WATCHED, State
from prefork.dispatcher.traffic import Traffic
from prefork.dispatcher.words import Words
from prefork.dispatcher.workers import BEGIN_WITHIN, Worker
from prefork.messages import CLOEXEC_DONTWAIT, ONE_RIGHT, Truncated, inbox, receive
from prefork.scoreboard import CONNECTIONS, DISPATCHER, TURNED_AT

if TYPE_CHECKING:
    from prefork.dispatcher.door import Address
    from prefork.dispatcher.options import Options
    from prefork.journal import Journal
    from prefork.messages import Channel
    from prefork.scoreboard import Scoreboard
    from prefork.trace import Trace

ONCE = select.EPOLLIN | select.EPOLLONESHOT
TICK = 0.25  # seconds between two looks at what has waited too long
LOOP_TICK = 0.01  # seconds between two looks at event loops while a request waits for one of them to turn


class Dispatcher:
    """Turns until the master closes the channel or the drain is over."""

    def __init__(
        self,
        channel: Channel,
        listeners: list[socket.socket],
        scoreboard: Scoreboard,
        trace: Trace,
        spool: int,
        options: Options,
        journal: Journal,
    ) -> None:
        self.channel = channel
        self.scoreboard = scoreboard
        self.journal = journal
        self.counters = scoreboard.slot(DISPATCHER)
        self.buffer = inbox()
        self.poller = Poller(journal)
        self.door = Door(listeners, self.poller, journal, self.counters, self.admit)
        self.disks = Disks(Disk(self.poller.guard), Spool(self.poller.guard, spool))
        self.traffic = Traffic(self, options, journal, scoreboard, trace, self.disks)
        self.words = Words(self.traffic)
        self.orders = Orders(self)
        self.drain = Drain(self)
        self.connections: dict[int, Connection] = {}
        self.newcomers: list[Connection] = []
        self.unfinished_reads: list[Connection] = []
        # Their descriptors must not be used again within the same turn.
        self.closed: list[socket.SocketType | Worker | EventLoop] = []
        self.finished = False
        self.next_tick = 0.0
        self.poller.watch(channel.wire.fileno(), self.hear, select.EPOLLIN)
        # It says that the server is ready when it has told of all workers, so who comes after that finds all of them.
        self.poller.first = channel.wire.fileno()
        for disk in self.disks:
            self.poller.watch(disk.bell, disk.collect, select.EPOLLIN)

    def run(self) -> None:
        """Turn until the end."""
        self.stamp()  # it has been imported: whoever looks whether it turns need not wait for that any more
        while not self.finished:
            self.turn()
        self._hear_of_the_dead()
        for connection in list(self.connections.values()):
            self.poller.guard(connection.end)
        self.poller.guard(self.traffic.settlement.settle)
        self.journal.flush()

    def _hear_of_the_dead(self) -> None:
        """Workers that have died before the master left: their clients are told. The last turn may have begun before that."""
        dead = select.poll()
        for worker in self.traffic.everybody():
            dead.register(worker.loop.pidfd if worker.loop else worker.pidfd, select.POLLIN)
        for descriptor, mask in dead.poll(0):
            if lost := self.poller.callbacks.get(descriptor):
                self.poller.guard(lost, mask)

    def turn(self) -> None:
        """Wait for events and look after each; then whatever is due."""
        self.poller.poll(self._patience())
        newcomers, self.newcomers = self.newcomers, []
        for connection in newcomers:  # not before, because a client's first request is one segment behind it
            self.poller.guard(connection.greet)
        waiting, self.unfinished_reads = self.unfinished_reads, []
        for connection in waiting:
            if connection.state is not State.CLOSED:
                self.poller.guard(connection.ready, select.EPOLLIN)
        if self.traffic.assignments.held_up():
            self.traffic.assignments.serve()
        if self.traffic.lender.relief.doubtful:
            self.poller.guard(self.traffic.lender.relief.look)
        if self.traffic.lender.attendance.doubtful:
            self.poller.guard(self.traffic.lender.attendance.look)
        self.traffic.lender.give_way()
        if self.traffic.settlement.due(bool(self.traffic.queue.working)):
            self.poller.guard(self.traffic.settlement.settle)
        now = time.monotonic()
        if now >= self.next_tick:
            self.next_tick = now + TICK
            self.tick(now)
        for closed in self.closed:
            closed.close()
        self.closed.clear()
        if self.journal.due:
            self.poller.guard(self.journal.flush)

    def _patience(self) -> float:
        """How long nothing may happen, in seconds."""
        if self.unfinished_reads or self.newcomers:
            return 0.0
        if self.traffic.lender.relief.doubtful:
            return MOMENT
        if self.traffic.lender.attendance.doubtful:
            return EVERY
        return LOOP_TICK if self.traffic.assignments.held_up() else TICK

    # Clients.

    def admit(self, client: socket.SocketType, peer: Address, local: Address) -> None:
        """Look after a new client."""
        connection = Connection(self, self.traffic, client, peer, local)
        self.connections[connection.descriptor] = connection
        self.counters.words[CONNECTIONS] = len(self.connections)
        self.newcomers.append(connection)

    def watch(self, connection: Connection, mask: int) -> None:
        """Watch a connection, or watch it for other things than before."""
        if connection.watched:
            self.poller.change(connection.descriptor, mask)
        else:
            connection.watched = True
            self.poller.watch(connection.descriptor, connection.ready, mask)

    def forget(self, connection: Connection) -> None:
        """A connection is closed; a thread may still hold its socket."""
        if connection.watched:
            self.poller.unwatch(connection.descriptor)
        self.connections.pop(connection.descriptor, None)
        self.counters.words[CONNECTIONS] = len(self.connections)

    def dispose(self, connection: Connection) -> None:
        """Nobody holds a closed connection's socket any more: its descriptor is free after this turn."""
        self.closed.append(connection.socket)

    def lent(self, connection: Connection) -> None:
        """A worker reads a connection: nobody here is told of it any more."""
        connection.watched = False
        self.poller.unwatch(connection.descriptor)

    def home(self, connection: Connection) -> None:
        """A connection is read here again."""
        self.watch(connection, WATCHED)

    def again(self, connection: Connection) -> None:
        """Look at a connection again in the next turn, without waiting for an event."""
        self.unfinished_reads.append(connection)

    # Workers.

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
            self.traffic.lender.attendance.stirred(worker.loop)
        else:
            self.traffic.lender.relief.stirred(worker)

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
            if not message or not self.words.heard(loop.places[0], message, descriptors):
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
            self.traffic.mangled(worker)
            return
        except OSError:
            message, descriptors = b"", []
        if not message:
            # Not the truth about its death, that is the pidfd's word; but there is nothing more to hear.
            self.poller.unwatch(worker.wire.fileno())
            return
        if not self.words.heard(worker, message, descriptors):
            # Something else in the worker writes to its pair: whatever it says now cannot be trusted.
            for descriptor in descriptors:
                os.close(descriptor)
            self.poller.unwatch(worker.wire.fileno())
            self.tell_master("faulty", worker)

    def lost(self, worker: Worker, mask: int) -> None:  # noqa: ARG002 - every callback gets the mask
        """A worker is dead. Hear why, if the master has said it, and what it still said itself; then decide about its request."""
        while has_more(self.channel.wire):
            self.poller.guard(self.hear, select.EPOLLIN)
        self.hear_out(worker)
        if worker.loans:
            self.traffic.lender.receipts.drain(worker)
        if not self.poller.watches(worker.pidfd):
            return  # it was retiring, and its last word has let it go
        self.traffic.departures.die_with(worker)
        self._release(worker)
        self.tell_master("released", worker, **self.traffic.departures.bury(worker))

    def lost_loop(self, loop: EventLoop, mask: int) -> None:  # noqa: ARG002 - every callback gets the mask
        """The same for a worker with an event loop, and each of its requests."""
        while has_more(self.channel.wire):
            self.poller.guard(self.hear, select.EPOLLIN)
        for worker in list(loop.places):
            self.hear_out(worker)
        self.hear_loans(loop)
        if loop.loans and loop.places:
            self.traffic.lender.receipts.drain(loop.places[0])
        left = list(loop.places)
        if not left:
            return  # it was retiring, and its last words have let it go
        self.traffic.departures.die_with(left[0])
        self.traffic.lender.bury_loop(loop)
        for worker in left:
            self._release(worker)
            loop.told += filter(None, [self.traffic.departures.bury(worker)])
        self.tell_master("released", left[0], places=loop.size, told=fitting(loop.told))

    def hear_out(self, worker: Worker) -> None:
        """Hear what a worker has said."""
        while self.poller.watches(worker.wire.fileno()):
            self.poller.guard(partial(self.listen, worker), select.EPOLLIN)
            if not has_more(worker.wire):
                break

    def part(self, worker: Worker) -> None:
        """Let a retiring worker go: closing its pair is what tells it to leave."""
        self.traffic.forget(worker)
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

    # The master.

    def tell_master(self, kind: str, worker: Worker, **more: Any) -> None:
        """Say something about a worker; of one with an event loop, by its first place."""
        slot = worker.loop.number if worker.loop else worker.number
        self.channel.send(kind, slot=slot, pid=worker.pid, seconds=BEGIN_WITHIN, **more)

    def hear(self, mask: int) -> None:  # noqa: ARG002 - every callback gets the mask
        """The master says something, all of which is heard; when it is gone, so is the dispatcher."""
        while True:
            try:
                order, descriptors = self.channel.receive(CLOEXEC_DONTWAIT)
            except BlockingIOError:
                return
            if order is None:
                self.finished = True
                return
            self.orders.carry_out(order, descriptors)

    # Time.

    def stamp(self) -> None:
        """Say that it turns."""
        self.counters[TURNED_AT] = time.monotonic_ns()

    def tick(self, now: float) -> None:
        """Look at everything that may have waited too long."""
        self.stamp()
        if self.channel.waiting:
            self.channel.flush()
        self.door.look()
        for disk in self.disks:
            disk.look(now)
        for connection in [c for c in self.connections.values() if c.deadline < now]:
            self.poller.guard(connection.overdue)
        self.poller.guard(self.traffic.tick, now)
        self.drain.look(now)
        self.poller.guard(self.journal.flush)


def has_more(wire: socket.socket) -> bool:
    """Whether there is a message to receive."""
    try:
        return bool(wire.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except OSError:
        return False
