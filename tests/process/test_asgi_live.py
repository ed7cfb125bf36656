"""WebSockets and lasting requests of an ASGI application, in the websocket worker of a real server."""

import http.client
import json
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from socket import SHUT_RDWR, create_connection
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from prefork.testing import Server

from .conftest import APPS, Echo
from .wire import Gate, Wire, request, until

RAISED = "as it is asked to"
OWN = {"websocket_routes": "/events/*", "faults": (RAISED,)}


@pytest.fixture(scope="module")
def server(echo: Echo) -> Iterator[Server]:
    with echo("speaker:app", workers=1, websocket_workers=1, **OWN) as server:
        yield server


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """Where the application notes what it sees."""
    return tmp_path / "trace"


def joined(server: Server, path: str, port: int = 0, **options: Any) -> ClientConnection:
    """A WebSocket of the application."""
    given = {"compression": None, "ping_interval": None, **options}
    return connect(f"ws://127.0.0.1:{port or server.port}{path}", **given)


def ended(socket: ClientConnection) -> tuple[int, str]:
    """Code and reason that a connection is closed with."""
    with pytest.raises(ConnectionClosed) as closed:
        all(socket.recv(15) for _ in iter(int, 1))
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code, closed.value.rcvd.reason


@contextmanager
def streamed(server: Server, target: str, method: str = "GET", body: bytes | None = None) -> Iterator[http.client.HTTPResponse]:
    """An answer that is read as it comes."""
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
        connection.request(method, target, body)
        with connection.getresponse() as answer:
            yield answer


def of_pool(server: Server) -> list[dict[str, Any]]:
    """The rows of the websocket workers."""
    return [worker for worker in server.status()["workers"] if worker["pool"] == "websocket"]


def noted(trace: Path) -> list[str]:
    return trace.read_text().splitlines() if trace.exists() else []


def test_what_is_said_comes_back(server: Server) -> None:
    for port in (server.port, server.websocket_port):
        with joined(server, "/echo", port, subprotocols=["chat.v2", "chat"]) as socket:
            assert socket.response is not None
            assert socket.response.headers["X-Own"] == "yes"
            assert socket.subprotocol == "chat.v2"
            for said in ("wörter", "", b"\0\xff", "x" * 60_000, b"y" * 60_000):
                socket.send(said)
                assert socket.recv(15) == said
            socket.send(["in ", "three ", "parts 🎈"])
            assert socket.recv(15) == "in three parts 🎈"


def test_what_is_said_is_compressed_where_the_client_can(server: Server) -> None:
    with joined(server, "/echo", compression="deflate") as socket:
        assert [each.name for each in socket.protocol.extensions] == ["permessage-deflate"]
        for said in ("wörter" * 9_000, b"\0\xff" * 30_000):
            socket.send(said)
            assert socket.recv(15) == said


def test_an_application_is_told_who_it_is(server: Server) -> None:
    wire = create_connection(("127.0.0.1", server.port))
    address = wire.getsockname()  # now: the application ends the connection as soon as it has spoken
    with joined(server, "/w%C3%B6rter/about", sock=wire) as socket:
        told = json.loads(socket.recv(15))
        assert (told["type"], told["scheme"], told["path"]) == ("websocket", "ws", "/wörter/about")
        assert told["client"] == list(address)
        assert told["state"] == {"started": told["pid"]}, "each worker has started by itself"
        assert "websocket.http.response" in told["extensions"]
        assert ended(socket) == (4321, "said")


@pytest.mark.parametrize(("path", "status"), [("/closed", 403), ("/denied", 401), ("/raises", 500), ("/returns", 500)])
def test_a_handshake_that_is_not_accepted_is_answered(server: Server, path: str, status: int) -> None:
    with pytest.raises(InvalidStatus) as refused:
        joined(server, path)
    response = refused.value.response
    assert response.status_code == status
    if path == "/denied":
        assert response.headers["WWW-Authenticate"] == "Bearer"
        assert response.body == b"who are you?"


