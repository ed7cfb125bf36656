"""Large bodies of requests to an ASGI application, which reads them while they come."""

import hashlib
import json
import select
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prefork.testing import Server

from .conftest import Echo
from .wire import Answer, Gate, Wire, request, until

MIB = 1 << 20
APP = "looped:app"
LARGE = bytes(range(256)) * (4 * MIB // 256)


@pytest.fixture(scope="module")
def server(echo: Echo) -> Any:
    with echo(APP, workers=1, concurrency=4, max_body_size="64M") as server:
        yield server


def put(target: str, length: int, **headers: str) -> bytes:
    """The head of a request with a body."""
    return request("PUT", target, Content_Length=str(length), **headers)


def chunked(target: str) -> bytes:
    return request("PUT", target, Transfer_Encoding="chunked")


def chunks(data: bytes, size: int) -> bytes:
    """A body in chunks of this size, without its end."""
    return b"".join(b"%x\r\n%b\r\n" % (len(data[at : at + size]), data[at : at + size]) for at in range(0, len(data), size))


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def decoded(answer: Answer) -> dict[str, Any]:
    assert answer.status == 200
    found: dict[str, Any] = json.loads(answer.body)
    return found


def seen(server: Server) -> dict[str, Any]:
    with Wire(server) as wire:
        return decoded(wire.get("/seen"))


def in_flight(server: Server) -> int:
    return int(server.status()["workers"][0]["in_flight"])


@pytest.fixture
def gate(gates: Callable[[], Gate]) -> Gate:
    return gates()


def begin(wire: Wire, gate: Gate, *sent: bytes) -> None:
    """Send the beginning of a request that the gate holds, and wait until the application is called."""
    assert wire.get("/seen").status == 200, "its loop turns: else it gets a body when that is complete"
    wire.send(*sent)
    gate.await_entry()
    gate.open()


def taking(gate: Gate) -> str:
    """What is called before it reads the body."""
    return f"/take?gate={gate.path}"


def reset(wire: Wire) -> None:
    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.socket.close()


def test_it_is_called_while_its_client_sends(server: Server, gate: Gate) -> None:
    with Wire(server) as wire:
        begin(wire, gate, put(taking(gate), len(LARGE)), LARGE[:100_000])
        assert seen(server)["pid"], "others are served meanwhile"
        wire.send(LARGE[100_000:])
        assert decoded(wire.answer())["digest"] == digest(LARGE)
        assert wire.get("/seen").status == 200, "the connection is kept, and in step"


def test_a_small_body_is_complete_before(server: Server) -> None:
    with Wire(server) as wire:
        wire.send(put("/take", 65_536), b"x" * 65_535)
        until(lambda: not in_flight(server), "nobody to be called")
        assert decoded(wire.send(b"x").answer())["length"] == 65_536


@pytest.mark.parametrize("how", ["counted", "chunked"])
def test_it_answers_while_it_receives(server: Server, how: str) -> None:
    body = LARGE * 16
    rest = body[MIB:] if how == "counted" else chunks(body[MIB:], 50_000) + b"0\r\n\r\n"
    with Wire(server) as wire:
        assert wire.get("/seen").status == 200, "its loop turns"
        wire.send(put("/mirror", len(body)) if how == "counted" else chunked("/mirror"))
        wire.send(body[:MIB] if how == "counted" else chunks(body[:MIB], 50_000))
        until(lambda: not wire.silent(), "the beginning of the answer")
        sender = threading.Thread(target=wire.send, args=(rest,))
        sender.start()
        assert digest(wire.answer().body) == digest(body)
        sender.join()
        assert wire.get("/seen").status == 200


def test_what_follows_a_body_is_the_next_request(server: Server, gate: Gate) -> None:
    following = request("GET", "/seen")
    with Wire(server) as wire:
        begin(wire, gate, put(taking(gate), 200_000), LARGE[:100_000])
        wire.send(LARGE[100_000:200_000] + following + following)
        assert decoded(wire.answer())["digest"] == digest(LARGE[:200_000])
        assert [decoded(wire.answer()).get("pid") is not None for _ in range(2)] == [True, True]


@pytest.mark.parametrize("size", [1, 7, 4096, 70_000])
def test_chunks(server: Server, gate: Gate, size: int) -> None:
    body = LARGE[: size * 100]
    data = chunks(body, size) + b"0\r\nTrailer: x\r\n\r\n" + request("GET", "/seen")
    with Wire(server) as wire:
        begin(wire, gate, chunked(taking(gate)), data[:5])
        wire.send(*(data[at : at + 70_001] for at in range(5, len(data), 70_001)))
        assert decoded(wire.answer())["digest"] == digest(body)
        assert decoded(wire.answer())["pid"]


def test_chunks_that_come_together_are_complete_before(server: Server) -> None:
    with Wire(server) as wire:
        assert decoded(wire.send(chunked("/take") + chunks(b"x" * 100, 10) + b"0\r\n\r\n").answer())["length"] == 100


@pytest.mark.parametrize("leave", [socket.socket.close, None], ids=["end", "reset"])
def test_a_client_that_leaves_in_the_middle(server: Server, gate: Gate, leave: Callable[[socket.socket], None] | None) -> None:
    before = seen(server)
    with Wire(server) as wire:
        begin(wire, gate, put(taking(gate), MIB), LARGE[:200_000])
        if leave:
            leave(wire.socket)
        else:
            reset(wire)
    until(lambda: seen(server)["broken_off"] == before["broken_off"] + 1, "http.disconnect")
    until(lambda: seen(server)["refused"] == before["refused"] + 1, "send to raise OSError")
    until(lambda: not in_flight(server), "the place to be free")


def test_one_that_has_sent_everything_may_close_its_side(server: Server, gate: Gate) -> None:
    with Wire(server) as wire:
        begin(wire, gate, put(taking(gate), MIB), LARGE[:200_000])
        wire.send(LARGE[200_000:MIB])
        wire.socket.shutdown(socket.SHUT_WR)
        assert decoded(wire.answer())["digest"] == digest(LARGE[:MIB])
        assert wire.rest() == b""


def test_an_application_that_does_not_read(server: Server) -> None:
    with Wire(server) as wire:
        assert wire.get("/seen").status == 200, "its loop turns"
        wire.send(put("/refuse", 8 * MIB), LARGE[:MIB])
        answer = wire.answer()
        assert (answer.status, answer.headers["connection"]) == (403, "close")
        for _ in range(7):
            wire.send(LARGE[:MIB])
        wire.socket.shutdown(socket.SHUT_WR)
        assert wire.rest() == b"", "it may send on, and there is no reset"


def test_a_rest_that_has_come_is_skipped(server: Server) -> None:
    with Wire(server) as wire:
        answer = wire.send(put("/refuse", 80_000) + LARGE[:80_000]).answer()
        assert (answer.status, answer.headers.get("connection")) == (403, None)
        assert wire.get("/seen").status == 200


def test_a_client_is_asked_for_the_body_that_is_wanted(server: Server) -> None:
    with Wire(server) as wire:
        assert wire.send(put("/take", MIB, Expect="100-continue")).answer().status == 100
        assert decoded(wire.send(LARGE[:MIB]).answer())["length"] == MIB
        assert wire.send(put("/take", 5, Expect="100-continue")).answer().status == 100
        assert decoded(wire.send(b"small").answer())["length"] == 5
        assert wire.send(put("/refuse", MIB, Expect="100-continue")).answer().status == 403
        assert wire.rest() == b""


def test_a_silence_in_a_body_is_bounded(echo: Echo) -> None:
    with echo(APP, workers=1, concurrency=4, body_timeout=1) as server, Wire(server) as wire:
        answer = wire.send(put("/take", MIB), LARGE[:200_000]).answer()
        assert (answer.status, answer.headers["connection"]) == (408, "close")
        assert wire.rest() == b""


@pytest.mark.parametrize(
    ("rest", "status"),
    [(b"zz\r\n", 400), (b"1\r\nxy\r\n", 400), (b"10\r\n" + b"x" * 16 + b"\r\n", 413)],
    ids=["no size", "longer than it says", "too long"],
)
def test_a_chunked_body_that_goes_wrong(echo: Echo, gate: Gate, rest: bytes, status: int) -> None:
    with echo(APP, workers=1, concurrency=4, max_body_size="100") as server, Wire(server) as wire:
        begin(wire, gate, chunked(taking(gate)), chunks(b"x" * 90, 10))
        answer = wire.send(rest).answer()
        assert (answer.status, answer.headers["connection"]) == (status, "close")
        assert wire.rest() == b""


def test_slow_senders_have_half_of_the_places(server: Server) -> None:
    slow = [Wire(server) for _ in range(4)]
    try:
        for wire in slow:
            assert wire.get("/seen").status == 200, "its loop turns"
            wire.send(put("/take", MIB), LARGE[:100_000])
        until(lambda: in_flight(server) == 2, "two of them to have a place")
        for _ in range(10):
            assert seen(server)["pid"]
        until(lambda: in_flight(server) == 2, "the others to be done")
        for wire in slow:
            wire.send(LARGE[100_000:MIB])
            assert decoded(wire.answer())["digest"] == digest(LARGE[:MIB])
    finally:
        for wire in slow:
            wire.socket.close()


def test_one_place_is_for_complete_requests(echo: Echo) -> None:
    with echo(APP, workers=1, concurrency=1) as server, Wire(server) as slow:
        slow.send(put("/take", MIB), LARGE[:200_000])
        assert seen(server)["pid"]
        assert decoded(slow.send(LARGE[200_000:MIB]).answer())["length"] == MIB


def test_what_is_not_read_waits_with_the_client(server: Server, gate: Gate) -> None:
    with Wire(server) as wire:
        assert wire.get("/seen").status == 200, "its loop turns"
        wire.send(put(taking(gate), len(LARGE) * 8), LARGE[:100_000])
        gate.await_entry()
        sent = 100_000
        while select.select([], [wire.socket], [], 0.5)[1]:
            sent += wire.socket.send((LARGE + LARGE)[sent % len(LARGE) :][:65536], socket.MSG_DONTWAIT)
        assert sent < 20 * MIB, "what is in the buffers of both sockets"
        gate.open()
        wire.send((LARGE * 9)[sent : len(LARGE) * 8])
        assert decoded(wire.answer())["digest"] == digest(LARGE * 8)


def test_waiting_for_a_client_is_no_time_of_a_request(echo: Echo, gate: Gate) -> None:
    with echo(APP, workers=1, concurrency=4, limit_time_real=1) as server, Wire(server) as wire:
        begin(wire, gate, put(taking(gate), MIB), LARGE[:100_000])
        for at in range(100_000, 500_000, 50_000):
            threading.Event().wait(0.25)
            wire.send(LARGE[at : at + 50_000])
        assert decoded(wire.send(LARGE[500_000:MIB]).answer())["length"] == MIB
        assert wire.get("/sleep?seconds=5").status == 504, "all other time is"


def test_however_short_each_wait_is(echo: Echo, gate: Gate) -> None:
    with echo(APP, workers=1, concurrency=4, limit_time_real=1) as server, Wire(server) as wire:
        begin(wire, gate, put(taking(gate), 700_000), LARGE[:100_000])
        for at in range(100_000, 700_000, 2_000):
            threading.Event().wait(0.01)
            wire.send(LARGE[at : at + 2_000])
        assert decoded(wire.answer())["length"] == 700_000


def test_a_unix_socket(echo: Echo, gate: Gate, tmp_path: Path) -> None:
    path = tmp_path / "http.sock"
    with echo(APP, workers=1, concurrency=4, http_interface=f"unix:{path}") as server, Wire(server, path) as wire:
        whole, parts = LARGE[:MIB], chunks(LARGE[:MIB], 10_000) + b"0\r\n\r\n"
        for head, data in ((put(taking(gate), MIB), whole), (chunked(taking(gate)), parts)):
            begin(wire, gate, head, data[:100_000])
            assert decoded(wire.send(data[100_000:]).answer())["digest"] == digest(whole)


def test_without_workers(echo: Echo) -> None:
    with echo(APP, workers=0, concurrency=2) as server, Wire(server) as wire:
        assert wire.get("/seen").status == 200, "its loop turns"
        wire.send(put("/mirror", MIB), LARGE[:100_000])
        until(lambda: not wire.silent(), "the beginning of the answer")
        assert wire.send(LARGE[100_000:MIB]).answer().body == LARGE[:MIB]
