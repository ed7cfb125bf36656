"""Connections of an application that is called in threads: turns, answers, and what becomes of who does not read or leaves."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from prefork.worker.live.called import Answer
from prefork.worker.live.visit import Visit

from .conftest import WITHIN, Station, until

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from prefork.messages import Request
    from prefork.worker.live.assembly import Whole
    from prefork.worker.live.called import Caller

    Make = Callable[..., Station]


class Echo:
    """Says what it hears, once it may. `gate` holds its turns up, `most` are the turns at once that were seen of one connection."""

    def __init__(self, request: Request, caller: Caller, house: House) -> None:
        self.request, self.caller, self.house = request, caller, house
        self.heard: deque[Whole] = deque()
        self.turns = 0
        self.later = False

    def shake(self) -> Answer:
        self.house.shaken.set()
        self.house.handshakes.wait(WITHIN)
        if b"denied" in self.request.target:
            raise LookupError("no such room")
        return Answer(self.house.status, [("X-Room", "1"), ("Upgrade", "twice")], b"no", lambda: None)

    def begin(self) -> bool:
        self.house.begun.append(self)
        return False

    def hear(self, message: Whole) -> None:
        self.heard.append(message)

    def worn(self) -> bool:
        return self.house.worn

    def turn(self) -> bool:
        self.turns += 1
        assert self.turns == 1, "two turns at once"
        self.house.gate.wait(WITHIN)
        if self.house.worn:
            self.caller.end(4002, "old")
        if self.house.away:
            self.house.away = False
            self.turns -= 1
            return True
        while self.heard:
            said = self.heard.popleft()
            if said == "fail":
                raise ZeroDivisionError("in a turn")
            self.caller.say(said.encode() if isinstance(said, str) else said)
        self.turns -= 1
        return False

    def leave(self) -> None:
        self.house.left.append(self)
        self.house.has_left.set()


class Wait:
    """Answers with the number of times it was asked; waits until that is 2."""

    def __init__(self, ring: Callable[[], None], house: House) -> None:
        self.ring, self.house = ring, house
        self.asked = 0
        self.waits = False

    def ask(self) -> Answer:
        self.asked += 1
        self.waits = self.asked < 2
        self.house.rings.append(self.ring)
        self.house.has_asked.set()
        self.house.gate.wait(WITHIN)
        return Answer("200 OK", [("Content-Type", "text/plain")], str(self.asked).encode(), lambda: None)

    def leave(self) -> None:
        self.house.has_left.set()


class House:
    """The application."""

    sockets = True

    def __init__(self) -> None:
        self.status = "101 Switching Protocols"
        self.begun: list[Echo] = []
        self.left: list[Echo] = []
        self.rings: list[Callable[[], None]] = []
        self.has_left, self.has_asked, self.gate = threading.Event(), threading.Event(), threading.Event()
        self.shaken, self.handshakes = threading.Event(), threading.Event()
        self.gate.set()
        self.handshakes.set()
        self.worn = self.away = False

    def talk(self, request: Request, caller: Caller) -> Echo:
        return Echo(request, caller, self)

    def watch(self, request: Request, ring: Callable[[], None]) -> Wait:
        return Wait(ring, self)


@pytest.fixture
def house() -> House:
    return House()


def ended(client: Any) -> int:
    with client, pytest.raises(ConnectionClosedError) as error:
        all(client.recv(WITHIN) for _ in iter(int, 1))
    assert error.value.rcvd
    code: int = error.value.rcvd.code
    return code


def test_turns_of_one_connection_never_overlap_and_lose_nothing(station: Make, house: House) -> None:
    with station(application=house).connect() as client:
        assert client.response.headers["X-Room"] == "1"
        assert client.response.headers.get_all("Upgrade") == ["websocket"]
        for number in range(200):
            client.send(str(number) if number % 2 else str(number).encode())
        assert [client.recv(WITHIN) for _ in range(200)] == [str(number) for number in range(200)]
    assert house.has_left.wait(WITHIN)


def paused(worker: Station) -> bool:
    return any(guest.paused for guest in list(worker.keeper.guests) if isinstance(guest, Visit))


def test_who_says_more_than_is_taken_waits(station: Make, house: House) -> None:
    worker = station(application=house, send_queue=1 << 20)
    house.gate.clear()
    with worker.connect() as client:
        sender = threading.Thread(target=lambda: [client.send("x" * 1000) for _ in range(1000)])
        sender.start()
        until(lambda: bool(house.begun) and paused(worker))
        assert len(house.begun[0].heard) < 100, "all of it was read"
        house.gate.set()
        assert all(client.recv(WITHIN) for _ in range(1000))
        sender.join(WITHIN)


def test_a_turn_that_cannot_be_taken_is_tried_again(station: Make, house: House) -> None:
    house.away = True
    with station(application=house).connect() as client:
        client.send("hello")
        assert client.recv(WITHIN) == "hello"


def test_one_that_is_worn_has_a_turn(station: Make, house: House) -> None:
    house.worn = True
    worker = station(application=house, ping=1.0)
    assert ended(worker.connect()) == 4002


def test_what_fails_ends_one_connection(station: Make, house: House, capfd: pytest.CaptureFixture[str]) -> None:
    worker = station(application=house)
    with worker.connect() as other:
        client = worker.connect()
        client.send("fail")
        assert ended(client) == 1011
        other.send("still here")
        assert other.recv(WITHIN) == "still here"
    assert "ZeroDivisionError: in a turn" in capfd.readouterr().err


@pytest.mark.parametrize(("status", "found"), [("403 Forbidden", 403), ("404 Not Found", 404)])
def test_another_answer_than_101_is_the_answer(station: Make, house: House, status: str, found: int) -> None:
    house.status = status
    with pytest.raises(InvalidStatus) as refused:
        station(application=house).connect()
    assert (refused.value.response.status_code, refused.value.response.body) == (found, b"no")


def test_a_slow_reader_is_let_go_and_a_large_message_goes_through(station: Make, house: House) -> None:
    worker = station(application=house, message_max=1 << 20, send_queue=4096)
    with worker.connect(max_size=None) as quick:
        quick.send("y" * 500_000)
        assert quick.recv(WITHIN) == "y" * 500_000
        slow = worker.connect(window=4096, max_queue=1)
        with suppress(ConnectionClosedError):
            while not worker.told:
                slow.send("z" * 20_000)
                quick.send("in between")
                assert quick.recv(WITHIN) == "in between"
        assert ended(slow) == 1013


def test_who_leaves_with_the_worker_has_not_gone(station: Make, house: House) -> None:
    worker = station(application=house)
    client, poll = worker.connect(), worker.poll(b"")
    client.send("here")
    assert client.recv(WITHIN) == "here"
    assert house.has_asked.wait(WITHIN)
    worker.leave()
    assert ended(client) == 1012
    assert answered(poll) == (200, b"1")
    worker.thread.join(WITHIN)
    assert house.left == []


def test_a_handshake_that_waits_is_answered_before_the_worker_leaves(station: Make, house: House) -> None:
    worker = station(application=house)
    house.handshakes.clear()
    with ThreadPoolExecutor(1) as pool:
        opening = pool.submit(worker.connect)
        assert house.shaken.wait(WITHIN)
        worker.leave()
        house.handshakes.set()
        assert ended(opening.result(WITHIN)) == 1012
    worker.thread.join(WITHIN)
    assert house.left == []


def answered(client: socket.socket) -> tuple[int, bytes]:
    with client:
        text = b"".join(iter(lambda: client.recv(65536), b""))
    head, _, body = text.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def test_a_request_that_waits_is_asked_again_when_it_rings(station: Make, house: House) -> None:
    worker = station(application=house)
    client = worker.poll(b"")
    assert house.has_asked.wait(WITHIN)
    house.rings[0]()
    assert answered(client) == (200, b"2")
    assert house.has_left.wait(WITHIN)


def test_what_rings_while_it_is_asked_is_not_lost(station: Make, house: House) -> None:
    house.gate.clear()
    client = station(application=house).poll(b"")
    assert house.has_asked.wait(WITHIN)
    house.rings[0]()
    house.gate.set()
    assert answered(client) == (200, b"2")


def test_nobody_is_asked_for_a_client_that_has_left(station: Make, house: House) -> None:
    client = station(application=house).poll(b"")
    assert house.has_asked.wait(WITHIN)
    client.close()
    assert house.has_left.wait(WITHIN)
    assert len(house.rings) == 1
