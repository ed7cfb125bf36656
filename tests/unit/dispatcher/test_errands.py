"""A thread works for a connection, and meanwhile anything may happen to it: nothing is closed under the thread, nothing is left."""

from __future__ import annotations

import errno
import os
import select
import socket
import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from prefork.dispatcher import outbox, static, upload
from prefork.dispatcher.intake import Intake
from prefork.dispatcher.outbox import Extent, Sent
from prefork.dispatcher.states import State
from prefork.files import Opened, open_below
from prefork.messages import INLINE
from prefork.scoreboard import DONE, WRITING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from .conftest import Client, Desk

GET = b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LARGE = bytes(range(256)) * 4096
SECONDS = 5.0

pytestmark = pytest.mark.usefixtures("spooling")


def post(size: int, *lines: bytes) -> bytes:
    return b"\r\n".join((b"POST / HTTP/1.1", b"Host: h", b"Content-Length: %d" % size, *lines, b"", b""))


class Held:
    """Holds a thread inside a function until it is let go."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.entered = threading.Event()
        self.gate = threading.Event()
        self.open = False
        self.sockets: list[int] = []

    def __call__(self, *arguments: Any) -> Any:
        self.entered.set()
        assert self.open or self.gate.wait(SECONDS), "nobody let the thread go"
        for argument in arguments:  # what the loop has given to it is still there
            if isinstance(argument, socket.socket):
                assert argument.fileno() >= 0
                os.fstat(argument.fileno())
        return self.function(*arguments)

    def await_entry(self, desk: Desk) -> None:
        for _ in range(500):
            if self.entered.wait(0.01):
                return
            desk.loop.turn()
        raise AssertionError("no thread has come")

    def let_go(self) -> None:
        self.open = True
        self.gate.set()


@pytest.fixture
def public(desk: Desk, tmp_path: Path) -> Path:
    public = tmp_path / "public"
    public.mkdir()
    (public / "small").write_bytes(b"small")
    (public / "large").write_bytes(LARGE)
    desk.traffic.apply(desk.traffic.options._replace(static=(("/static", str(public)),)))
    return public


def held(monkeypatch: pytest.MonkeyPatch, place: Any, name: str) -> Iterator[Held]:
    holding = Held(getattr(place, name))
    monkeypatch.setattr(place, name, holding)
    yield holding
    holding.let_go()


@pytest.fixture
def finding(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    yield from held(monkeypatch, static, "open_below")


@pytest.fixture
def carrying(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    yield from held(monkeypatch, outbox, "carry")


@pytest.fixture
def writing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    holding = Held(Intake.write)
    monkeypatch.setattr(Intake, "write", lambda intake, directory: holding(intake, directory))
    yield holding
    holding.let_go()


def hand_file(desk: Desk, client: Client, data: bytes = LARGE) -> tuple[Any, int]:
    """A worker that hands a file over behind a head; returns it and the request's number."""
    hand = desk.hire()
    client.send(GET % b"/")
    request = hand.begin()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data)
    hand.stamp(request.number, WRITING, len(head) + len(data), whole=True, keep=True)
    descriptor = os.memfd_create("file")
    os.write(descriptor, data)
    desk.traffic.rest(hand.worker, head)
    desk.traffic.rest(hand.worker, Extent(descriptor, 0, len(data)))
    return hand, request.number


def receive_all(desk: Desk, client: Client, size: int) -> bytes:
    """So many bytes, while the dispatcher goes on sending."""
    data = b""
    while len(data) < size:
        desk.loop.turn()
        if select.select([client.socket], [], [], 0.01)[0]:
            block = client.socket.recv(size - len(data))
            assert block
            data += block
    return data


# Static files.


def test_a_file_and_what_is_behind_it(desk: Desk, public: Path) -> None:
    hand, client = desk.hire(), desk.connect()
    client.send(GET % b"/static/large" + GET % b"/static/small" + GET % b"/app" + GET % b"/static/none")
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += receive_all(desk, client, 1)
    assert receive_all(desk, client, len(LARGE)) == LARGE
    desk.loop.until(hand.has_message)
    assert client.answer() == (200, b"small")
    assert hand.answer(OK).target == b"/app"
    desk.loop.until(lambda: client.state is State.IDLE)
    assert [client.answer()[0] for _ in range(2)] == [200, 404]


