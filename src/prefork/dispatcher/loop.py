"""The dispatcher's event loop: its turn, its connections, what the master says, and the end.

What workers say arrives in `wires`; what it all means for requests is `traffic`'s.
"""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING

from prefork.dispatcher.attendance import EVERY
from prefork.dispatcher.connection import Connection
from prefork.dispatcher.disk import Disk, Disks, Spool
from prefork.dispatcher.door import Door
from prefork.dispatcher.drain import Drain
from prefork.dispatcher.fairness import MOMENT
from prefork.dispatcher.orders import Orders
from prefork.dispatcher.poller import Poller
from prefork.dispatcher.states import WATCHED, State
from prefork.dispatcher.traffic import Traffic
from prefork.dispatcher.wires import Wires
from prefork.dispatcher.words import Words
from prefork.messages import CLOEXEC_DONTWAIT
from prefork.scoreboard import CONNECTIONS, DISPATCHER, TURNED_AT

if TYPE_CHECKING:
    import socket

    from prefork.channel import Channel
    from prefork.dispatcher.door import Address
    from prefork.dispatcher.loops import EventLoop
    from prefork.dispatcher.options import Options
    from prefork.dispatcher.workers import Worker
    from prefork.journal import Journal
    from prefork.scoreboard import Scoreboard
    from prefork.trace import Trace

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
        self.poller = Poller(journal)
        self.door = Door(listeners, self.poller, journal, self.counters, self.admit)
        self.disks = Disks(Disk(self.poller.guard), Spool(self.poller.guard, spool))
        # Their descriptors must not be used again within the same turn.
        self.closed: list[socket.SocketType | Worker | EventLoop] = []
        self.wires = Wires(self)
        self.traffic = Traffic(self.wires, options, journal, scoreboard, trace, self.disks)
        self.words = Words(self.traffic)
        self.orders = Orders(self)
        self.drain = Drain(self)
        self.connections: dict[int, Connection] = {}
        self.newcomers: list[Connection] = []
        self.unfinished_reads: list[Connection] = []
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
        self.wires.hear_of_the_dead()
        for connection in list(self.connections.values()):
            self.poller.guard(connection.end)
        self.poller.guard(self.traffic.settlement.settle)
        self.journal.flush()

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

    # The master.

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
