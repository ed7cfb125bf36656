"""WebSockets and streams of events of frameworks of ASGI, unchanged: what they say, a reload, a kill."""

import http.client
import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.process.wire import until
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from prefork.testing import Server

from .environments import HERE

pytestmark = pytest.mark.timeout(300)  # the environment is made on first use

FRAMEWORKS = HERE / "frameworks"


@pytest.fixture(params=["fastapi", "starlette", "litestar", "quart", "channels"], scope="module")
def server(request: pytest.FixtureRequest, install: Callable[[str], Path]) -> Iterator[Server]:
    """A server of one framework's application."""
    python = install("frameworks") / "bin" / "python"
    options = {"workers": 1, "websocket_workers": 1, "websocket_routes": "/events/*"}
    with Server(f"live_{request.param}:app", FRAMEWORKS, python, **options) as server:
        yield server
        assert "Traceback" not in server.log.text(), server.log.text()


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """Where an application notes who has left."""
    return tmp_path / "trace"


def joined(server: Server, path: str, **options: Any) -> ClientConnection:
    return connect(f"ws://127.0.0.1:{server.port}{path}", compression=None, ping_interval=None, open_timeout=30, **options)


def asked(socket: ClientConnection, said: object) -> Any:
    """What comes back for a message."""
    socket.send(json.dumps(said))
    return json.loads(socket.recv(15))


@contextmanager
def ticking(server: Server, query: str = "") -> Iterator[http.client.HTTPResponse]:
    """A stream of events that has begun."""
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
        connection.request("GET", f"/events/ticks{query}")
        with connection.getresponse() as answer:
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            assert answer.readline().startswith(b"data: ")
            yield answer


def noted(trace: Path) -> list[str]:
    return trace.read_text().splitlines() if trace.exists() else []


def speaker(server: Server) -> int:
    """The pid of the youngest websocket worker."""
    return int([worker["pid"] for worker in server.status()["workers"] if worker["pool"] == "websocket"][-1])


def test_a_conversation(server: Server, trace: Path) -> None:
    with joined(server, f"/chat/w%C3%B6rter?trace={trace}", subprotocols=["chat"]) as socket:
        assert socket.subprotocol == "chat"
        for said in ("wörter 🎈", {"size": "x" * 50_000}):
            assert asked(socket, said) == {"room": "wörter", "said": said, "pid": speaker(server)}
    until(lambda: noted(trace) == ["left"], "the application to be told of the end")


def test_a_denial(server: Server) -> None:
    with pytest.raises(InvalidStatus) as refused:
        joined(server, "/denied")
    assert refused.value.response.status_code == 403


def test_a_stream_of_events_ends_with_its_client(server: Server, trace: Path) -> None:
    with ticking(server, f"?trace={trace}"):
        pass
    until(lambda: noted(trace) == ["left"], "the application to be told of the end")


def test_a_reload_and_a_kill_send_clients_to_the_next_worker(server: Server) -> None:
    with joined(server, "/chat/own") as socket, ticking(server) as answer:
        before = asked(socket, 1)["pid"]
        server.reload()
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(15)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
        with pytest.raises(http.client.IncompleteRead):
            answer.read()
    with joined(server, "/chat/own") as socket:
        assert asked(socket, 2)["pid"] != before
        os.kill(speaker(server), signal.SIGKILL)
        with pytest.raises(ConnectionClosed):
            socket.recv(15)
    with joined(server, "/chat/own") as socket:
        assert asked(socket, 3)["said"] == 3