@pytest.mark.parametrize("how", ["reset", "close", "overdue", "abandon"])
@pytest.mark.parametrize("name", [b"small", b"large", b"none"])
def test_the_client_leaves_while_its_file_is_looked_for(desk: Desk, public: Path, finding: Held, how: str, name: bytes) -> None:
    client = desk.connect()
    client.send(GET % (b"/static/" + name))
    finding.await_entry(desk)
    leave(desk, client, how)
    assert client.connection not in desk.loop.disposed, "the thread has its socket"
    finding.let_go()
    desk.settle()
    desk.loop.until(lambda: client.state is State.CLOSED)
    desk.settle()
    assert desk.loop.disposed == [client.connection]


def leave(desk: Desk, client: Client, how: str) -> None:
    if how == "reset":
        client.reset()
    elif how == "close":
        client.socket.close()
    else:
        getattr(client.connection, how)()
    desk.loop.turn()


def test_a_body_that_was_sent_to_a_static_file(desk: Desk, public: Path, finding: Held) -> None:
    client = desk.connect()
    finding.open = True
    client.socket.sendall(b"POST /static/small HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(LARGE) + LARGE)
    client.connection.traffic.options = desk.traffic.options._replace(max_body_size=1 << 30)
    desk.loop.until(lambda: client.state is State.IDLE and client.connection.tally.written > 0)
    assert client.answer()[0] == 405
    desk.settle()


def test_who_waits_too_long_for_a_file_is_cut(desk: Desk, public: Path, finding: Held) -> None:
    client = desk.connect()
    client.send(GET % b"/static/large")
    finding.await_entry(desk)
    assert client.connection.deadline < time.monotonic() + 21
    client.connection.overdue()
    assert client.broken()
    assert client.state is State.CLOSED


def test_one_that_nobody_has_looked_for_yet_is_not_looked_for_any_more(desk: Desk, public: Path, finding: Held) -> None:
    clients = [desk.connect() for _ in range(10)]
    for client in clients:
        client.send(GET % b"/static/large")
    for client in clients:
        client.connection.overdue()
    assert len(desk.loop.disposed) >= 6, "those whom no thread works for are let go at once"
    assert desk.loop.disks.files.pending <= 4
    finding.let_go()
    desk.settle()
    assert len(desk.loop.disposed) == 10


@pytest.mark.parametrize("number", [errno.EIO, errno.EMFILE, errno.ESTALE])
def test_a_disk_that_fails_is_no_absence(desk: Desk, public: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def fail(*_: object) -> Opened:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(static, "open_below", fail)
    client = desk.connect()
    client.send(GET % b"/static/small")
    desk.loop.until(lambda: client.state is State.IDLE)
    assert client.answer()[0] == 503
    assert "request_failed" in desk.journal.names()


def test_a_file_that_becomes_shorter_while_it_is_read(desk: Desk, public: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def shorten(root: str, path: str) -> Opened:
        opened = open_below(root, path)
        os.truncate(os.path.join(root, path), 2)
        return opened

    monkeypatch.setattr(static, "open_below", shorten)
    client = desk.connect()
    client.send(GET % b"/static/small")
    desk.loop.until(lambda: client.state is State.IDLE)
    assert client.answer()[0] == 503
    client.send(GET % b"/static/large")
    desk.loop.until(lambda: client.state is State.CLOSED)
    assert client.socket.recv(1 << 20).startswith(b"HTTP/1.1 200")
    assert client.cut()


# Sending a file.


@pytest.mark.parametrize("how", ["reset", "close", "overdue", "abandon", "cut"])
def test_the_client_leaves_while_a_thread_sends(desk: Desk, carrying: Held, how: str) -> None:
    client = desk.connect()
    hand, number = hand_file(desk, client)
    carrying.await_entry(desk)
    hand.end(number, 0)
    leave(desk, client, how)
    assert client.connection.download, "the thread reads the file"
    assert client.connection not in desk.loop.disposed, "and has the socket"
    carrying.let_go()
    desk.loop.until(lambda: client.state is State.CLOSED)
    desk.settle()
    assert client.connection.download is None
    assert desk.loop.disposed == [client.connection]


def test_a_client_that_is_slow_while_the_disk_is_too(desk: Desk, carrying: Held) -> None:
    client = desk.connect(4096)
    hand, number = hand_file(desk, client)
    carrying.await_entry(desk)
    desk.traffic.rest(hand.worker, b"behind")
    hand.end(number, 0)
    client.send(GET % b"/next")
    assert client.connection.unread, "nothing is read while a thread is out"
    carrying.let_go()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(LARGE)
    assert receive_all(desk, client, len(head) + len(LARGE) + 6) == head + LARGE + b"behind"
    desk.loop.until(hand.has_message)
    assert hand.answer(OK).target == b"/next"


def test_a_broken_answer_behind_a_file_ends_by_a_reset(desk: Desk, carrying: Held) -> None:
    client = desk.connect()
    hand, number = hand_file(desk, client)
    carrying.await_entry(desk)
    hand.worker.exchange = None
    client.connection.answered(0, keep=False, broken=True)
    assert client.state is State.FLUSHING
    carrying.let_go()
    desk.loop.until(lambda: client.state is State.CLOSED)
    assert client.cut()
    assert number


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), EOFError("shorter")])
def test_a_disk_that_fails_in_the_middle_is_no_end_of_the_answer(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object) -> Sent:
        raise error

    monkeypatch.setattr(outbox, "carry", fail)
    client = desk.connect()
    hand, number = hand_file(desk, client)
    hand.end(number, 0, keep=False)
    desk.loop.until(lambda: client.state is State.CLOSED)
    assert client.cut()


