"""WebSockets and long polls of a real server: both ports, what is refused, who survives what."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from prefork.testing import Server

from .conftest import Echo
from .wire import Wire, request, until

OFF = {"error": "the bus is off, there is nothing to subscribe to"}
UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec_WebSocket_Version": "13",
    "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.fixture(scope="module")
def server(echo: Echo) -> Iterator[Server]:
    """A server of whose HTTP workers there is one."""
    with echo(workers=1, websocket_workers=1) as server:
        yield server


def joined(server: Server, path: str = "/websocket", port: int = 0, **options: Any) -> ClientConnection:
    """A WebSocket of the server."""
    return connect(f"ws://127.0.0.1:{port or server.port}{path}", compression=None, ping_interval=None, **options)


def asked(socket: ClientConnection, **words: object) -> dict[str, object]:
    """What the server answers to a message."""
    socket.send(json.dumps(words))
    answer: dict[str, object] = json.loads(socket.recv(15))
    return answer


def of_pool(server: Server) -> list[dict[str, Any]]:
    """The rows of the websocket workers."""
    return [worker for worker in server.status()["workers"] if worker["pool"] == "websocket"]


@pytest.mark.parametrize("path", ["/websocket", "/web/websocket"])
def test_both_ports_answer_a_handshake(server: Server, path: str) -> None:
    for port in (server.port, server.websocket_port):
        with joined(server, path, port) as socket:
            assert socket.response is not None
            assert socket.response.status_code == 101
            assert asked(socket, subscribe=["own"]) == OFF


def test_a_long_poll_is_answered_and_its_connection_ends(server: Server) -> None:
    with Wire(server) as wire:
        answer = wire.send(request("POST", "/longpolling/poll", b'{"channels": ["own"]}')).answer()
        assert (answer.status, json.loads(answer.body)) == (503, OFF)
        assert answer.headers["connection"] == "close"
        assert wire.rest() == b""


def test_the_own_port_serves_nothing_else(server: Server) -> None:
    with Wire(server, port=server.websocket_port) as wire:
        assert wire.get("/echo").status == 404
        assert wire.get("/_prefork/ready").status == 200
        assert wire.get("/websocket").status == 426


def test_without_an_upgrade_the_application_answers(server: Server) -> None:
    with Wire(server) as wire:
        assert json.loads(wire.get("/websocket").body) == {"error": "there is no such page"}
        assert wire.get("/echo", **UPGRADE).status == 200, "any other upgrade is ignored"


def test_a_page_of_another_origin_may_not_connect(server: Server) -> None:
    with pytest.raises(InvalidStatus) as refused:
        joined(server, origin="https://evil.example")
    assert refused.value.response.status_code == 403
    event = server.wait_for("websocket_ended", code=403)
    assert "https://evil.example" in event["reason"]


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"\x81\x01x", 1002),  # not masked
        (b"\x83\x80\0\0\0\0", 1002),  # no such frame
        (b"\x81\xff" + (1 << 40).to_bytes(8, "big") + bytes(4), 1009),
        (b"\x82\x80\0\0\0\0", 1003),
        (b"\x89\x80\0\0\0\0" * 100, 1008),
    ],
)
def test_what_a_client_must_not_send_has_a_code_and_a_line(server: Server, sent: bytes, code: int) -> None:
    with joined(server) as other, Wire(server) as wire:
        assert wire.get("/websocket", **UPGRADE).status == 101
        mark = server.log.mark()
        data = wire.send(sent).rest()
        assert code.to_bytes(2, "big") in data
        assert server.wait_for("websocket_ended", after=mark, code=code)["worker"].startswith("websocket.")
        assert asked(other, subscribe=[]) == OFF


def test_the_dispatcher_lets_go_of_what_it_has_handed_over(server: Server) -> None:
    with joined(server), joined(server):
        until(lambda: server.status()["dispatcher"]["connections"] == 0, "the dispatcher to have no connection")
        assert server.status()["websocket"] == {"wanted": 1, "ready": 1, "connections": 2}
    until(lambda: server.status()["websocket"]["connections"] == 0, "the connections to be gone")


def test_a_reload_sends_clients_to_the_new_worker(echo: Echo) -> None:
    with echo(workers=1, websocket_workers=1) as server:
        with joined(server) as socket:
            server.reload()
            with pytest.raises(ConnectionClosedError) as ended:
                socket.recv(15)
            assert ended.value.rcvd is not None
            assert ended.value.rcvd.code == 1012
            assert 0.5 <= json.loads(ended.value.rcvd.reason)["retry"] <= 3
        with joined(server) as socket:
            assert asked(socket, subscribe=[]) == OFF
            assert of_pool(server)[-1]["generation"] == 2


def test_a_killed_worker_takes_only_its_own_connections_with_it(echo: Echo) -> None:
    with echo(workers=1, websocket_workers=2) as server, joined(server) as first, joined(server) as second:
        until(lambda: [worker["requests"] for worker in of_pool(server)] == [1, 1], "each worker to have one")
        os.kill(of_pool(server)[0]["pid"], signal.SIGKILL)
        died = server.wait_for("incident_recorded")
        assert died["worker"] == "websocket.1"
        fates = []
        for socket in (first, second):
            try:
                fates.append(asked(socket, subscribe=[]) == OFF)
            except ConnectionClosedError:
                fates.append(False)
        assert sorted(fates) == [False, True]
        with joined(server) as third:
            assert asked(third, subscribe=[]) == OFF


def test_a_worker_with_too_many_connections_says_so(echo: Echo) -> None:
    with (
        echo(workers=1, websocket_workers=1, websocket_connections=1) as server,
        joined(server),
        pytest.raises(InvalidStatus) as refused,
    ):
        joined(server)
    assert refused.value.response.status_code == 503
    assert "Retry-After" in refused.value.response.headers


def test_a_node_may_have_nothing_else(echo: Echo) -> None:
    with echo(None, http_enable=False, websocket_workers=1) as server:
        assert server.status()["addresses"] == [f"http://127.0.0.1:{server.websocket_port}"]
        with joined(server, port=server.websocket_port) as socket:
            assert asked(socket, subscribe=[]) == OFF
        server.signal(signal.SIGTERM)
        assert server.exit_status() == 0


def test_a_stop_closes_with_a_hint(echo: Echo) -> None:
    with echo(workers=1, websocket_workers=1) as server, joined(server) as socket:
        server.signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosedError) as ended:
            socket.recv(15)
        assert ended.value.rcvd is not None
        assert ended.value.rcvd.code == 1012
        assert server.exit_status() == 0


def session(name: str) -> dict[str, dict[str, str]]:
    """What a client connects with that has a session."""
    return {"additional_headers": {"Cookie": f"sid={name}"}}


def listening(server: Server, clients: ExitStack, name: str, *channels: str) -> tuple[ClientConnection, int]:
    """A client that has subscribed, and its position. As real ones do, it comes back until the bus is there."""
    found: list[tuple[ClientConnection, int]] = []

    def subscribed() -> bool:
        socket = clients.enter_context(joined(server, **session(name)))
        answer = asked(socket, subscribe=channels)
        if "error" in answer:
            assert "not there yet" in str(answer["error"])
            socket.close()
            return False
        found.append((socket, int(str(answer["position"]))))
        return True

    until(subscribed, "the bus to be there", 40)
    return found[0]


def held(server: Server, count: int) -> None:
    """Wait until the workers have so many connections: the next one goes to whom has fewer."""
    until(lambda: server.status()["websocket"]["connections"] == count, f"{count} connections")


def test_what_is_published_reaches_those_who_may_hear_it_on_every_worker(echo: Echo) -> None:
    options = {"websocket_workers": 2, "bus": True, "websocket_authorize": "live:authorize"}
    with echo("live:app", workers=1, **options) as server, Wire(server) as wire, ExitStack() as clients:
        first, position = listening(server, clients, "open", "own", "other")
        held(server, 1)
        second, _ = listening(server, clients, "own", "own")
        assert all(worker["requests"] for worker in of_pool(server)), "each has one of them"
        for channel in ("other", "own"):
            assert wire.send(request("POST", "/", json.dumps([channel, {"for": channel}]).encode())).answer().status == 204
        heard = messages(first, 2)
        assert [message["payload"] for message in heard] == [{"for": "other"}, {"for": "own"}]
        assert messages(second, 1) == heard[1:]
        stranger = clients.enter_context(joined(server))
        assert "session" in str(asked(stranger, subscribe=["own"])["error"])
        with pytest.raises(ConnectionClosedError, match="4001"):
            stranger.recv(15)
        late = json.dumps({"channels": ["own"], "last": position}).encode()
        answer = json.loads(wire.send(request("POST", "/longpolling/poll", late, Cookie="sid=open")).answer().body)
        assert answer == {"messages": heard[1:], "position": heard[1]["position"]}


def messages(socket: ClientConnection, count: int) -> list[dict[str, Any]]:
    """The next messages, of which several may come at once."""
    found: list[dict[str, Any]] = []
    while len(found) < count:
        found += json.loads(socket.recv(15))["messages"]
    return found
