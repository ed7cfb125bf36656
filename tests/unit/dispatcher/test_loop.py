"""The dispatcher's own loop: in which order it looks after what has happened."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from tests.unit.descriptors import held, opened_since

from prefork.channel import Channel
from prefork.dispatcher.loan import Loan
from prefork.dispatcher.loop import Dispatcher
from prefork.lending import LASTS, LOANED, pack_receipt
from prefork.messages import CLOEXEC_DONTWAIT, inbox, pack_ending, pair, receive, unpack_request
from prefork.scoreboard import ANSWERED, BEGUN, BEGUN_AT, DISPATCHER, DONE, LOAN, REQUEST, TAKEN, TURNED_AT, pack_progress

from .conftest import OPTIONS, SCOREBOARD, TRACE, WITHIN, Notes, send_home
from .test_receipts import receipt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class House:
    """A dispatcher that turns only when told to, its master's end of the channel, and a door."""

    def __init__(self, directory: Path) -> None:
        self.wires: list[socket.socket] = []
        self.spool = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        self.journal = Notes()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        ours, theirs = pair()
        self.master, self.channel = Channel(ours), Channel(theirs)
        self.dispatcher = Dispatcher(self.channel, [self.listener], SCOREBOARD, TRACE, self.spool, OPTIONS, self.journal)

    def introduce(self, number: int, pid: int = os.getpid()) -> None:
        """The master says that a worker is ready."""
        wire, theirs = pair()
        pidfd = os.pidfd_open(pid)
        told = {"slot": number, "name": f"http.{number + 1}", "pid": pid, "pool": "http", "places": 0, "speaks": False}
        SCOREBOARD.slot(number).clear()
        self.master.send("add", [theirs.fileno(), pidfd], **told)
        os.close(pidfd)
        theirs.close()
        self.wires.append(wire)

    def told(self) -> list[str]:
        """What the master has been told."""
        found = []
        while True:
            try:
                found.append(self.master.receive(CLOEXEC_DONTWAIT)[0])
            except BlockingIOError:
                return [order["kind"] for order in found if order]

    def come(self) -> socket.socket:
        """A client connects."""
        client = socket.create_connection(self.listener.getsockname(), WITHIN)
        self.wires.append(client)
        return client

    def close(self) -> None:
        for worker in list(self.dispatcher.traffic.everybody()):
            self.dispatcher.wires.part(worker)
        for connection in list(self.dispatcher.connections.values()):
            connection.close()
        for closed in self.dispatcher.closed:
            closed.close()
        send_home(*self.dispatcher.disks)
        for wire in (*self.wires, self.listener):
            wire.close()
        self.master.close()
        self.channel.close()
        self.dispatcher.poller.epoll.close()
        os.close(self.spool)
        os.close(self.journal.sink.descriptor)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    before = held()
    house = House(tmp_path)
    yield house
    house.close()
    assert not opened_since(before), "descriptors are left open"


def test_who_comes_after_the_master_has_told_of_its_workers_finds_them_all(house: House) -> None:
    house.come()  # whose arrival is seen first, if what is seen first is looked after first
    for number in range(3):
        house.introduce(number)
    house.dispatcher.turn()
    assert [worker.name for worker in house.dispatcher.traffic.everybody()] == ["http.1", "http.2", "http.3"]
    assert len(house.dispatcher.connections) == 1


