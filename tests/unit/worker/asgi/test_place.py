"""One place of a worker: what an application is told, what becomes of what it says, and what the dispatcher hears."""

import asyncio
import contextlib
import errno
import itertools
import os
import select
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.descriptors import held, opened_since
from tests.unit.worker.conftest import SCOREBOARD, request

from prefork.messages import (
    CLOEXEC_DONTWAIT,
    DONTWAIT,
    END,
    FREE,
    LOG,
    REST,
    SPOOLED,
    Ending,
    Request,
    inbox,
    pack_gone,
    pack_missed,
    pack_request,
    pair,
    receive,
    send,
    unpack_ending,
    unpack_number,
)
from prefork.scoreboard import ALLOWED, BEGUN, BEGUN_AT, DONE, SIZE, WAITING_SINCE, WRITING
from prefork.worker import offload
from prefork.worker.asgi import backlog
from prefork.worker.asgi.place import Place
from prefork.worker.asgi.shared import Shared
from prefork.worker.http import Means
from prefork.worker.offload import Offload
from prefork.worker.output import Output
from prefork.worker.reply import GATHERED, Reply

MIB = 1 << 20
SECOND = 10**9
Event = dict[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
START = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}


class Desk:
    """A place on a loop, and the other ends of what it has: the client's socket and the dispatcher's end of the pair."""

    def __init__(self, directory: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self.slot = SCOREBOARD.slot(7)
        self.slot.clear()
        self.spool = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        self.client, self.theirs = socket.socketpair()
        self.theirs.setblocking(False)
        self.worker, self.dispatcher = pair()
        self.messages: list[bytes] = []
        self.rests = b""
        self.expired: list[str] = []
        self.left = 0

    def serve(self, app: Any, limit: int = 100) -> None:
        self.shared = Shared(
            self.loop, app, {"pool": 1}, Means(self.spool, MIB, Output()), inbox(), limit, itertools.count(1), 0,
            lambda request, seconds, task: self.expired.append(request.request_id), self.no_lodge,
        )  # fmt: skip
        self.place = Place(self.shared, self.worker, self.slot, self.leave)

    def leave(self) -> None:
        self.left += 1

    def no_lodge(self) -> Any:
        raise AssertionError("there is no WebSocket")

    def give(self, asked: Request, *descriptors: int) -> None:
        """Send a request as the dispatcher does. The client's socket stays open here."""
        send(self.dispatcher, pack_request(asked), [self.client.fileno(), *descriptors])

    def turn(self, until: Callable[[], object], *, hearing: bool = True) -> None:
        """Have the loop turn until a fact is there, and hear meanwhile."""

        async def wait() -> None:
            async with asyncio.timeout(10):
                while not until():
                    await asyncio.sleep(0.001)
                    if hearing:
                        self.hear()

        self.loop.run_until_complete(wait())

    def hear(self) -> None:
        while select.select([self.dispatcher], [], [], 0)[0]:
            message, descriptors = receive(self.dispatcher, inbox(), CLOEXEC_DONTWAIT)
            if not message:
                return
            if message[0] == REST:
                self.rests += message[1:]
            elif message[0] == SPOOLED:
                self.rests += os.pread(descriptors[0], 1 << 30, 0)
            else:
                self.messages.append(message)
            for descriptor in descriptors:
                os.close(descriptor)

    def ending(self) -> Ending:
        """What the dispatcher is told at the end of the answer."""
        self.turn(lambda: any(message[0] == END for message in self.messages))
        return unpack_ending(next(message for message in self.messages if message[0] == END))

    def received(self) -> bytes:
        """What the client has got, by either way."""
        data = b""
        try:
            while block := self.theirs.recv(1 << 20):
                data += block
        except BlockingIOError:
            pass
        return data + self.rests

    def ask(self, app: Any, asked: Request | None = None) -> tuple[Ending, bytes]:
        """One request from its beginning to its end."""
        self.serve(app)
        self.give(asked or request())
        return self.ending(), self.received()

    def close(self) -> None:
        self.dispatcher.shutdown(socket.SHUT_RDWR)
        self.turn(lambda: not self.place.hears)
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0))
        if self.shared.watch:
            self.shared.watch.close()
        self.loop.close()
        for end in (self.client, self.theirs, self.worker, self.dispatcher):
            end.close()
        os.close(self.spool)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    before = held()
    desk = Desk(tmp_path)
    yield desk
    desk.close()
    assert not opened_since(before), "descriptors are left open"


