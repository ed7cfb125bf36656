"""Connections over a real TCP pair, with workers that are the other ends of real pairs, and a loop that only takes notes."""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.descriptors import held, opened_since

from prefork.dispatcher.buffered import ALL
from prefork.dispatcher.connection import Connection
from prefork.dispatcher.disk import Disk, Disks, Spool
from prefork.dispatcher.ledger import Ledger
from prefork.dispatcher.loops import EventLoop
from prefork.dispatcher.options import Options
from prefork.dispatcher.states import WATCHED, State
from prefork.dispatcher.traffic import Traffic
from prefork.dispatcher.workers import Worker
from prefork.journal import Journal, Sink
from prefork.messages import KEEP, KEPT, WORN, Request, inbox, pack_ending, pair, receive, unpack_ending, unpack_request
from prefork.scoreboard import BEGUN, DISPATCHER, REQUEST, SIZE, TURNED, Scoreboard, pack_progress
from prefork.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from prefork.events import Event

WITHIN = 5.0  # seconds a fact may take that is on its way through the loopback interface
SCOREBOARD = Scoreboard.create()
TRACE = Trace.create(8)
OPTIONS = Options(
    proxy_mode=False,
    trusted_proxies=("127.0.0.1",),
    http_enable=True,
    http_port=8069,
    websocket_workers=1,
    websocket_port=8072,
    open_live_port=False,
    websocket_paths=("/websocket",),
    longpolling_paths=("/longpolling/poll",),
    websocket_routes=("/events/*",),
    bus=False,
    queue_size=2,
    queue_timeout=30.0,
    lanes=(),
    limit_time_real_routes=(),
    header_timeout=10.0,
    body_timeout=20.0,
    keepalive_timeout=75.0,
    max_header_size=4096,
    max_body_size=1 << 20,
    static=(),
    addons=(),
    static_max_age=0.0,
    health_paths=(),
    lend_connections=False,
    access_log=True,
    access_log_format="prefork",
    access_log_exclude=(),
    log_level="info",
)


def running() -> list[threading.Thread]:
    """The threads of all disks."""
    return [thread for thread in threading.enumerate() if thread.name == "disk"]


def send_home(*disks: Disk) -> None:
    """End all threads of disks. One may have yet to ring, whose result was collected when another rang."""
    for disk in disks:
        for _ in range(disk.threads):
            disk.errands.put(None)
    for thread in running():
        thread.join(WITHIN)
    assert not running()
    for disk in disks:
        os.close(disk.bell)


class Notes(Journal):
    """A journal that keeps its events."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        # Access lines in our own words would be no events.
        super().__init__(Sink(2), level="info", as_json=False, logger="test", access="json")

    def note(self, event: Event, at: float | None = None) -> None:
        self.events.append(event)

    def names(self) -> list[str]:
        return [event.name() for event in self.events]


class Loop:
    """What a test needs of the event loop: real epoll, but it turns only when told to."""

    def __init__(self, directory: int) -> None:
        self.epoll = select.epoll()
        self.connections: dict[int, Connection] = {}
        self.unfinished: list[Connection] = []
        self.interrupted = 0  # how often a connection had more to read than one turn allows
        self.forgotten: list[Connection] = []
        self.disposed: list[Connection] = []
        self.disks = Disks(Disk(lambda then, outcome: then(outcome)), Spool(lambda then, outcome: then(outcome), directory))
        self.bells = {disk.bell: disk for disk in self.disks}
        for bell in self.bells:
            self.epoll.register(bell, select.EPOLLIN)
        self.paused: list[tuple[str, bool]] = []
        self.told: list[tuple[str, str]] = []
        self.parted: list[str] = []

    def watch(self, connection: Connection, mask: int) -> None:
        if connection.watched:
            self.epoll.modify(connection.descriptor, mask)
        else:
            connection.watched = True
            self.epoll.register(connection.descriptor, mask)

    def lent(self, connection: Connection) -> None:
        if connection.watched:
            self.epoll.unregister(connection.descriptor)
        connection.watched = False

    def home(self, connection: Connection) -> None:
        self.watch(connection, WATCHED)

    def attend(self, worker: Worker) -> None:
        """No test waits for what a worker leaves unread."""

    def hear_loans(self, loop: EventLoop) -> None:
        """Nothing is said on a loop's wire."""

    def hear_out(self, worker: Worker) -> None:
        """What a worker says, tests have the dispatcher hear themselves."""

    def forget(self, connection: Connection) -> None:
        if connection.watched:
            self.epoll.unregister(connection.descriptor)
        del self.connections[connection.descriptor]
        self.forgotten.append(connection)

    def dispose(self, connection: Connection) -> None:
        self.disposed.append(connection)

    def again(self, connection: Connection) -> None:
        self.interrupted += 1
        self.unfinished.append(connection)

    def pause(self, worker: Worker, paused: bool) -> None:
        self.paused.append((worker.name, paused))

    def part(self, worker: Worker) -> None:
        self.parted.append(worker.name)

    def tell_master(self, kind: str, worker: Worker, **more: object) -> None:
        self.told.append((kind, worker.name))

    def watches(self, client: Client) -> bool:
        """Whether the epoll has a client's connection."""
        try:
            self.epoll.modify(client.theirs.fileno(), WATCHED)
        except FileNotFoundError:
            return False
        return True

    def turn(self, timeout: float = 0.0) -> int:
        """Look after everything that has happened; returns how many events there were."""
        events = self.epoll.poll(0 if self.unfinished else timeout)
        for descriptor, mask in events:
            if descriptor in self.bells:
                self.bells[descriptor].collect(mask)
            if descriptor in self.connections:
                self.connections[descriptor].ready(mask)
        waiting, self.unfinished = self.unfinished, []
        for connection in waiting:
            if connection.state is not State.CLOSED:
                connection.ready(select.EPOLLIN)
        return len(events) + len(waiting)

    def until(self, fact: Callable[[], bool]) -> None:
        """Turn until `fact` is true."""
        for _ in range(2000):
            if fact():
                return
            assert self.turn(WITHIN) or fact(), "nothing happens any more"
        raise AssertionError("it never becomes true")