def test_an_application_that_fails_closes_with_1011(server: Server) -> None:
    with joined(server, "/raises_later") as socket:
        assert ended(socket)[0] == 1011
    until(lambda: any("websocket /raises_later" in line for line in server.log.output), "the path in the log")


@pytest.mark.parametrize(("code", "seen"), [(1000, "1000 bye"), (4000, "4000 bye"), (0, "1006 ")])
def test_the_end_is_told_with_its_code(server: Server, trace: Path, code: int, seen: str) -> None:
    with joined(server, f"/listens?trace={trace}") as socket:
        socket.send("last")
        if code:
            socket.close(code, "bye")
        else:
            socket.socket.shutdown(SHUT_RDWR)
    until(lambda: noted(trace) == ["last", seen], f"the application to hear the last words and {seen}")


def test_a_client_that_does_not_read_makes_the_application_wait(server: Server, trace: Path) -> None:
    with joined(server, f"/pours?trace={trace}", max_size=None, max_queue=1) as socket:
        until(lambda: len(noted(trace)) == 1, "the application to wait")
        socket.socket.shutdown(SHUT_RDWR)
    until(lambda: noted(trace)[1:] == ["gone"], "the application to be told")


@pytest.mark.parametrize(("sent", "code"), [(b"\x81\x81\0\0\0\0\xff", 1007), (b"\x83\x80\0\0\0\0", 1002)])
def test_what_a_client_must_not_send_has_a_code(server: Server, sent: bytes, code: int) -> None:
    head = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Version": "13", "Sec_WebSocket_Key": "a" * 22 + "=="}
    with Wire(server) as wire:
        assert wire.get("/echo", **head).status == 101
        mark = server.log.mark()
        assert code.to_bytes(2, "big") in wire.send(sent).rest()
        server.wait_for("websocket_ended", after=mark, code=code)


def test_without_the_bus_its_paths_are_the_applications(server: Server) -> None:
    with joined(server, "/websocket") as socket:
        assert json.loads(socket.recv(15))["path"] == "/websocket"


def test_a_stream_of_events_is_the_websocket_workers(server: Server, trace: Path) -> None:
    pid = of_pool(server)[0]["pid"]
    with streamed(server, f"/events/events?trace={trace}") as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert [answer.readline() for _ in range(3)] == [b"data: 0 %d\n" % pid, b"\n", b"data: 1 %d\n" % pid]
        assert server.status()["websocket"]["connections"] == 1
    until(lambda: noted(trace) == ["left"], "the application to be told")
    until(lambda: server.status()["websocket"]["connections"] == 0, "the connection to be gone")


def test_a_large_body_arrives_whole(server: Server) -> None:
    with streamed(server, "/events/counted", "POST", bytes(300_000)) as answer:
        assert json.loads(answer.read()) == {"size": 300_000, "parts": 5}
    with streamed(server, "/events/counted", "POST") as answer:
        assert json.loads(answer.read()) == {"size": 0, "parts": 1}


def test_an_answer_that_fails_in_its_middle_is_cut(server: Server) -> None:
    with streamed(server, "/events/torn") as answer, pytest.raises(http.client.IncompleteRead) as read:
        answer.read()
    assert read.value.partial == b"half"
    with streamed(server, "/events/raises") as answer:
        assert answer.status == 500


def test_one_whose_end_is_the_end_of_its_connection_is_reset(server: Server) -> None:
    with Wire(server) as wire:
        wire.send(request("GET", "/events/torn", version="1.0"))
        with pytest.raises(ConnectionResetError):
            wire.rest()
    with Wire(server) as wire:
        assert wire.send(request("GET", "/events/hello", version="1.0")).rest().endswith(b"hello")


def test_large_parts_of_a_lasting_answer_arrive_whole(server: Server) -> None:
    with streamed(server, "/events/heavy") as answer:
        assert answer.read() == b"".join(b"%d" % number * 70_000 for number in range(10))