async def hello(scope: Event, receive: Receive, send: Send) -> None:
    await send(START)
    await send({"type": "http.response.body", "body": b"hello"})


def of_length(length: int) -> Event:
    return {**START, "headers": [(b"content-length", b"%d" % length)]}


def test_an_answer_and_its_ending(desk: Desk) -> None:
    ending, got = desk.ask(hello)
    head, _, body = got.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Content-Length: 5" in head
    assert body == b"hello"
    assert (ending.number, ending.status, ending.sent, ending.keep, ending.busy) == (9, 200, len(got), True, False)
    assert desk.slot.progress().state == DONE


def test_the_scope(desk: Desk) -> None:
    seen: list[Event] = []

    async def app(scope: Event, receive: Receive, send: Send) -> None:
        seen.append(scope)
        scope["state"]["own"] = True
        await hello(scope, receive, send)

    desk.ask(app, request("POST", b"/a%20b/%C3%A4?q=%20"))
    (scope,) = seen
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/a b/ä", b"/a%20b/%C3%A4", b"q=%20")
    assert scope["headers"] == [(b"host", b"h:8069")]
    assert (scope["client"], scope["server"]) == (("192.0.2.1", 4711), ("127.0.0.1", 8069))
    assert desk.shared.state == {"pool": 1}, "each request has a state of its own"


def test_a_body_that_came_with_the_request(desk: Desk) -> None:
    events: list[Event] = []

    async def app(scope: Event, receive: Receive, send: Send) -> None:
        events.append(await receive())
        await hello(scope, receive, send)
        events.append(await receive())

    desk.ask(app, request("POST", body=b"data"))
    desk.turn(lambda: len(events) == 2)
    assert events == [{"type": "http.request", "body": b"data", "more_body": False}, {"type": "http.disconnect"}]


def test_a_body_that_came_as_a_file_is_given_in_parts(desk: Desk, tmp_path: Path) -> None:
    parts: list[bytes] = []

    async def app(scope: Event, receive: Receive, send: Send) -> None:
        more = True
        while more:
            event = await receive()
            parts.append(event["body"])
            more = event["more_body"]
        await hello(scope, receive, send)

    file = tmp_path / "body"
    file.write_bytes(b"x" * 150_000)
    descriptor = os.open(file, os.O_RDONLY)
    desk.serve(app)
    desk.give(request("POST")._replace(body=None, length=150_000), descriptor)
    os.close(descriptor)
    assert desk.ending().status == 200
    assert [len(part) for part in parts] == [65_536, 65_536, 18_928]


def test_what_the_client_does_not_read_makes_the_application_wait(desk: Desk) -> None:
    sent: list[int] = []

    async def app(scope: Event, receive: Receive, send: Send) -> None:
        await send(START)
        for number in range(64):
            await send({"type": "http.response.body", "body": b"#" * 65_536, "more_body": True})
            sent.append(number)
        await send({"type": "http.response.body"})

    desk.serve(app)
    desk.give(request())
    desk.turn(lambda: desk.slot[WAITING_SINCE], hearing=False)
    assert 0 < len(sent) < 64
    assert desk.ending().status == 200
    assert desk.received().count(b"#") == 64 * 65_536
    assert desk.slot[WAITING_SINCE] == 0