def test_the_master_is_heard_before_a_client(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[int] = []
    monkeypatch.setattr(house.dispatcher.door, "admit", lambda client, *_: (client.close(), found.append(len(workers()))))

    def workers() -> list[object]:
        return list(house.dispatcher.traffic.everybody())

    house.come()
    house.introduce(0)
    house.dispatcher.turn()
    assert found == [1]


def test_it_is_seen_to_turn_before_it_looks_at_a_client(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    slot = SCOREBOARD.slot(DISPATCHER)
    slot[TURNED_AT] = 0

    def admit(client: socket.socket, *_: object) -> None:
        client.close()
        seen.append(slot[TURNED_AT])
        house.dispatcher.finished = True

    monkeypatch.setattr(house.dispatcher.door, "admit", admit)
    house.come()
    house.dispatcher.run()
    assert seen[0] > 0


def test_who_has_died_before_the_master_left_is_heard_of_although_the_last_turn_had_begun(house: House) -> None:
    """When the server is to stop at once, the master kills its workers and leaves as soon as they are dead."""
    with subprocess.Popen(["sleep", "60"]) as worker:
        house.introduce(0, worker.pid)
        house.dispatcher.turn()
        client = house.come()
        client.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        while not select.select([house.wires[0]], [], [], 0)[0]:
            house.dispatcher.turn()
        channel = house.channel.wire.fileno()
        hear = house.dispatcher.poller.callbacks[channel]

        def hear_late(mask: int) -> None:
            worker.kill()
            worker.wait()
            house.master.close()
            hear(mask)

        house.dispatcher.poller.callbacks[channel] = hear_late
        house.master.send("give up", reason="the server stops at once")
        house.dispatcher.run()
        assert client.recv(1000).startswith(b"HTTP/1.1 503 ")


class Staff:
    """The workers' ends of the pairs of a house that has two workers."""

    def __init__(self, house: House) -> None:
        self.house = house
        for number in range(2):
            house.introduce(number)
        house.dispatcher.turn()
        self.wires = house.wires[:2]
        for wire in self.wires:
            os.close(receive(wire, inbox())[1][0])  # of the log

    def begin(self) -> Callable[[], None]:
        """A client asks, and a worker has it; what is returned has the worker answer, and the dispatcher hear it."""
        dispatcher = self.house.dispatcher
        self.house.come().sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        while not (given := select.select(self.wires, [], [], 0)[0]):
            dispatcher.turn()
        message, descriptors = receive(given[0], inbox())
        os.close(descriptors[0])

        def end() -> None:
            given[0].send(pack_ending(unpack_request(message).number, 200, 0, 0, 0))
            dispatcher.turn()

        return end


def test_what_has_ended_is_entered_as_soon_as_no_worker_is_busy(house: House) -> None:
    staff, counters = Staff(house), house.dispatcher.counters
    before = counters[ANSWERED]
    first, second = staff.begin(), staff.begin()
    first()
    assert counters[ANSWERED] == before
    second()
    assert counters[ANSWERED] == before + 2


def test_what_has_ended_is_entered_with_the_next_tick_at_the_latest(house: House) -> None:
    staff, counters = Staff(house), house.dispatcher.counters
    before = counters[ANSWERED]
    end, _ = staff.begin(), staff.begin()
    end()
    house.dispatcher.next_tick = 0.0
    house.dispatcher.turn()
    assert counters[ANSWERED] == before + 1


def test_what_has_ended_is_entered_at_the_end(house: House) -> None:
    staff, counters = Staff(house), house.dispatcher.counters
    before = counters[ANSWERED]
    end, _ = staff.begin(), staff.begin()
    end()
    house.dispatcher.finished = True
    house.dispatcher.run()
    assert counters[ANSWERED] == before + 1


@pytest.mark.parametrize("retires", [False, True])
def test_who_dies_behind_the_receipt_of_a_request_that_was_known_is_let_go_once_and_for_all(house: House, retires: bool) -> None:
    """One that retires was let go twice, and its descriptors were closed twice; any other was idle again, as one that is dead."""
    request, dispatcher = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", house.dispatcher
    dispatcher.traffic.apply(OPTIONS._replace(lend_connections=True))
    house.introduce(0)
    house.come()
    dispatcher.turn()
    for descriptor in receive(house.wires[0], inbox())[1] + receive(house.wires[0], inbox())[1]:  # its log, and the terms
        os.close(descriptor)
    worker, (connection,) = dispatcher.traffic.workers[0], dispatcher.connections.values()
    assert worker.loans
    connection.loan = Loan(connection, worker)
    worker.loans.lend(connection)
    worker.loans.memory[: len(request)] = request
    words, key = worker.slot.words, connection.descriptor
    words[LOAN], words[TAKEN], words[BEGUN_AT] = key, len(request), time.monotonic_ns()
    words[REQUEST] = pack_progress(LOANED + 1, BEGUN)
    assert dispatcher.traffic.lender.adoption.adopt(worker)
    if retires:
        dispatcher.traffic.departures.retire(worker)
    words[REQUEST] = pack_progress(LOANED + 1, DONE, 200, keep=True)
    assert worker.loans.till.put(pack_receipt(*receipt(key=key, number=LOANED + 1, flags=LASTS)))
    dispatcher.wires.lost(worker, select.EPOLLIN)
    assert house.told().count("released") == 1
    assert dispatcher.closed.count(worker) == 1
    assert worker not in dispatcher.traffic.queue.idle
