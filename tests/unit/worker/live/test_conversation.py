"""WebSockets of an application: who comes too early, who speaks too fast, who does not wait for an answer."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import socket
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from prefork.messages import CONVERSATION, Ending, inbox, receive, unpack_ending
from prefork.scoreboard import OPEN
from prefork.worker.live import websocket
from prefork.worker.live.conversation import MOST_UNREAD

from .conftest import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from .conftest import Station

    Make = Callable[..., Station]
    Receive = Callable[[], Awaitable[dict[str, Any]]]
    Send = Callable[[dict[str, Any]], Awaitable[None]]


class Application:
    """Accepts when it may (`answer`), reads when it may (`read`), and keeps what it has heard."""

    def __init__(self) -> None:
        self.asked, self.answer, self.read, self.over = (asyncio.Event() for _ in range(4))
        self.heard: list[Any] = []

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            return
        await receive()
        self.asked.set()
        await self.answer.wait()
        try:
            await send({"type": "websocket.accept"})
            await self.read.wait()
            while (event := await receive())["type"] == "websocket.receive":
                self.heard.append(event.get("text"))
            self.heard.append(event["code"])
        finally:
            self.over.set()


def ask(worker: Station, more: Sequence[tuple[bytes, bytes]] = ()) -> socket.socket:
    """A client that has sent its handshake."""
    mine, its = socket.socketpair()
    mine.settimeout(15)
    key = base64.b64encode(os.urandom(16))
    wanted = [(b"upgrade", b"websocket"), (b"connection", b"Upgrade"), (b"sec-websocket-version", b"13")]
    headers = [(b"host", b"shop.example"), *wanted, (b"sec-websocket-key", key), *more]
    worker.hand_over(worker.request("GET", "/chat", headers), its, CONVERSATION)
    return mine


def text(said: bytes) -> bytes:
    """A frame, masked with nothing."""
    return frame(said, 0x81)


def frame(data: bytes, first: int) -> bytes:
    """One with this first byte."""
    size = bytes((0x80 | len(data),)) if len(data) < 126 else b"\xff" + len(data).to_bytes(8, "big")
    return bytes((first,)) + size + bytes(4) + data


def wait(worker: Station, event: asyncio.Event) -> None:
    asyncio.run_coroutine_threadsafe(event.wait(), worker.loop).result(15)


def ending(worker: Station) -> Ending:
    """What the dispatcher is told of the request, behind that the worker has it."""
    buffer = inbox()
    receive(worker.ours, buffer)
    return unpack_ending(receive(worker.ours, buffer)[0])


def test_a_client_that_does_not_wait_for_an_answer_is_forgotten(station: Make) -> None:
    app = Application()
    worker = station(app=app)
    client = ask(worker)
    wait(worker, app.asked)
    client.close()
    assert ending(worker).status == 0, "nothing for the access log, and the dispatcher lets go of it"
    worker.call(app.answer.set)
    wait(worker, app.over)
    assert app.heard == [], "it could not accept"


def test_what_comes_before_the_answer_is_heard_behind_it(station: Make) -> None:
    app = Application()
    worker = station(app=app)
    with ask(worker) as client:
        frames = [text(b"%04d" % number + b"x" * 100) for number in range(400)]
        wait(worker, app.asked)
        client.sendall(b"".join(frames[:300]))
        worker.call(app.answer.set)
        assert b" 101 " in client.recv(4096)
        client.sendall(b"".join(frames[300:]))
        worker.call(app.read.set)
        client.shutdown(socket.SHUT_WR)
        wait(worker, app.over)
    assert [heard[:4] for heard in app.heard[:-1]] == [f"{number:04d}" for number in range(400)]
    assert app.heard[-1] == 1006


def test_a_client_that_speaks_faster_than_it_is_heard_has_to_wait(station: Make) -> None:
    app = Application()
    worker = station(app=app)
    with ask(worker) as client:
        worker.call(app.answer.set)
        assert b" 101 " in client.recv(4096)
        client.settimeout(0.3)
        sent = 0
        try:
            while sent < 64 << 20:
                sent += client.send(text(b"x" * 120) * 100)
        except TimeoutError:
            pass
        assert sent < 64 << 20, "it was read from for ever"
        worker.call(app.read.set)
        client.close()
        wait(worker, app.over)
    assert len(app.heard) > 32


def test_a_handshake_that_waits_is_answered_before_the_worker_leaves(station: Make) -> None:
    app = Application()
    worker = station(app=app)
    with ask(worker) as client:
        wait(worker, app.asked)
        worker.leave()
        worker.call(app.answer.set)
        worker.call(app.read.set)
        said = b"".join(iter(lambda: client.recv(4096), b""))
    head, _, rest = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    assert rest[:4] == b"\x88\x0f" + (1012).to_bytes(2, "big")
    worker.thread.join(15)
    assert app.heard == [1012]


def test_one_that_is_not_answered_in_time_is_refused_when_the_worker_leaves(station: Make) -> None:
    app = Application()
    worker = station(app=app)
    worker.keeper.patience = 0.05
    with ask(worker) as client:
        wait(worker, app.asked)
        worker.leave()
        assert client.recv(4096).startswith(b"HTTP/1.1 503 ")
    worker.call(app.answer.set)


async def echo(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Every message comes back."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (event := await receive())["type"] == "websocket.receive":
            await send({**event, "type": "websocket.send"})


def compressed(worker: Station, offer: str) -> tuple[socket.socket, bytes]:
    """A client that offers to compress, and the head of its answer."""
    client = ask(worker, [(b"sec-websocket-extensions", offer.encode())])
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += client.recv(1)
    return client, head


def test_messages_are_compressed_each_by_itself_where_the_client_offers_it(station: Make) -> None:
    worker = station(app=echo, compression=True, message_max=100_000)
    client, head = compressed(worker, "permessage-deflate; client_max_window_bits")
    assert b"permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12" in head
    packed = zlib.compressobj(wbits=-15)
    sent = packed.compress(b"x" * 90_000) + packed.flush(zlib.Z_SYNC_FLUSH)
    with client:
        for _ in range(2):
            client.sendall(frame(sent[:-4], 0xC1))
            first, size = client.recv(2, socket.MSG_WAITALL)
            assert first == 0xC1, "compressed"
            assert size < 126
            answer = client.recv(size, socket.MSG_WAITALL)
            assert zlib.decompressobj(wbits=-12).decompress(answer) == b"x" * 90_000
        client.sendall(text(b"plain"))
        assert client.recv(1) == b"\xc1"


def test_what_is_too_large_when_it_is_unpacked_ends_the_connection(station: Make) -> None:
    worker = station(app=echo, compression=True, message_max=1000)
    client, _ = compressed(worker, "permessage-deflate")
    packed = zlib.compressobj(wbits=-15)
    with client:
        client.sendall(frame((packed.compress(bytes(1 << 24)) + packed.flush(zlib.Z_SYNC_FLUSH))[:-4], 0xC1))
        assert client.recv(4, socket.MSG_WAITALL)[2:] == (1009).to_bytes(2, "big")


def test_without_the_option_nothing_is_compressed(station: Make) -> None:
    client, head = compressed(station(app=echo), "permessage-deflate")
    client.close()
    assert b"permessage-deflate" not in head


async def endless(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Speaks, and never listens."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        while True:
            await send({"type": "websocket.send", "text": "x" * 1000})
            await asyncio.sleep(0.001)


def guest(worker: Station) -> Any:
    """The only connection."""
    (found,) = worker.keeper.guests
    return found


def test_who_never_listens_is_told_all_the_same_that_its_client_has_left(station: Make, capsys: pytest.CaptureFixture[str]) -> None:
    worker = station(app=endless)
    with ask(worker) as client:
        client.sendall(text(b"x") * 100)
        while client.recv(4096) and not guest(worker).paused:
            pass
    while worker.slot[OPEN]:
        worker.call(lambda: None)
    assert capsys.readouterr().err == ""


async def wraps(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Makes an exception of its own of that the client has left, as frameworks do."""
    try:
        await endless(scope, receive, send)
    except OSError as error:
        raise LookupError("the client has left") from error


