"""The dispatcher's event loop: listening sockets, connections, workers and the master's channel, on one epoll.

A fault while one of them is looked after ends that one and no other.
"""

from __future__ import annotations

import errno
import os
import resource
import select
import socket
import time
import traceback
from functools import partial
from typing import TYPE_CHECKING, Any

from prefork.dispatcher.connection import WATCHED, Connection
from prefork.dispatcher.disk import Disk, Spool
from prefork.dispatcher.options import Options
from prefork.dispatcher.outbox import Extent
from prefork.dispatcher.states import ANSWERING, State
from prefork.dispatcher.traffic import BEGIN_WITHIN, Traffic
from prefork.dispatcher.workers import Sentence, Worker
from prefork.events import AcceptPaused, FaultContained
from prefork.messages import (
    CLOEXEC_DONTWAIT,
    END,
    ENDING,
    EXTENT,
    FILE,
    ONE_RIGHT,
    REST,
    SPOOLED,
    Truncated,
    inbox,
    receive,
    unpack_ending,
    unpack_extent,
)
from prefork.scoreboard import CONNECTIONS, DISPATCHER, TURNED_AT

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.journal import Journal
    from prefork.messages import Channel
    from prefork.scoreboard import Scoreboard

TICK = 0.25  # seconds between two looks at what has waited too long
ACCEPTS = 64  # connections accepted before others have their turn
RESERVE = 64  # descriptors that connections leave for workers, bodies and rests
SAY_AGAIN = 60.0  # seconds between two complaints about the same
LOG_BLOCK = 16384  # bytes of access log that are worth a write before the next tick
UNFINISHED = frozenset((State.BODY, State.QUEUED, State.SERVED, State.FLUSHING))  # what a drain waits for


