"""WebSockets of an ASGI application in its HTTP workers, where there are no websocket workers."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from prefork.testing import Server

from . import test_asgi_live as live
from .conftest import Echo
from .test_asgi_live import RAISED, ended, joined, noted, trace
from .wire import Wire, until

__all__ = ["trace"]  # a fixture
SAME = (
    live.test_a_client_that_does_not_read_makes_the_application_wait,
    live.test_a_handshake_that_is_not_accepted_is_answered,
    live.test_an_application_that_fails_closes_with_1011,
    live.test_an_application_is_told_who_it_is,
    live.test_the_end_is_told_with_its_code,
    live.test_what_a_client_must_not_send_has_a_code,
    live.test_what_is_said_is_compressed_where_the_client_can,
)
globals().update({test.__name__: test for test in SAME})
HANDSHAKE = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Version": "13", "Sec_WebSocket_Key": "a" * 22 + "=="}


@pytest.fixture(scope="module")
def server(echo: Echo) -> Iterator[Server]:
    with echo("speaker:app", workers=1, websocket_workers=0, concurrency=2, faults=(RAISED,)) as server:
        yield server


@pytest.fixture(scope="module")
def limited(echo: Echo) -> Iterator[Server]:
    """A server whose worker has to be quick, and may die."""
    with echo("speaker:app", workers=1, websocket_workers=0, limit_time_real=2) as server:
        yield server


def connections(server: Server) -> int:
    connected: int = server.status()["websocket"]["connections"]
    return connected


def test_they_share_memory_with_requests_and_take_no_place(server: Server) -> None:
    until(lambda: connections(server) == 0, "nobody to be left")
    with ExitStack() as stack, Wire(server) as wire:
        crowd = [stack.enter_context(joined(server, "/joins")) for _ in range(10)]
        assert connections(server) == 10
        assert server.status()["workers"][0]["in_flight"] == 0
        assert wire.get("/says").body == b"10"
        assert [each.recv(15) for each in crowd] == ["hear, hear"] * 10
    until(lambda: connections(server) == 0, "all to be gone")


def test_a_handshake_is_a_request_in_the_access_log(server: Server) -> None:
    mark = server.mark()
    with joined(server, "/echo?logged"):
        told = server.wait_for("access", after=mark, target="/echo?logged")
    assert (told["status"], told["worker"]) == (101, "http.1")


def test_one_that_is_not_answered_in_time_is_cancelled_and_its_worker_lives(limited: Server, trace: Path) -> None:
    before = limited.workers()
    with pytest.raises(InvalidStatus) as refused:
        joined(limited, f"/silent?trace={trace}", open_timeout=30)
    assert refused.value.response.status_code == 504
    assert "in silent" in limited.wait_for("request_cancelled")["traceback"]
    until(lambda: noted(trace) == ["cancelled"], "the application to be told")
    assert limited.workers() == before


def test_what_comes_right_behind_a_handshake_is_heard(server: Server) -> None:
    with Wire(server) as wire:
        head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in HANDSHAKE.items())
        wire.send(f"GET /echo HTTP/1.1\r\nHost: here\r\n{head}\r\n".encode() + b"\x81\x82\0\0\0\0hi")
        assert wire.answer().status == 101
        until(lambda: wire.got or not wire.silent(), "the echo")
        assert wire.send(b"\x88\x82\0\0\0\0\x03\xe8").rest() == b"\x81\x02hi\x88\x02\x03\xe8"


def test_a_request_without_the_upgrade_is_one(server: Server) -> None:
    with Wire(server) as wire:
        assert wire.get("/hello").body == b"hello"
        assert wire.get("/hello", Upgrade="h2c", Connection="Upgrade").body == b"hello"


def test_a_reload_closes_in_waves_and_a_kill_ends_those_of_one_worker(echo: Echo, trace: Path) -> None:
    with echo("speaker:app", workers=1, websocket_workers=0, env={"LIFESPAN_TRACE": str(trace)}) as server:
        with joined(server, "/echo") as socket:
            server.reload()
            code, reason = ended(socket)
            assert code == 1012
            assert 0.5 <= json.loads(reason)["retry"] <= 3
        until(lambda: len(noted(trace)) == 1, "the old application to be told that it ends")
        with joined(server, "/about") as socket:
            pid = json.loads(socket.recv(15))["pid"]
            until(
                lambda: {row["pid"]: row["generation"] for row in server.status()["workers"]} == {pid: 2},
                "the old worker to be gone",
            )
        with joined(server, "/echo") as socket:
            os.kill(pid, signal.SIGKILL)
            with pytest.raises(ConnectionClosed):
                socket.recv(15)
        with joined(server, "/echo", open_timeout=30) as socket:
            socket.send("again")
            assert socket.recv(15) == "again"
            server.signal(signal.SIGTERM)
            assert ended(socket)[0] == 1012
            assert server.exit_status() == 0


def test_a_handshake_whose_worker_dies_is_made_again(limited: Server, trace: Path) -> None:
    with pytest.raises(InvalidStatus) as refused:
        joined(limited, f"/dies?trace={trace}", open_timeout=30)
    assert refused.value.response.status_code == 403
    assert trace.exists()


def test_one_that_holds_the_loop_up_ends_its_worker(limited: Server, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    with joined(limited, f"/blocks?gate={gate}", open_timeout=30) as held, pytest.raises(ConnectionClosed):
        held.recv(30)
    assert "limit_time_real allows 2 s" in limited.wait_for("incident_recorded", cause="limit_time_real")["reason"]