def test_a_reload_closes_with_1012_and_ends_streams(echo: Echo, trace: Path) -> None:
    with echo("speaker:app", workers=1, websocket_workers=1, env={"LIFESPAN_TRACE": str(trace)}, **OWN) as server:
        with joined(server, "/echo") as socket, streamed(server, "/events/events") as answer:
            socket.send("before")
            assert socket.recv(15) == "before"
            assert answer.readline()
            server.reload()
            code, reason = ended(socket)
            assert code == 1012
            assert 0.5 <= json.loads(reason)["retry"] <= 3
            with pytest.raises(http.client.IncompleteRead):
                answer.read()
        until(lambda: len(noted(trace)) >= 1, "the old application to be told that it ends")
        with joined(server, "/about") as socket:
            assert json.loads(socket.recv(15))["pid"] == of_pool(server)[-1]["pid"]
            assert of_pool(server)[-1]["generation"] == 2


@pytest.mark.parametrize("websocket_workers", [1, 0])
def test_a_handshake_that_waits_is_not_refused_by_a_reload(echo: Echo, trace: Path, websocket_workers: int) -> None:
    gate = trace.with_name("gate")
    with echo("speaker:app", workers=1, websocket_workers=websocket_workers) as server, ThreadPoolExecutor(1) as pool:
        opening = pool.submit(joined, server, f"/hesitates?trace={trace}&gate={gate}", open_timeout=30)
        until(lambda: noted(trace) == ["asked"], "the application to be asked")
        server.reload()
        gate.touch()
        with opening.result(30) as socket:
            assert ended(socket)[0] == 1012


def test_a_killed_worker_is_replaced_and_clients_come_back(echo: Echo) -> None:
    with echo("speaker:app", workers=1, websocket_workers=1, **OWN) as server:
        with joined(server, "/echo") as socket:
            os.kill(of_pool(server)[0]["pid"], signal.SIGKILL)
            with pytest.raises(ConnectionClosed):
                socket.recv(15)
        with joined(server, "/echo", open_timeout=30) as socket:
            socket.send("again")
            assert socket.recv(15) == "again"


def test_a_worker_that_takes_too_much_memory_is_replaced(echo: Echo) -> None:
    with echo("speaker:app", workers=1, websocket_workers=1, limit_memory_soft_gevent="96M") as server:
        with joined(server, "/swells") as socket:
            socket.send("100")
            assert ended(socket)[0] == 1012
        assert "limit_memory_soft_gevent" in server.wait_for("limit_reached", worker="websocket.1")["reason"]


def test_one_that_takes_much_more_memory_is_killed(echo: Echo) -> None:
    # Without a soft limit: one seen on its way up is replaced, and is gone before it is seen above the hard one.
    with echo("speaker:app", workers=1, websocket_workers=1, limit_memory_soft_gevent=0, limit_memory_hard_gevent="256M") as server:
        with joined(server, "/swells") as socket:
            socket.send("400")
            with pytest.raises(ConnectionClosed):
                socket.recv(15)
        assert "limit_memory_hard_gevent" in server.wait_for("incident_recorded")["reason"]


def test_an_application_that_cannot_start_gets_no_worker() -> None:
    server = Server("speaker:app", APPS, workers=1, websocket_workers=1, env={"LIFESPAN_FAILS": "1"})
    server.launch()
    try:
        assert server.wait_for("boot_failed")["reason"] == "lifespan.startup.failed: no database"
    finally:
        server.close()


def test_a_loop_that_is_held_up_is_found_and_others_go_on(echo: Echo, gates: Callable[[], Gate]) -> None:
    with echo("speaker:app", workers=1, websocket_workers=2, websocket_stall=2, **OWN) as server:
        gate = gates()
        with joined(server, f"/blocks?gate={gate.path}") as held:
            gate.await_entry()
            for _ in range(3):
                with joined(server, "/echo") as socket:
                    socket.send("not to the one that is held up")
                    assert socket.recv(15)
            with pytest.raises(ConnectionClosed):
                held.recv(30)
        incident = server.wait_for("incident_recorded", cause="websocket_stall")
        assert "websocket_stall allows 2 s" in incident["reason"]
        (kept,) = map(json.loads, Path(server.data_dir, "incidents.jsonl").read_text().splitlines())
        assert (kept["id"], kept["cause"]) == (incident["incident"], "websocket_stall")
        assert "in blocks" in kept["stacks"]