class Dispatcher:
    """Turns until the master closes the channel or the drain is over."""

    def __init__(
        self,
        channel: Channel,
        listeners: list[socket.socket],
        scoreboard: Scoreboard,
        spool: int,
        options: Options,
        journal: Journal,
    ) -> None:
        self.channel = channel
        self.listeners = listeners
        self.scoreboard = scoreboard
        self.journal = journal
        self.counters = scoreboard.slot(DISPATCHER)
        self.epoll = select.epoll()
        self.buffer = inbox()
        self.callbacks: dict[int, Callable[[int], None]] = {}
        self.connections: dict[int, Connection] = {}
        self.unfinished_reads: list[Connection] = []
        self.closed: list[socket.socket | Worker] = []  # their descriptors must not be used again within the same turn
        self.disk, self.spool = Disk(self._guarded), Spool(self._guarded, spool)
        self.traffic = Traffic(self, options, journal, scoreboard, self.disk, self.spool)
        self.finished = False
        self.accepting = True
        self.said_paused = float("-inf")
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self.highest_client = max(limit - RESERVE, limit // 2)  # descriptors are given out from the lowest: this one tells how many
        self.close_at = self.drained_at = float("inf")
        self.next_tick = 0.0
        self._watch(channel.wire.fileno(), self.hear, select.EPOLLIN)
        for disk in (self.disk, self.spool):
            self._watch(disk.bell, disk.collect, select.EPOLLIN)
        for listener in listeners:
            self._watch(listener.fileno(), partial(self.accept, listener), select.EPOLLIN)

    def _watch(self, descriptor: int, callback: Callable[[int], None], mask: int) -> None:
        self.callbacks[descriptor] = callback
        self.epoll.register(descriptor, mask)

    def _unwatch(self, descriptor: int) -> None:
        # Before the close: a copy in another process would keep the registration alive.
        if self.callbacks.pop(descriptor, None) is not None:
            self.epoll.unregister(descriptor)

    def run(self) -> None:
        """Turn until the end."""
        while not self.finished:
            self.turn()
        for connection in list(self.connections.values()):
            self._guarded(connection.end)
        self.journal.flush()

    def turn(self) -> None:
        """Wait for events and look after each; then whatever is due."""
        timeout = 0.0 if self.unfinished_reads else TICK
        for descriptor, mask in self.epoll.poll(timeout, 512):
            callback = self.callbacks.get(descriptor)
            if callback is not None:
                self._guarded(callback, mask)
        waiting, self.unfinished_reads = self.unfinished_reads, []
        for connection in waiting:
            if connection.state is not State.CLOSED:
                self._guarded(connection.ready, select.EPOLLIN)
        now = time.monotonic()
        if now >= self.next_tick:
            self.next_tick = now + TICK
            self.tick(now)
        for closed in self.closed:
            closed.close()
        self.closed.clear()
        if self.journal.sink.waiting_bytes > LOG_BLOCK:
            self.journal.flush()

    def _guarded(self, callback: Callable[..., None], *arguments: object) -> None:
        try:
            callback(*arguments)
        except Exception:  # noqa: BLE001 - one connection's fault must not end the others
            self.journal.note(
                FaultContained(where=getattr(callback, "__qualname__", repr(callback)), traceback=traceback.format_exc())
            )
            owner = getattr(callback, "__self__", None)
            if isinstance(owner, Connection):
                owner.abandon()

    # Clients.

    def accept(self, listener: socket.socket, mask: int) -> None:  # noqa: ARG002 - every callback gets the mask
        """Take new connections."""
        for _ in range(ACCEPTS):
            if not self._accept_one(listener):
                return

    def _accept_one(self, listener: socket.socket) -> bool:
        """Take a connection; False when there is none, or no room for more."""
        try:
            client, peer = listener.accept()
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}:
                self._pause_accepting(error.strerror or str(error))
                return False
            return True  # the client left while it waited
        self._add(listener, client, peer)
        if client.fileno() >= self.highest_client:
            self._pause_accepting(os.strerror(errno.EMFILE))
            return False
        return True

    def _add(self, listener: socket.socket, client: socket.socket, peer: Any) -> None:
        connection = Connection(self.traffic, client, *ends(listener, client, peer))
        self.connections[connection.descriptor] = connection
        self.counters[CONNECTIONS] = len(self.connections)
        self._watch(connection.descriptor, connection.ready, WATCHED)

    def _pause_accepting(self, reason: str) -> None:
        now = time.monotonic()
        if now - self.said_paused > SAY_AGAIN:
            self.said_paused = now
            self.journal.note(AcceptPaused(reason, len(self.connections)))
        self._accept_from_now_on(False)

    def _accept_from_now_on(self, accepting: bool) -> None:
        self.accepting = accepting
        for listener in self.listeners:
            self.epoll.modify(listener.fileno(), select.EPOLLIN if accepting else 0)

    def _has_room(self) -> bool:
        try:
            lowest = os.dup(self.channel.wire.fileno())
        except OSError:
            return False
        os.close(lowest)
        return lowest < self.highest_client

    def watch(self, connection: Connection, mask: int) -> None:
        """Watch a connection for other things than before."""
        self.epoll.modify(connection.descriptor, mask)

    def forget(self, connection: Connection) -> None:
        """A connection is closed; a thread may still hold its socket."""
        self._unwatch(connection.descriptor)
        self.connections.pop(connection.descriptor, None)
        self.counters[CONNECTIONS] = len(self.connections)

    def dispose(self, connection: Connection) -> None:
        """Nobody holds a closed connection's socket any more: its descriptor is free after this turn."""
        self.closed.append(connection.socket)

    def again(self, connection: Connection) -> None:
        """Look at a connection again in the next turn, without waiting for an event."""
        self.unfinished_reads.append(connection)

    # Workers.

    def pause(self, worker: Worker, paused: bool) -> None:
        """Stop or resume reading what a worker says."""
        if worker.wire.fileno() in self.callbacks:  # a dead one may have been heard to its end
            self.epoll.modify(worker.wire.fileno(), 0 if paused else select.EPOLLIN)

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
            self._unwatch(worker.wire.fileno())
            return
        if message[0] == REST and not descriptors:
            self.traffic.rest(worker, message[1:])
        elif message[0] in {FILE, SPOOLED} and len(message) == EXTENT.size and descriptors:
            self.traffic.rest(worker, Extent(descriptors[0], *unpack_extent(message), growing=message[0] == SPOOLED))
        elif message[0] == END and len(message) >= ENDING.size and not descriptors and worker.has(ending := unpack_ending(message)):
            self.traffic.ended(worker, ending)
        else:
            # Something else in the worker writes to its pair: whatever it says now cannot be trusted.
            for descriptor in descriptors:
                os.close(descriptor)
            self._unwatch(worker.wire.fileno())
            self.tell_master("faulty", worker)

    def lost(self, worker: Worker, mask: int) -> None:  # noqa: ARG002 - every callback gets the mask
        """A worker is dead. Hear why, if the master has said it, and what it still said itself; then decide about its request."""
        while has_more(self.channel.wire):
            self._guarded(self.hear, select.EPOLLIN)
        while worker.wire.fileno() in self.callbacks:
            self._guarded(partial(self.listen, worker), select.EPOLLIN)
            if not has_more(worker.wire):
                break
        if worker.pidfd not in self.callbacks:
            return  # it was retiring, and its last word has let it go
        self.traffic.die_with(worker)
        self._release(worker)
        self.tell_master("released", worker, **self.traffic.bury(worker))

    def part(self, worker: Worker) -> None:
        """Let a retiring worker go: closing its pair is what tells it to leave."""
        self.traffic.workers.pop(worker.number, None)
        self._release(worker)
        self.tell_master("released", worker)

    def _release(self, worker: Worker) -> None:
        self._unwatch(worker.wire.fileno())
        self._unwatch(worker.pidfd)
        self.closed.append(worker)

    # The master.

    def tell_master(self, kind: str, worker: Worker, **more: Any) -> None:
        """Say something about a worker."""
        self.channel.send(kind, slot=worker.number, pid=worker.pid, seconds=BEGIN_WITHIN, **more)

    def hear(self, mask: int) -> None:  # noqa: ARG002 - every callback gets the mask
        """The master says something; when it is gone, so is the dispatcher."""
        try:
            order, descriptors = self.channel.receive(CLOEXEC_DONTWAIT)
        except BlockingIOError:
            return  # a worker's death in the same turn has had it heard already
        if order is None:
            self.finished = True
            return
        kind = order["kind"]
        if kind == "add":
            self.add(order, descriptors)
        elif kind == "retire":
            worker = self.traffic.workers.get(order["slot"])
            if worker is not None:
                self.traffic.retire(worker)
        elif kind == "condemn":
            self._condemn(order)
        elif kind == "options":
            self.traffic.apply(Options.received(order["options"]))
        elif kind == "log":
            self.journal.sink.replace(descriptors[0])  # which makes it our standard error
            for worker in self.traffic.workers.values():
                worker.log_to(2)
        elif kind == "give up":
            self.traffic.give_up(order["reason"])
        elif kind == "drain":
            now = time.monotonic()
            self.traffic.draining = True
            self.close_at = now + order["delay"]
            self.drained_at = self.close_at + order["timeout"]
            self.next_tick = now

    def _condemn(self, order: dict[str, Any]) -> None:
        worker = self.traffic.workers.get(order["slot"])
        if worker is None or worker.pid != order["pid"]:
            # It has left, or its death is on its way to the master.
            self.channel.send("acquitted", slot=order["slot"], pid=order["pid"])
        elif self.traffic.condemn(worker, order["number"], Sentence(order["status"], order["reason"], order["incident"])):
            request = worker.exchange.described(worker.slot) if worker.exchange else None
            self.tell_master("condemned", worker, request=request)
        else:
            self.tell_master("acquitted", worker)

    def add(self, order: dict[str, Any], descriptors: list[int]) -> None:
        """A worker is ready: the end of its pair, and its pidfd."""
        wire, pidfd = descriptors
        slot = self.scoreboard.slot(order["slot"])
        worker = Worker(order["slot"], order["name"], order["pid"], slot, socket.socket(fileno=wire), pidfd)
        self._watch(wire, partial(self.listen, worker), select.EPOLLIN)
        self._watch(pidfd, partial(self.lost, worker), select.EPOLLIN)
        worker.log_to(2)  # it may have been forked before a rotation and be introduced after it
        self.traffic.add(worker)

    # Time.

    def tick(self, now: float) -> None:
        """Look at everything that may have waited too long."""
        self.counters[TURNED_AT] = time.monotonic_ns()
        if self.channel.waiting:
            self.channel.flush()
        if not self.accepting and not self.traffic.closing and self._has_room():
            self._accept_from_now_on(True)
        for disk in (self.disk, self.spool):
            disk.look(now)
        for connection in [c for c in self.connections.values() if c.deadline < now]:
            self._guarded(connection.overdue)
        self._guarded(self.traffic.tick, now)
        if now >= self.close_at:
            self._close_listeners()
            self._end_if_drained(now)
        self.journal.flush()

    def _close_listeners(self) -> None:
        if not self.listeners:
            return
        for listener in self.listeners:
            while self._accept_one(listener):
                pass  # those who are connected already, as far as the kernel is concerned
            self._unwatch(listener.fileno())
            listener.close()
        self.listeners.clear()
        self.traffic.closing = True
        for connection in list(self.connections.values()):
            self._guarded(connection.dismiss)

    def _end_if_drained(self, now: float) -> None:
        busy = any(connection.state in UNFINISHED for connection in self.connections.values())
        if busy and now < self.drained_at:
            return
        unfinished = sum(connection.state in ANSWERING for connection in self.connections.values())
        if busy:
            self.traffic.give_up("the server stops (graceful_timeout)")
        self.channel.send("drained", unfinished=unfinished)
        self.close_at = float("inf")


def ends(listener: socket.socket, client: socket.socket, peer: Any) -> tuple[tuple[str, int], tuple[str, int]]:
    """A connection's (address, port) at the client's end and at ours. A unix socket has neither: ("", 0)."""
    if listener.family == socket.AF_UNIX:
        return ("", 0), ("", 0)
    local = listener.getsockname()
    if local[0] in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
        local = client.getsockname()
    return (unmapped(peer[0]), peer[1]), (unmapped(local[0]), local[1])


def unmapped(address: str) -> str:
    """An IPv4 address as such, where a socket for both kinds gives it in IPv6's notation."""
    return address.removeprefix("::ffff:") if "." in address else address


def has_more(wire: socket.socket) -> bool:
    """Whether there is a message to receive."""
    try:
        return bool(wire.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except OSError:
        return False
