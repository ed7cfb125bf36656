"""Large answers and slow readers: they hold no worker, lose no byte, and mix with no other answer."""

import contextlib
import hashlib
import json
import os
import resource
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
        gate.hold(leaving)
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

        gate.hold(first)
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


def test_a_client_that_closes_its_side_while_it_waits_is_taken_to_have_left(
    server: Server, gates: Callable[[], Gate], tmp_path: Path
) -> None:
    """It cannot be told from one that has closed the connection (docs/decisions/0004)."""
    gate = gates()
    called = tmp_path / "called"
    before = server.status()["dispatcher"]["abandoned"]
    with Wire(server) as first, Wire(server) as waiting, Wire(server) as check:
        first.send(request("GET", gate.target))
        gate.await_entry()
        waiting.send(request("GET", f"/note?file={called}"))
        waiting.socket.shutdown(socket.SHUT_WR)
        assert waiting.rest() == b""
        check.send(request("GET", "/_prefork/live"))
        check.socket.shutdown(socket.SHUT_WR)
        assert check.answer().status == 200
        gate.open()
        assert first.answer().status == 200
    assert server.status()["dispatcher"]["abandoned"] == before + 1
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


def test_a_worker_waits_for_a_reader_who_leaves_more_than_may_be_spooled(echo: Echo) -> None:
    with echo(workers=1, response_spool_max="1M") as server, Wire(server, window=4096) as slow, Wire(server) as other:
        slow.send(request("GET", "/big?size=30000000&part=300000"))
        until(lambda: server.status()["workers"][0]["state"] == "waiting", "the worker to wait")
        other.send(request("GET", "/echo"))
        assert slow.answer().body == pattern(30_000_000)
        assert other.answer().status == 200
        assert server.status()["workers"][0]["state"] in {"idle", "busy"}


def test_and_no_longer_than_its_request_may_take(echo: Echo) -> None:
    """A client that reads on, however slowly, would have a worker to itself for ever."""
    with echo(workers=1, response_spool_max="1M", limit_time_real=3) as server, Wire(server, window=4096) as slow:
        slow.send(request("GET", "/big?size=30000000&part=300000"))
        until(lambda: server.status()["workers"][0]["state"] == "waiting", "the worker to wait")
        assert "limit_time_real" in server.wait_for("limit_reached")["reason"]
        with Wire(server) as other:
            assert other.get().status == 200
        with pytest.raises(ConnectionResetError):
            slow.answer()


def test_where_no_file_can_be_written_bodies_are_refused_and_slow_readers_served(echo: Echo) -> None:
    """As on a full disk: no file of the server may have a byte."""
    with echo(workers=1) as server:
        for pid in (server.status()["dispatcher"]["pid"], server.workers()["http.1"]):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, 0))
        with Wire(server) as wire:
            assert wire.send(request("POST", "/echo", b"x" * 3_000_000)).answer().status == 507
        assert server.wait_for("spool_full")["level"] == "critical"
        with Wire(server) as wire, Wire(server, window=4096) as slow:
            assert wire.send(request("POST", "/echo", b"x" * 60_000)).answer().status == 200
            slow.send(request("GET", "/big?size=8000000&part=300000"))
            until(lambda: server.status()["workers"][0]["state"] == "waiting", "the worker to wait")
            assert slow.answer().body == pattern(8_000_000)
            assert wire.get().status == 200


def test_a_body_larger_than_memory_would_like_is_kept_in_a_file_without_a_name(server: Server) -> None:
    spool = Path(server.data_dir) / "spool"
    with Wire(server) as sender, Wire(server) as other:
        body = pattern(20_000_000)
        sender.send(request("POST", "/echo", body)[:-1])
        until(lambda: spooled(server) >= 19_000_000, "the body to be in a file")
        assert list(spool.iterdir()) == []
        assert other.get().status == 200, "no worker is held"
        said = json.loads(sender.send(body[-1:]).answer().body)
        assert (said["length"], said["digest"]) == (len(body), hashlib.sha256(body).hexdigest())
        until(lambda: spooled(server) == 0, "the file to be gone")


def spooled(server: Server) -> int:
    """The bytes in nameless files of the dispatcher."""
    folder = Path(f"/proc/{server.status()['dispatcher']['pid']}/fd")
    total = 0
    for entry in folder.iterdir():
        with contextlib.suppress(OSError):
            if "/spool/" in os.readlink(entry):
                total += os.stat(entry).st_size
    return total