def test_the_end_cuts_what_is_not_all_out(desk: Desk, carrying: Held) -> None:
    """An answer that ends with its connection would look whole."""
    client = desk.connect()
    hand, number = hand_file(desk, client)
    hand.end(number, 0, keep=False)
    client.connection.end()
    assert client.cut()
    carrying.let_go()


# The death of the worker meanwhile.


@pytest.mark.parametrize("state", [WRITING, DONE])
@pytest.mark.parametrize("busy", [True, False])
def test_what_a_dead_worker_has_handed_over_whole_is_sent(desk: Desk, carrying: Held, state: int, busy: bool) -> None:
    """It had nothing left to do but to say so."""
    client = desk.connect(1 << 16)
    if not busy:
        carrying.open = True
    other = desk.hire()
    hand, number = hand_file(desk, client)
    if busy:
        carrying.await_entry(desk)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(LARGE)
    hand.stamp(number, state, len(head) + len(LARGE), whole=True, keep=True)
    hand.die()
    assert client.state is State.FLUSHING
    carrying.let_go()
    assert receive_all(desk, client, len(head) + len(LARGE)) == head + LARGE
    desk.loop.until(lambda: client.state is State.IDLE)
    # What has been sent since is not taken for a part of the next answer.
    client.send(GET % b"/next")
    request = other.begin()
    other.stamp(request.number, WRITING, 10, whole=True, keep=True)
    third = desk.hire()
    other.die()
    assert third.answer(OK).attempt == 2
    assert client.answer() == (200, b"ok")


def test_what_it_has_not_handed_over_whole_is_cut(desk: Desk, carrying: Held) -> None:
    client = desk.connect()
    hand, number = hand_file(desk, client)
    carrying.await_entry(desk)
    hand.stamp(number, WRITING, 100)
    hand.die()
    assert client.state is State.CLOSED
    carrying.let_go()
    assert client.cut()