def test_what_cannot_be_said_for_now_is_said_later(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many descriptors were on their way to others: that was taken for the end of the dispatcher, and the answer for lost."""
    refused: list[float] = []

    def refusing(wire: socket.socket, message: bytes, descriptors: tuple[int, ...] = (), flags: int = DONTWAIT) -> None:
        if len(refused) < 3:
            refused.append(time.monotonic())
            raise OSError(errno.ETOOMANYREFS, "Too many references: cannot splice")
        send(wire, message, descriptors, flags)

    async def app(scope: Event, receive: Receive, send: Send) -> None:
        await send(START)
        for _ in range(64):
            await send({"type": "http.response.body", "body": b"#" * 65_536, "more_body": True})
        await send({"type": "http.response.body"})

    desk.serve(app)
    desk.give(request())
    desk.turn(lambda: desk.slot[WAITING_SINCE], hearing=False)
    monkeypatch.setattr(backlog, "send", refusing)
    assert not desk.ending().broken
    assert desk.received().count(b"#") == 64 * 65_536
    assert refused[2] - refused[0] >= 2 * backlog.PAUSE * 0.9, "a pair that has room says so without end"


@pytest.mark.parametrize("headers", [[], [(b"content-length", b"140001")]], ids=["chunked", "announced"])
def test_large_parts_of_the_same_moment_are_sent_together(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, headers: list[tuple[bytes, bytes]]
) -> None:
    sends: list[int] = []
    push = Reply._push
    monkeypatch.setattr(Reply, "_push", lambda reply, parts, size: (sends.append(size), push(reply, parts, size))[1])

    async def app(scope: Event, receive: Receive, send: Send) -> None:
        await send({**START, "headers": headers})
        for number in range(7):
            await send({"type": "http.response.body", "body": b"%d" % number * 20_000, "more_body": True})
        await send({"type": "http.response.body", "body": b"7", "more_body": True})
        await send({"type": "http.response.body"})

    ending, data = desk.ask(app)
    assert ending.sent == len(data)
    _, _, body = data.partition(b"\r\n\r\n")
    if headers:
        assert body == b"".join(b"%d" % number * 20_000 for number in range(7)) + b"7"
    else:
        assert body == b"".join(b"4e20\r\n%b\r\n" % (b"%d" % number * 20_000) for number in range(7)) + b"1\r\n7\r\n0\r\n\r\n"
    assert sends[0] in range(20_000, 20_000 + 1000), "nobody waits for the beginning"
    assert len(sends) == 2 + (not headers), "the rest is sent with the first small part"


def test_what_is_held_back_is_bounded_and_waits_for_nothing_else(desk: Desk) -> None:
    events: list[Event] = []
    buffer = bytearray(b"#" * 20_000)

    async def app(scope: Event, receive: Receive, send: Send) -> None:
        await receive()
        await send(START)
        for _ in range(3):
            await send({"type": "http.response.body", "body": buffer, "more_body": True})
        buffer[:] = b"-" * 20_000
        assert desk.theirs.recv(100_000).count(b"#") == 20_000, "two of them are held"
        for _ in range(GATHERED // 20_000):
            await send({"type": "http.response.body", "body": buffer, "more_body": True})
        assert desk.theirs.recv(60_000).count(b"#") == 40_000, "no more than that are"
        events.append(await receive())

    desk.serve(app)
    desk.give(request())
    data = b""

    def all_there() -> bool:
        nonlocal data
        desk.hear()
        try:
            data += desk.theirs.recv(MIB)
        except BlockingIOError:
            pass
        return (data + desk.rests).count(b"-") >= GATHERED // 20_000 * 20_000 - 20_000

    desk.turn(all_there)
    assert not events
    send(desk.dispatcher, pack_gone(request().number))
    desk.ending()


def test_what_is_sent_last_is_spooled(desk: Desk) -> None:
    done: list[bool] = []

    async def app(scope: Event, receive: Receive, send: Send) -> None:
        await send(START)
        await send({"type": "http.response.body", "body": b"#" * MIB})
        done.append(True)

    desk.serve(app)
    desk.give(request())
    desk.turn(lambda: done, hearing=False)
    assert desk.ending().status == 200
    assert desk.received().count(b"#") == MIB


def test_a_client_that_has_left_is_told_of(desk: Desk) -> None:
    events: list[Event] = []

    async def app(scope: Event, receive: Receive, send: Send) -> None:
        await receive()
        events.append(await receive())

    desk.serve(app)
    desk.give(request())
    desk.turn(lambda: desk.slot.progress().state == BEGUN)
    send(desk.dispatcher, pack_gone(request().number))
    desk.ending()
    assert events == [{"type": "http.disconnect"}]


def test_a_body_that_is_here_is_given_before_its_client_is_told_to_have_left(desk: Desk) -> None:
    """Who sends and leaves wants what it has sent to be done."""
    events: list[Event] = []
    go_on = asyncio.Event()

    async def app(scope: Event, receive: Receive, send: Send) -> None:
        await go_on.wait()
        events.extend([await receive(), await receive()])

    desk.serve(app)
    desk.give(request("POST", body=b"data"))
    desk.turn(lambda: desk.place.call)
    send(desk.dispatcher, pack_gone(request().number))
    desk.turn(lambda: desk.place.call and desk.place.call.left)
    desk.loop.call_soon(go_on.set)
    desk.ending()
    assert events == [{"type": "http.request", "body": b"data", "more_body": False}, {"type": "http.disconnect"}]


def test_sending_to_a_client_that_has_left_raises(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    async def app(scope: Event, receive: Receive, send: Send) -> None:
        await send(START)
        for _ in range(100):
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
        raise AssertionError("nobody said that the client has left")

    desk.theirs.close()
    desk.serve(app)
    desk.give(request())
    assert not desk.ending().keep
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 304)])
def test_who_says_a_body_that_is_never_sent_may_say_all_that_it_has_announced(desk: Desk, method: str, status: int) -> None:
    """A framework that does not know what HEAD wants: it was told that its client had left, and so did not do what came behind."""
    done: list[bool] = []

    async def app(scope: Event, receive: Receive, send: Send) -> None:
        await send({**of_length(6), "status": status})
        for part in (b"abc", b"def", b""):
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body"})
        done.append(True)

    ending, got = desk.ask(app, request(method))
    assert got.endswith(b"\r\n\r\n")
    assert (done, ending.status, ending.keep, ending.broken) == ([True], status, True, False)


@pytest.mark.parametrize("length", [0, 6])
def test_who_sends_all_that_it_has_announced_goes_on(desk: Desk, length: int) -> None:
    done: list[bool] = []

    async def app(scope: Event, receive: Receive, send: Send) -> None:
        await send(of_length(length))
        for _ in range(2):
            await send({"type": "http.response.body", "body": b"abc"[: length // 2], "more_body": True})
        await send({"type": "http.response.body"})
        done.append(True)

    ending, got = desk.ask(app)
    assert got.endswith(b"\r\n\r\n" + b"abcabc"[:length])
    assert (done, ending.status, ending.keep) == ([True], 200, True)


@pytest.mark.parametrize(("method", "told"), [("GET", 1), ("HEAD", 0)])
def test_who_sends_what_nobody_gets_hears_so(desk: Desk, capsys: pytest.CaptureFixture[str], method: str, told: int) -> None:
    async def app(scope: Event, receive: Receive, send: Send) -> None:
        await send(of_length(3))
        while True:
            await send({"type": "http.response.body", "body": b"ab", "more_body": True})

    ending, got = desk.ask(app, request(method))
    assert got.endswith(b"\r\n\r\n" + b"aba" * told)
    assert (ending.status, ending.keep, ending.broken) == (200, True, False), "by all that its client can know it is whole"
    said = capsys.readouterr().err.splitlines()
    assert len(said) == told, "what is sent to HEAD is no mistake"
    assert all(line.startswith("prefork: GET / (abc-7) is cut in worker ") for line in said)
    assert all("more bytes than the application has announced" in line for line in said)


def test_what_is_cancelled_before_its_first_step_ends_all_the_same(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """Its place was never free again, and its client without an answer."""
    desk.serve(hello)
    desk.shared.eager = False
    desk.shared.begin = desk.loop.create_task
    desk.give(request())

    async def cancel() -> None:
        desk.place.hear()
        assert desk.place.task
        desk.place.task.cancel()

    desk.loop.run_until_complete(cancel())
    assert desk.ending().status == 500
    assert desk.place.free
    assert "CancelledError" in capsys.readouterr().err


def test_a_cancellation_that_nobody_here_has_wished_is_told_of(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    async def app(scope: Event, receive: Receive, send: Send) -> None:
        waiting = asyncio.ensure_future(asyncio.sleep(60))
        asyncio.get_running_loop().call_soon(waiting.cancel)
        await waiting

    ending, got = desk.ask(app)
    assert got.startswith(b"HTTP/1.1 500 ")
    assert ending.status == 500
    assert "CancelledError" in capsys.readouterr().err


def test_one_that_follows_from_the_clients_leaving_is_not(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    async def app(scope: Event, receive: Receive, send: Send) -> None:
        await receive()
        await receive()
        raise asyncio.CancelledError

    desk.serve(app)
    desk.give(request())
    desk.turn(lambda: desk.slot.progress().state == BEGUN)
    send(desk.dispatcher, pack_gone(request().number))
    desk.ending()
    assert capsys.readouterr().err == ""


def test_a_file_that_opens_too_late_is_no_part_of_another_answer(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, opened = tmp_path / "slow", os.open
    slow.write_bytes(b"late")
    gate, go_on = threading.Event(), asyncio.Event()
    sending: list[asyncio.Task[None]] = []

    def open_late(path: Any, *flags: int, **more: Any) -> int:
        assert path != str(slow) or gate.wait(10)
        return opened(path, *flags, **more)

    async def app(scope: Event, receive: Receive, send: Send) -> None:
        await send(START)
        if not sending:
            sending.append(asyncio.ensure_future(send({"type": "http.response.pathsend", "path": str(slow)})))
            await asyncio.sleep(0)
            return
        await go_on.wait()
        await send({"type": "http.response.body", "body": b"hello"})

    monkeypatch.setattr(os, "open", open_late)
    ending, got = desk.ask(app)
    assert (ending.status, got[:13]) == (500, b"HTTP/1.1 500 ")
    desk.messages.clear()
    desk.give(request())
    desk.turn(lambda: desk.slot.progress().state == BEGUN)
    gate.set()
    desk.turn(sending[0].done)
    desk.turn(lambda: asyncio.current_task())
    assert not desk.messages, "the other one goes on"
    with pytest.raises(RuntimeError, match="before the file was open"):
        sending[0].result()
    desk.loop.call_soon(go_on.set)
    assert desk.ending().status == 200
    assert desk.received().endswith(b"hello")


def test_a_file_that_is_named_is_opened_where_a_disk_may_hang(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With X-Sendfile a disk that hung held up all requests of the loop."""
    gate, began, sent = threading.Event(), threading.Event(), []
    open_below = offload.open_below

    def hangs(root: str, path: str) -> Any:
        began.set()
        assert gate.wait(10)
        return open_below(root, path)

    async def app(scope: Event, receive: Receive, send: Send) -> None:
        await send({**START, "headers": [(b"x-sendfile", os.fsencode(tmp_path / scope["path"][1:]))]})
        await send({"type": "http.response.body", "body": b"instead"})
        sent.append(scope["path"])

    (tmp_path / "small").write_bytes(b"of the file")
    desk.serve(app)
    desk.place.offload = Offload((str(tmp_path),), ())
    monkeypatch.setattr(offload, "open_below", hangs)
    desk.give(request(target=b"/small"))
    desk.turn(began.is_set)
    turns: list[int] = []
    desk.loop.call_soon(turns.append, 1)
    desk.turn(lambda: turns)
    assert (sent, desk.received()) == ([], b"")
    gate.set()
    assert desk.ending().status == 200
    assert desk.received().endswith(b"\r\n\r\nof the file")
    desk.messages.clear()
    desk.give(request(target=b"/missing"))
    assert desk.ending().status == 404


def test_a_file_that_is_named_and_opens_for_nobody_is_closed(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, began = threading.Event(), threading.Event()
    open_below = offload.open_below

    def hangs(root: str, path: str) -> Any:
        began.set()
        assert gate.wait(10)
        return open_below(root, path)

    async def app(scope: Event, receive: Receive, send: Send) -> None:
        await send({**START, "headers": [(b"x-sendfile", os.fsencode(tmp_path / "small"))]})
        sending = asyncio.ensure_future(send({"type": "http.response.body"}))
        while not began.is_set():  # noqa: ASYNC110 - a thread sets it
            await asyncio.sleep(0.001)
        sending.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sending
        gate.set()

    (tmp_path / "small").write_bytes(b"of the file")
    desk.serve(app)
    desk.place.offload = Offload((str(tmp_path),), ())
    monkeypatch.setattr(offload, "open_below", hangs)
    desk.give(request())
    assert desk.ending().status == 500
    desk.loop.run_until_complete(desk.loop.shutdown_default_executor())


def test_what_an_application_does_after_its_answer_keeps_its_place_only(desk: Desk) -> None:
    go_on = asyncio.Event()

    async def app(scope: Event, receive: Receive, send: Send) -> None:
        await hello(scope, receive, send)
        await go_on.wait()

    ending, _ = desk.ask(app)
    assert ending.busy
    assert desk.slot.progress().state == WRITING, "who looks sees that it is busy"
    assert not any(message[0] == FREE for message in desk.messages)
    desk.loop.call_soon(go_on.set)
    desk.turn(lambda: any(message[0] == FREE for message in desk.messages))
    assert unpack_number(desk.messages[-1]) == 9
    assert desk.slot.progress().state == DONE


@pytest.mark.parametrize(
    ("events", "problem"),
    [
        ([{"type": "http.response.body"}], "before http.response.start"),
        ([START, START], "twice"),
        ([{**START, "trailers": True}], "trailers"),
        ([{"type": "websocket.accept"}], "no event of an answer"),
        ([{**START, "headers": [(b"x", b"a\r\nb: c")]}, {"type": "http.response.body"}], "forge"),
        ([{"type": "http.response.early_hint", "links": [b"</a>\r\nb: c"]}], "forge"),
        ([], "before the end of its answer"),
    ],
)
def test_what_may_not_be_said_is_a_500_with_a_traceback(
    desk: Desk, capsys: pytest.CaptureFixture[str], events: list[Event], problem: str
) -> None:
    async def app(scope: Event, receive: Receive, send: Send) -> None:
        for event in events:
            await send(event)

    ending, got = desk.ask(app)
    assert ending.status == 500
    assert got.startswith(b"HTTP/1.1 500 ")
    assert problem in capsys.readouterr().err


def test_an_event_after_the_end_is_told_of_and_changes_nothing(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    async def app(scope: Event, receive: Receive, send: Send) -> None:
        await hello(scope, receive, send)
        await send({"type": "http.response.body", "body": b"more"})

    ending, got = desk.ask(app)
    assert (ending.status, ending.broken) == (200, False)
    assert got.endswith(b"hello")
    assert "after the end of its answer" in capsys.readouterr().err


def test_a_half_answer_is_broken(desk: Desk) -> None:
    async def app(scope: Event, receive: Receive, send: Send) -> None:
        await send(START)
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise SystemExit(1)

    ending, _ = desk.ask(app)
    assert (ending.broken, ending.keep) == (True, False)


def test_of_a_half_answer_its_client_gets_what_was_sent(desk: Desk) -> None:
    async def app(scope: Event, receive: Receive, send: Send) -> None:
        await send(START)
        for _ in range(3):
            await send({"type": "http.response.body", "body": b"#" * 20_000, "more_body": True})
        raise SystemExit(1)

    ending, data = desk.ask(app)
    assert ending.broken
    assert ending.sent == len(data)
    assert data.count(b"#") == 60_000


def test_what_takes_too_long_is_cancelled(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    async def app(scope: Event, receive: Receive, send: Send) -> None:
        await asyncio.sleep(60)

    desk.serve(app)
    desk.slot[ALLOWED] = 1_000_000
    desk.give(request())
    desk.turn(lambda: desk.slot.progress().state == BEGUN)
    desk.place.look(desk.place.begun_at + 1_000_000)
    assert desk.expired == [], "not before its time is over"
    desk.place.look(desk.place.begun_at + 1_000_001)
    desk.place.look(desk.place.begun_at + 2_000_000)
    assert desk.expired == ["abc-7"], "once"
    assert desk.ending().status == 504
    assert capsys.readouterr().err == ""


def test_no_time_passes_while_its_client_has_yet_to_read(desk: Desk) -> None:
    sent: list[bool] = []

    async def app(scope: Event, receive: Receive, send: Send) -> None:
        await send(START)
        for _ in range(64):
            await send({"type": "http.response.body", "body": b"#" * 65_536, "more_body": True})
        sent.append(True)
        await asyncio.sleep(60)

    desk.serve(app)
    desk.slot[ALLOWED] = SECOND
    desk.give(request())
    desk.turn(lambda: desk.slot[WAITING_SINCE], hearing=False)
    now = time.monotonic_ns()
    for seconds in range(100):
        desk.place.look(now + seconds * SECOND)
    assert desk.expired == []
    assert desk.slot[BEGUN_AT] > now + 98 * SECOND, "for who kills workers, neither"
    desk.turn(lambda: sent)
    desk.place.look(now + 200 * SECOND)
    assert desk.expired == ["abc-7"], "all other time is the application's"
    assert desk.ending().broken


def test_a_file_that_was_opened_for_nobody_is_closed(desk: Desk, tmp_path: Path) -> None:
    """Who sends it is told to end while a thread opens it, which no thread can be told."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    async def app(scope: Event, receive: Receive, send: Send) -> None:
        await send(START)
        sending = asyncio.ensure_future(send({"type": "http.response.pathsend", "path": str(pipe)}))
        writing = -1
        while writing < 0:  # until somebody is about to read it, whose opening ends with ours
            await asyncio.sleep(0.001)
            with contextlib.suppress(OSError):
                writing = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        sending.cancel()
        await asyncio.wait([sending])
        os.close(writing)
        await send({"type": "http.response.body", "body": b"none"})

    assert desk.ask(app)[1].endswith(b"none")
    desk.turn(lambda: str(pipe) not in {os.path.realpath(f"/proc/self/fd/{number}") for number in held()})


def test_a_request_that_no_descriptor_is_left_for_is_left_to_others(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.serve(hello)
    with open(os.devnull) as file:  # more of them than there is room for, which is the same to who receives them
        for message in (pack_request(request()), LOG, pack_request(request())):
            send(desk.dispatcher, message, [file.fileno()] * 8)
        desk.turn(lambda: len(desk.messages) == 2)
    assert desk.messages == [pack_missed(9)] * 2
    assert capsys.readouterr().err.count("none for a request") == 1
    desk.messages.clear()
    desk.give(request())
    assert desk.ending().status == 200, "it goes on"


def test_after_its_last_request_it_asks_for_a_replacement(desk: Desk) -> None:
    desk.serve(hello, limit=2)
    for expected in (False, True):
        desk.messages.clear()
        desk.give(request())
        assert desk.ending().worn is expected


def test_it_leaves_when_the_pair_is_closed_and_its_request_done(desk: Desk) -> None:
    go_on = asyncio.Event()

    async def app(scope: Event, receive: Receive, send: Send) -> None:
        await go_on.wait()
        await hello(scope, receive, send)

    desk.serve(app)
    desk.give(request())
    desk.turn(lambda: desk.slot.progress().state == BEGUN)
    desk.dispatcher.shutdown(socket.SHUT_RDWR)
    desk.turn(lambda: not desk.place.hears)
    assert desk.left == 0
    desk.loop.call_soon(go_on.set)
    desk.turn(lambda: desk.left)
    assert desk.received().endswith(b"hello"), "the client has its answer all the same"


@pytest.mark.parametrize("reads", [True, False])
def test_the_slot_says_whether_the_next_request_is_what_comes_next(desk: Desk, reads: bool) -> None:
    """Where it dies between its answer and the word of its end, nobody else knows whether the body is read."""
    seen = []

    async def app(_scope: Event, receive: Receive, send: Send) -> None:
        while reads and (await receive())["more_body"]:
            pass
        await send(of_length(2))
        await send({"type": "http.response.body", "body": b"ok", "more_body": True})
        seen.append(desk.slot.progress())
        await send({"type": "http.response.body"})

    desk.theirs.sendall(b"cd")
    ending, _ = desk.ask(app, request(body=b"ab")._replace(length=4, inflow=(2, MIB, 5.0, False)))
    assert [(each.state, each.whole, each.keep) for each in seen] == [(WRITING, True, reads)]
    assert ending.keep, "what has come by its end is thrown away"


@pytest.mark.parametrize("waits", [True, False])
def test_behind_its_answer_no_part_of_a_body_is_taken_for_its_end(desk: Desk, waits: bool) -> None:
    """What nobody wanted was thrown away: the application was told that what it had was all."""
    events: list[Event] = []

    async def app(_scope: Event, receive: Receive, send: Send) -> None:
        events.append(await receive())
        waiting = asyncio.ensure_future(receive()) if waits else None
        await asyncio.sleep(0)
        desk.theirs.sendall(b"cd")
        await send(of_length(2))
        await send({"type": "http.response.body", "body": b"ok"})
        events.append(await (waiting or receive()))

    desk.ask(app, request("POST", body=b"ab")._replace(length=4, inflow=(2, MIB, 5.0, False)))
    desk.turn(lambda: len(events) == 2)
    assert events == [{"type": "http.request", "body": b"ab", "more_body": True}, {"type": "http.disconnect"}]


@pytest.mark.parametrize("length", [None, 4])
def test_behind_the_last_byte_it_says_that_it_was_the_last(desk: Desk, length: int | None) -> None:
    """However long the application goes on: where it dies meanwhile, nothing has happened to its client."""
    seen = []

    async def app(_scope: Event, _receive: Receive, send: Send) -> None:
        await send(of_length(length) if length else START)
        await send({"type": "http.response.body", "body": b"ab", "more_body": True})
        seen.append((desk.slot.progress(), False))
        await send({"type": "http.response.body", "body": b"cd"})
        assert desk.place.call
        seen.append((desk.slot.progress(), desk.place.call.reply.sent == desk.slot[SIZE]))

    assert desk.ask(app)[0].status == 200
    assert [(each.state, each.whole, size) for each, size in seen] == [(WRITING, False, False), (WRITING, True, True)]


def test_behind_hints_it_says_how_long_they_are_and_no_status(desk: Desk) -> None:
    """Where it dies before its answer another one may follow them."""
    seen = []

    async def app(scope: Event, receive: Receive, send: Send) -> None:
        for link in (b"</a>", b"</b>"):
            await send({"type": "http.response.early_hint", "links": [link]})
            assert desk.place.call
            seen.append((desk.slot.progress(), desk.slot[SIZE] == desk.place.call.reply.sent > 0))
        await hello(scope, receive, send)

    assert desk.ask(app)[0].status == 200
    assert [(each.state, each.status, each.whole, size) for each, size in seen] == [(WRITING, 0, False, True)] * 2