class Hand:
    """The worker's end of a pair, in the hand of the test."""

    def __init__(self, desk: Desk, number: int) -> None:
        self.desk = desk
        self.name = f"http.{number + 1}"
        ours, self.wire = pair()
        self.slot = SCOREBOARD.slot(number)
        self.slot.clear()
        self.worker = Worker(number, self.name, 1, self.slot, ours, os.pidfd_open(os.getpid()))
        self.buffer = inbox()
        self.client: socket.socket | None = None

    def request(self) -> Request:
        """The request that it has been given; its client's socket is `client`."""
        message, descriptors = receive(self.wire, self.buffer)
        self.close_client()
        self.client = socket.socket(fileno=descriptors[0])
        for descriptor in descriptors[1:]:
            os.close(descriptor)
        return unpack_request(message)

    def begin(self) -> Request:
        """Take the request and say so."""
        request = self.request()
        self.stamp(request.number, BEGUN)
        return request

    def stamp(self, number: int, state: int, size: int = 0, status: int = 200, **parts: bool) -> None:
        self.slot[SIZE] = size
        self.slot[REQUEST] = pack_progress(number, state, status, **parts)

    def send(self, data: bytes) -> None:
        assert self.client
        self.client.sendall(data)

    def end(self, number: int, sent: int, *, keep: bool = True, worn: bool = False, kept: bool = False) -> None:
        """Tell the dispatcher that it has finished, and the dispatcher hears it; `kept`: that it has kept the client's socket."""
        flags = (KEEP if keep else 0) | (WORN if worn else 0) | (KEPT if kept else 0)
        self.desk.traffic.ended(self.worker, unpack_ending(pack_ending(number, 200, sent, 5000, flags)))
        self.desk.traffic.settlement.settle()

    def answer(self, data: bytes, *, keep: bool = True) -> Request:
        """The whole of a request's life."""
        request = self.begin()
        self.send(data)
        self.end(request.number, len(data), keep=keep)
        return request

    def die(self) -> dict[str, Any]:
        """The dispatcher hears that it is dead; returns what it knows."""
        self.close_client()
        return self.desk.traffic.departures.bury(self.worker)

    def has_message(self) -> bool:
        return bool(select.select([self.wire], [], [], 0)[0])

    def close_client(self) -> None:
        if self.client:
            self.client.close()
            self.client = None

    def close(self) -> None:
        self.close_client()
        self.wire.close()
        self.worker.close()