def test_what_no_client_has_seen_is_made_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Handed on, but the socket has taken none of it."""
    second, first, client = desk.hire(), desk.hire(), desk.connect()
    client.send(GET % b"/")
    request = first.begin()
    first.stamp(request.number, WRITING, 1000)
    monkeypatch.setattr(outbox, "TURN", 0)
    desk.traffic.rest(first.worker, b"HTTP/1.1 200 OK\r\n")
    assert client.connection.download
    first.die()
    assert client.connection.download is None
    monkeypatch.undo()
    assert second.answer(OK).attempt == 2
    assert client.answer() == (200, b"ok")


# Bodies on their way in.


@pytest.mark.parametrize("how", ["reset", "close", "overdue", "abandon"])
def test_the_client_leaves_while_its_body_is_written(desk: Desk, writing: Held, how: str) -> None:
    client = desk.connect()
    client.send(post(3 * INLINE) + bytes(2 * INLINE))
    writing.await_entry(desk)
    leave(desk, client, how)
    assert client.connection.upload, "the thread has its file"
    writing.let_go()
    desk.loop.until(lambda: client.state is State.CLOSED)
    desk.settle()
    assert client.connection.upload is None
    assert desk.loop.disposed == [client.connection]


def test_understanding_a_body_is_no_time_of_its_client(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    client, clock, feed = desk.connect(), 1000.0, Intake.feed

    def at_length(intake: Intake, data: bytes) -> bytes:
        nonlocal clock
        clock += 7
        return feed(intake, data)

    client.send(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
    monkeypatch.setattr(Intake, "feed", at_length)
    monkeypatch.setattr(upload, "time", SimpleNamespace(monotonic=lambda: clock))
    client.send(b"1\r\nx\r\n")
    assert client.connection.deadline == 1000 + 7 + 20


def test_a_disk_that_hangs_does_not_hold_a_body_for_ever(desk: Desk, writing: Held) -> None:
    client = desk.connect()
    client.send(post(3 * INLINE) + bytes(2 * INLINE))
    writing.await_entry(desk)
    assert client.connection.deadline < time.monotonic() + 21
    client.connection.overdue()
    assert client.state is State.CLOSED


def test_what_arrives_while_a_part_is_written_is_read_after_it(desk: Desk, writing: Held) -> None:
    hand, client = desk.hire(), desk.connect()
    body = os.urandom(3 * INLINE)
    client.send(post(len(body)) + body[: 2 * INLINE])
    writing.await_entry(desk)
    client.send(body[2 * INLINE :] + GET % b"/behind")
    assert not hand.has_message()
    writing.let_go()
    desk.loop.until(hand.has_message)
    assert hand.answer(OK).length == len(body)
    desk.loop.until(hand.has_message)
    assert hand.answer(OK).target == b"/behind"
    assert client.receive(2 * len(OK)) == 2 * OK


def test_a_client_that_has_said_all_while_its_body_is_written_is_answered(desk: Desk, writing: Held) -> None:
    hand, client = desk.hire(), desk.connect()
    client.send(post(2 * INLINE) + bytes(2 * INLINE))
    writing.await_entry(desk)
    client.socket.shutdown(socket.SHUT_WR)
    desk.loop.turn()
    writing.let_go()
    desk.loop.until(hand.has_message)
    hand.answer(OK)
    assert client.answer() == (200, b"ok")
    assert client.ended()


@pytest.fixture
def drawing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    holding = Held(Intake.draw)
    monkeypatch.setattr(Intake, "draw", lambda intake, client, directory: holding(intake, client, directory))
    yield holding
    holding.let_go()


def test_a_body_that_comes_fast_goes_straight_to_its_file(desk: Desk, drawing: Held) -> None:
    desk.traffic.apply(desk.traffic.options._replace(max_body_size=1 << 30))
    hand, client = desk.hire(), desk.connect()
    body = os.urandom(40 * INLINE)
    sender = threading.Thread(target=client.socket.sendall, args=(post(len(body)) + body + GET % b"/behind",))
    sender.start()
    drawing.await_entry(desk)
    drawing.let_go()
    desk.loop.until(hand.has_message)
    sender.join(SECONDS)
    exchange = client.connection.exchange
    assert exchange
    assert isinstance(exchange.body, int)
    assert os.pread(exchange.body, len(body) + 1, 0) == body
    hand.answer(OK)
    desk.loop.until(hand.has_message)
    assert hand.answer(OK).target == b"/behind"
    assert client.receive(2 * len(OK)) == 2 * OK


@pytest.mark.parametrize("how", ["reset", "close", "overdue", "abandon"])
def test_the_client_leaves_while_its_body_is_drawn(desk: Desk, drawing: Held, how: str) -> None:
    client = desk.connect()
    client.socket.sendall(post(8 * INLINE) + bytes(2 * INLINE))
    drawing.await_entry(desk)
    leave(desk, client, how)
    assert client.connection not in desk.loop.disposed
    drawing.let_go()
    desk.loop.until(lambda: client.state is State.CLOSED)
    desk.settle()
    assert client.connection.upload is None
    assert desk.loop.disposed == [client.connection]


def test_no_room_while_the_client_goes_on_sending(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(intake: Intake, directory: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Intake, "write", full)
    client = desk.connect()
    client.socket.sendall(post(4 * INLINE) + bytes(2 * INLINE))
    desk.loop.until(lambda: client.state is State.LINGERING)
    assert client.answer()[0] == 507
    assert "spool_full" in desk.journal.names()