def test_nobody_complains_of_a_client_that_has_left(station: Make, capsys: pytest.CaptureFixture[str]) -> None:
    worker = station(app=wraps)
    ask(worker).close()
    while worker.keeper.taken == 0 or (worker.keeper.hosted and worker.keeper.hosted.tasks):
        worker.call(lambda: None)
    assert capsys.readouterr().err == ""


async def cancelled(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Waits for what somebody else cancels."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        waiting = asyncio.ensure_future(asyncio.sleep(60))
        asyncio.get_running_loop().call_soon(waiting.cancel)
        await waiting


def test_a_cancellation_that_nobody_here_has_wished_is_told_of(station: Make, capsys: pytest.CaptureFixture[str]) -> None:
    worker = station(app=cancelled)
    with ask(worker) as client:
        while (1011).to_bytes(2, "big") not in client.recv(4096):
            pass
    assert "CancelledError" in capsys.readouterr().err


@pytest.mark.parametrize("ended", [False, True], ids=["open", "ended"])
def test_who_asks_and_does_not_read_the_answers_is_let_go(station: Make, ended: bool) -> None:
    worker = station(app=echo)
    pings, most = frame(b"x" * 125, 0x89) * 100, 0
    with ask(worker) as client, contextlib.suppress(OSError):
        assert b" 101 " in client.recv(4096)
        conversation = guest(worker)
        if ended:
            worker.call(conversation.end, 1000, "", "")
        while worker.slot[OPEN] and conversation.ending is ended:
            client.sendall(pings)
            most = max(most, len(conversation.wire.waiting))
    assert most < worker.keeper.terms.send_queue + 65_536
    assert [word["code"] for word in worker.told] == ([] if ended else [1008])


def exactly(client: socket.socket, size: int) -> bytes:
    """So many bytes of what the client gets."""
    data = b""
    while len(data) < size:
        data += client.recv(size - len(data))
    return data


def closed_with(client: socket.socket) -> int:
    """The code that a connection is closed with, whatever comes before."""
    said = b"".join(iter(lambda: client.recv(65536), b""))
    return int.from_bytes(said.rpartition(b"\x88")[2][1:3], "big")


PING, PONG, CRUMB = frame(b"", 0x89), frame(b"", 0x8A), frame(b"x", 0x00)


@pytest.mark.parametrize("crumb", [PING, PONG, CRUMB], ids=["pings", "pongs", "fragments"])
def test_frames_that_bring_no_message_are_counted(station: Make, crumb: bytes) -> None:
    worker = station(app=echo, rate=20.0)
    with ask(worker) as client:
        client.sendall(frame(b"x", 0x01) + crumb * 39)
        assert b" 101 " in client.recv(4096)
        client.sendall(crumb * 200)
        assert closed_with(client) == 1008
    assert [(word["code"], word["reason"]) for word in worker.told] == [
        (1008, "too many frames without a message (websocket_rate)")
    ]


def test_messages_are_not_and_neither_are_large_fragments(station: Make) -> None:
    """Who does not want to hear so many does not receive them, and a fragment is as good as a message of its size."""
    worker = station(app=echo, rate=20.0, message_max=100_000, send_queue=100_000)
    with ask(worker) as client:
        client.sendall(text(b"x") * 1000)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += client.recv(1)
        assert exactly(client, 3000) == b"\x81\x01x" * 1000
        client.sendall(frame(b"y" * 64, 0x01) + frame(b"y" * 64, 0x00) * 200 + frame(b"", 0x80))
        assert exactly(client, 4 + 201 * 64)[4:] == b"y" * 201 * 64
    assert worker.told == []


def test_where_there_is_no_rate_nothing_is_counted(station: Make) -> None:
    worker = station(app=echo, rate=0.0)
    with ask(worker) as client:
        client.sendall(PONG * 1000 + text(b"x"))
        head = b""
        while not head.endswith(b"\x81\x01x"):
            head += client.recv(1)
    assert worker.told == []


def test_who_takes_many_small_messages_lets_others_have_their_turn(station: Make) -> None:
    seen: list[int] = []

    async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        turns = 0

        async def turn() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        if scope["type"] != "websocket":
            return
        await receive()
        await send({"type": "websocket.accept"})
        turning = asyncio.ensure_future(turn())
        while (await receive())["type"] == "websocket.receive":
            seen.append(turns)
        turning.cancel()

    worker = station(app=app)
    with ask(worker) as client:
        client.sendall(text(b"x") * 2000)
        while len(seen) < 2000:
            worker.call(lambda: None)
    assert max(map(seen.count, set(seen))) <= MOST_UNREAD + 1, "messages in one turn"


async def pours(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Says much at once, and nothing more."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "bytes": b"x" * (4 << 20)})
        await receive()


def test_who_reads_a_large_message_slowly_is_there(station: Make) -> None:
    """Its answer to a ping comes when it has read what is before that."""
    worker = station(app=pours, ping=1000.0)
    with ask(worker) as client:
        assert b" 101 " in client.recv(100)
        conversation = guest(worker)
        for _ in range(4):
            worker.call(conversation.look)
            exactly(client, 1 << 19)
            until(lambda: conversation.wire.moved)
        assert conversation.open
        for _ in range(3):
            worker.call(conversation.look)
        assert conversation.wire.closed, "who does not read is not"
    assert [word["code"] for word in worker.told] == [1011]


def test_a_denial_that_stalls_holds_up_no_worker_that_leaves(station: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.http.response.start", "status": 403, "headers": []})
            await send({"type": "websocket.http.response.body", "body": b"no", "more_body": True})
            await asyncio.sleep(600)

    monkeypatch.setattr(websocket, "ANSWER_WITHIN", 0.1)
    worker = station(app=app)
    with ask(worker) as client:
        assert b" 403 " in client.recv(4096)
        worker.leave()
        worker.thread.join(15)
        assert not worker.thread.is_alive()


def test_who_is_not_read_from_is_when_the_connection_ends(station: Make) -> None:
    """Its close frame was not seen: the connection stayed for as long as it may, and was broken then."""
    close = asyncio.Event()

    async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await close.wait()
            await send({"type": "websocket.close"})

    worker = station(app=app)
    with ask(worker) as client:
        assert b" 101 " in client.recv(4096)
        conversation = guest(worker)
        client.sendall(text(b"x") * (MOST_UNREAD + 8))
        until(lambda: conversation.paused)
        client.sendall(text(b"x") * 8)
        worker.call(close.set)
        assert client.recv(4096)[:1] == b"\x88"
        client.sendall(frame((1000).to_bytes(2, "big"), 0x88))
        client.settimeout(websocket.ANSWER_WITHIN / 2)
        assert client.recv(4096) == b""