class Client:
    """A client's end of a TCP connection (or of a unix pair), and the dispatcher's connection at the other end."""

    def __init__(self, desk: Desk, room: int | None, unix: bool, early: bytes | None) -> None:
        self.desk = desk
        if unix:
            self.socket, self.theirs = socket.socketpair()
            self.socket.settimeout(WITHIN)
            peer = local = ("", 0)
        else:
            peer, local = self._connect(room)
        self.connection = Connection(desk.loop, desk.traffic, self.theirs, peer, local)
        desk.loop.connections[self.theirs.fileno()] = self.connection
        if early is None:
            self.connection.watch()
            return
        self.socket.sendall(early)
        assert select.select([self.theirs], [], [], WITHIN if early else 0)[0] == ([self.theirs] if early else [])
        self.connection.greet()

    def _connect(self, room: int | None) -> tuple[tuple[str, int], tuple[str, int]]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            if room:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, room)
            self.socket = socket.socket()
            if room:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
            self.socket.connect(listener.getsockname())
            self.socket.settimeout(WITHIN)
            self.theirs, peer = listener.accept()
        return (peer[0], peer[1]), self.theirs.getsockname()

    @property
    def state(self) -> State:
        return self.connection.state

    def send(self, data: bytes) -> None:
        """Send, and let the dispatcher look at it."""
        self.socket.sendall(data)
        self.desk.loop.turn(WITHIN)

    def receive(self, size: int) -> bytes:
        """Exactly so many bytes."""
        data = b""
        while len(data) < size:
            block = self.socket.recv(size - len(data))
            assert block, f"the connection ended after {data!r}"
            data += block
        return data

    def answer(self) -> tuple[int, bytes]:
        """Status and body of an answer with a Content-Length."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.receive(1)
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return int(head.split()[1]), self.receive(length)

    def silent(self) -> bool:
        """Whether nothing has arrived."""
        return not select.select([self.socket], [], [], 0)[0]

    def ended(self) -> bool:
        """Whether the other side has ended the connection properly (waits for it)."""
        return self.socket.recv(1) == b""

    def broken(self) -> bool:
        """Whether the other side has reset the connection (waits for it)."""
        try:
            self.socket.recv(1)
        except ConnectionResetError:
            return True
        return False

    def cut(self) -> bool:
        """Whether what is received ends by a reset (waits for the end)."""
        try:
            while self.socket.recv(1 << 20):
                pass
        except ConnectionResetError:
            return True
        return False

    def reset(self) -> None:
        """Leave without a word."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self) -> None:
        self.socket.close()
        self.connection.close()
        self.theirs.close()


class Desk:
    """A traffic with everything around it that a test can look at."""

    def __init__(self, directory: Path) -> None:
        self.directory = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        self.loop = Loop(self.directory)
        self.journal = Notes()
        self.counters = SCOREBOARD.slot(DISPATCHER)
        self.counters.clear()
        Ledger(SCOREBOARD).arrange([])
        TRACE.forget()
        self.traffic = Traffic(self.loop, OPTIONS, self.journal, SCOREBOARD, TRACE, self.loop.disks)
        self.hands: list[Hand] = []
        self.clients: list[Client] = []

    def hire(self) -> Hand:
        """A worker that is ready."""
        hand = Hand(self, len(self.hands))
        self.hands.append(hand)
        self.traffic.add(hand.worker)
        return hand

    def connect(self, room: int | None = None, *, unix: bool = False, early: bytes | None = None) -> Client:
        """A client; `room` bounds what its connection takes while it does not read, `early` is what it has sent before."""
        client = Client(self, room, unix, early)
        self.clients.append(client)
        return client

    def settle(self) -> None:
        """Turn until no thread has anything to do."""
        self.loop.until(lambda: not any(disk.pending for disk in self.loop.disks))

    def close(self) -> None:
        for end in [*self.clients, *self.hands]:
            end.close()
        self.settle()
        self.loop.epoll.close()
        send_home(*self.loop.disks)
        os.close(self.directory)
        os.close(self.journal.sink.descriptor)


class Crew:
    """A worker with an event loop that turns: its places, in the order in which they are given requests."""

    def __init__(self, desk: Desk, size: int) -> None:
        hands = [Hand(desk, len(desk.hands) + number) for number in range(size)]
        first = hands[0].worker
        self.loop = EventLoop(first.number, size, 1, first.slot, first.pidfd, None)
        first.slot[TURNED] = time.monotonic_ns() + 10**12
        for hand in hands[1:]:
            os.close(hand.worker.pidfd)
        for hand in hands:
            hand.worker.loop = self.loop
            self.loop.places.append(hand.worker)
            desk.hands.append(hand)
            desk.traffic.add(hand.worker)
        self.places = hands[::-1]


@pytest.fixture
def crew(desk: Desk) -> Iterator[Crew]:
    crew = Crew(desk, 4)
    yield crew
    crew.loop.close()


@pytest.fixture
def spooling(desk: Desk) -> None:
    """No body has room in its socket: each goes to a file."""
    desk.traffic.buffered.held = ALL


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    before = held()
    desk = Desk(tmp_path)
    yield desk
    desk.close()
    assert not opened_since(before), "descriptors are left open"
