"""Large answers and slow readers: they hold no worker, lose no byte, and mix with no other answer."""

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from prefork.testing import Server

from .apps.echo import pattern
from .conftest import Echo
from .wire import HEAD, Gate, Wire, request, until

MEGABYTE = 1 << 20
FORMS = {
    "in one piece": "/plain/big?size={size}",
    "in large parts of known length": "/big?size={size}&part=300000&length=1",
    "in chunks": "/big?size={size}&part=70000",
    "in small chunks": "/big?size={size}&part=4000",
}


@pytest.fixture(scope="module")
def server(echo: Echo) -> Iterator[Server]:
    with echo(workers=1) as server:
        yield server


def drained(server: Server) -> bool:
    """Whether the server has no request any more."""
    with Wire(server) as wire:
        return json.loads(wire.get("/_prefork/saturation").body)["busy"] == 0


@pytest.mark.parametrize("form", FORMS)
def test_a_slow_reader_holds_no_worker_and_gets_every_byte(server: Server, form: str) -> None:
    size = (20 if "small" not in form else 8) * MEGABYTE
    with Wire(server, window=4096) as slow, Wire(server) as other:
        slow.send(request("GET", FORMS[form].format(size=size)))
        assert other.get().status == 200, "the only worker is free although the client has not read its answer"
        assert slow.answer().body == pattern(size)
        assert slow.get().status == 200


def test_requests_behind_a_large_answer_are_served_when_it_has_been_read(server: Server) -> None:
    with Wire(server, window=4096) as slow, Wire(server) as other:
        slow.send(request("GET", "/plain/big?size=8000000") + request("GET", "/echo?second") + request("GET", "/_prefork/live"))
        until(lambda: drained(server), "the worker to be free")
        assert other.get().status == 200
        assert slow.answer().body == pattern(8_000_000)
        assert json.loads(slow.answer().body)["QUERY_STRING"] == "second"
        assert slow.answer().status == 200


def test_a_request_sent_while_a_large_answer_is_read_is_served_after_it(server: Server) -> None:
    with Wire(server, window=4096) as slow:
        slow.send(request("GET", "/plain/big?size=8000000"))
        until(lambda: drained(server), "the worker to be free")
        slow.send(request("GET", "/echo?later"))
        assert len(slow.answer().body) == 8_000_000
        assert json.loads(slow.answer().body)["QUERY_STRING"] == "later"


def test_a_client_that_is_asked_for_its_body_behind_a_large_answer(server: Server) -> None:
    head = request("POST", "/echo", b"x" * 5, Expect="100-continue")[:-5]
    with Wire(server, window=4096) as slow:
        slow.send(request("GET", "/plain/big?size=8000000") + head)
        assert len(slow.answer().body) == 8_000_000
        assert slow.answer().status == 100
        assert json.loads(slow.send(b"hello").answer().body)["length"] == 5


def test_a_client_that_leaves_in_the_middle_of_its_answer_harms_nobody(server: Server) -> None:
    pid = server.workers()["http.1"]
    for target in ("/plain/big?size=20000000", "/big?size=20000000&part=70000", "/plain/endless"):
        with Wire(server, window=4096) as slow:
            slow.send(request("GET", target))
            slow.socket.recv(100_000, socket.MSG_WAITALL)
        with Wire(server) as other:
            assert other.get().status == 200
    assert server.workers()["http.1"] == pid


def test_a_client_that_leaves_while_it_is_served_harms_nobody(server: Server, gates: Callable[[], Gate]) -> None:
    pid = server.workers()["http.1"]
    gate = gates()
    with Wire(server) as leaving:
        leaving.send(request("GET", gate.target))
        gate.await_entry()
    gate.open()
    with Wire(server) as other:
        assert json.loads(other.get().body)["pid"] == pid


def test_a_client_that_leaves_while_it_waits_never_reaches_the_application(
    server: Server, gates: Callable[[], Gate], tmp_path: Path
) -> None:
    gate = gates()
    called = tmp_path / "called"
    with Wire(server) as first, Wire(server) as saturation:

        def waiting() -> int:
            return int(json.loads(saturation.get("/_prefork/saturation").body)["queue"])

        first.send(request("GET", gate.target))
        gate.await_entry()
        with Wire(server) as leaving:
            leaving.send(request("POST", f"/note?file={called}", b"x" * 100_000))
            until(lambda: waiting() == 1, "the request to wait")
        until(lambda: waiting() == 0, "the request to be withdrawn")
        # One that has left already when its request is read is no different.
        for _ in range(20):
            with Wire(server) as leaving:
                leaving.send(request("GET", f"/note?file={called}"))
        until(lambda: json.loads(saturation.get("/_prefork/saturation").body)["connections"] == 2, "all to be gone")
        gate.open()
        assert first.answer().status == 200
        assert first.get().status == 200
    assert not called.exists()


def test_a_client_that_closes_its_side_still_gets_its_answer(server: Server) -> None:
    with Wire(server) as wire:
        wire.send(request("GET", "/plain/big?size=3000000"))
        wire.socket.shutdown(socket.SHUT_WR)
        assert wire.answer().body == pattern(3_000_000)
        assert wire.rest() == b""
    with Wire(server) as wire:
        wire.send(request("POST", "/echo", b"x" * 3_000_000) + HEAD)
        wire.socket.shutdown(socket.SHUT_WR)
        assert json.loads(wire.answer().body)["length"] == 3_000_000
        assert wire.answer().status == 200
        assert wire.rest() == b""


def test_the_timeout_that_an_application_sets_for_its_sockets_is_not_meant_for_ours(echo: Echo) -> None:
    with echo(app="hasty:app", workers=1) as server, Wire(server, window=4096) as slow, Wire(server) as other:
        pid = json.loads(other.get().body)["pid"]
        slow.send(request("GET", "/plain/big?size=8000000") * 4)
        until(lambda: server.status()["uptime"] > 1, "more time to pass than the timeout has")
        for _ in range(4):
            assert slow.answer().body == pattern(8_000_000)
        assert json.loads(other.get().body)["pid"] == pid, "the worker has left because nothing happened for a while"


def test_a_worker_that_dies_behind_an_answer_which_is_still_read_is_no_concern_of_its_reader(echo: Echo) -> None:
    with echo(workers=1) as server, Wire(server, window=4096) as slow:
        slow.send(request("GET", "/plain/big?size=8000000"))
        until(lambda: drained(server), "the worker to be free")
        server.kill("http.1")
        server.wait_for("worker_died")
        assert slow.answer().body == pattern(8_000_000)
        assert slow.get().status == 200
        # The bytes that the dispatcher sent itself must not be taken for those of the next answer.
        slow.send(request("GET", "/plain/big?size=8000000"))
        until(lambda: drained(server), "the worker to be free")
        slow.send(request("GET", "/die"))
        assert slow.answer().body == pattern(8_000_000)
        assert slow.answer().status == 502
        server.wait_for("request_retried", target="/die")


def test_a_reader_that_stops_reading_loses_its_connection_and_not_us_a_worker(echo: Echo) -> None:
    with echo(workers=1, body_timeout=0.5) as server, Wire(server, window=4096) as stuck, Wire(server) as other:
        stuck.send(request("GET", "/plain/endless"))
        stuck.socket.recv(1)
        assert other.get().status == 200, "its worker was given back"
        until(lambda: json.loads(other.get("/_prefork/saturation").body)["connections"] == 1, "its connection to be closed")
