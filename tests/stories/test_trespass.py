"""What an application can do to its dispatcher and to others' clients by what is its worker's: nothing."""

import json
import os
import signal
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from facts import await_fact
from loans import lent

from prefork.testing import Request, Server
from prefork.testing.client import Connection

APPS = Path(__file__).parent / "apps"
KINDS = {
    "wsgi": {"app": "trespasser:app"},
    "asgi": {"app": "trespasser:looped"},
    "threads": {"app": "trespasser:app", "workers": 0},
}
FORKING = [(kind, lends) for kind in KINDS for lends in (False, True) if kind != "threads" or not lends]
pytestmark = pytest.mark.story


@pytest.fixture
def clients() -> Iterator[Callable[[Server, int], list[Connection]]]:
    """Makes clients with a connection each, which is on loan if that may be."""
    with ExitStack() as stack:

        def come(server: Server, count: int) -> list[Connection]:
            found = [stack.enter_context(Connection("127.0.0.1", server.port)) for _ in range(count)]
            for client in found * 4:
                assert client.exchange(Request("/")).status == 200
            return found

        yield come


def told(client: Connection, target: str = "/") -> dict[str, int]:
    """What a request gets, which has to be 200, over the connection that there is."""
    assert client.opened
    answer = client.exchange(Request(target))
    assert answer.status == 200, answer
    found: dict[str, int] = json.loads(answer.body)
    return found


@pytest.mark.parametrize("then", ["killed", "asked", "replaced"])
@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
def test_loans_that_an_application_hides_from_its_worker_go_on_elsewhere(
    kind: str, then: str, counted: Callable[[Server], Server], clients: Callable[[Server, int], list[Connection]]
) -> None:
    with counted(Server(app_dir=APPS, workers=2, access_log=True, lend_connections=True, **KINDS[kind])) as server:
        kept, dispatcher = clients(server, 8), server.status()["dispatcher"]["pid"]
        await_fact(lambda: lent(server), "a connection on loan", server)
        guilty, _ = Counter(told(client)["pid"] for client in kept).most_common(1)[0]
        assert any(told(client, f"/remove?of={guilty}")["told"] for _ in range(50) for client in kept)
        mark = server.mark()
        if then == "killed":
            os.kill(guilty, signal.SIGKILL)
        elif then == "replaced":
            server.signal(signal.SIGHUP)
            server.wait_for("reload_done", after=mark)
        for client in kept * 3:
            told(client)
        await_fact(lambda: guilty not in server.workers().values() and len(server.workers()) == 2, "another worker", server)
        for client in kept:
            told(client)
        assert not server.events("fault_contained")
        assert {event["pid"] for event in server.events("worker_died")} <= {guilty}, "another one has died"
        assert server.status()["dispatcher"]["pid"] == dispatcher


@pytest.mark.parametrize(("kind", "lends"), FORKING)
def test_a_child_that_comes_back_is_no_second_worker(
    kind: str, lends: bool, counted: Callable[[Server], Server], clients: Callable[[Server, int], list[Connection]]
) -> None:
    """Its parent answers when it has ended: it would never, or its answer would be the first."""
    options = {"workers": 1, "threads": 2, "access_log": True, "lend_connections": lends, **KINDS[kind]}
    with counted(Server(app_dir=APPS, **options)) as server:
        kept, workers = clients(server, 4), server.workers()
        for how, status in (("raise", 1), ("exit", 3), ("return", 1)):
            for client in kept:
                said = told(client, f"/fork?how={how}")
                assert (said["pid"], said["told"]) == (said["worker"], status), how
        for client in kept * 4:
            assert told(client)["pid"] in workers.values()
        assert server.workers() == workers
        asked = len(kept) * (4 + 3 + 4)
        await_fact(lambda: len(server.events("access")) >= asked, "an entry for each request", server)
        assert len({event["request_id"] for event in server.events("access")}) == len(server.events("access")) == asked
        assert bool(lent(server)) is lends
        assert not server.events("fault_contained")


def sockets(pid: int) -> set[str]:
    """What tells each socket of a process from all others."""
    found = (os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir())
    return {each for each in found if each.startswith("socket:")}


@pytest.mark.parametrize(("kind", "lends"), FORKING)
def test_a_child_that_lives_on_has_no_client_of_its_worker(
    kind: str, lends: bool, counted: Callable[[Server], Server], clients: Callable[[Server, int], list[Connection]]
) -> None:
    options = {"workers": 1, "threads": 2, "access_log": True, "lend_connections": lends, **KINDS[kind]}
    with counted(Server(app_dir=APPS, **options)) as server:
        kept, dispatcher = clients(server, 4), server.status()["dispatcher"]["pid"]
        said = told(kept[0], "/fork?how=stay")
        await_fact(lambda: not sockets(said["told"]) & sockets(dispatcher), "a child without clients", server)
        with socket.create_connection(("127.0.0.1", server.port), 5) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            while client.recv(1000):
                pass
        mark = server.mark()
        os.kill(said["pid"], signal.SIGKILL)
        server.wait_for("worker_ready", after=mark)
        for client in kept:
            told(client)
        await_fact(lambda: said["told"] not in server.tree(), "an end of what it has left", server)
    socket.create_server(("127.0.0.1", server.port)).close()


def inode(client: socket.socket) -> str:
    """What tells the server's socket of a client's connection from all others."""
    near, far = (f":{name[1]:04X}" for name in (client.getpeername(), client.getsockname()))
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    return next(f"socket:[{line[9]}]" for line in lines if line[1].endswith(near) and line[2].endswith(far))


def children(pid: int) -> list[int]:
    """Those of all threads of a process."""
    return [int(child) for file in Path(f"/proc/{pid}/task").glob("*/children") for child in file.read_text().split()]


@pytest.mark.parametrize(("kind", "lends"), [each for each in FORKING if each[0] != "asgi"])
def test_neither_has_one_that_is_forked_when_the_dispatcher_has_the_rest_of_an_answer(kind: str, lends: bool) -> None:
    options = {"workers": 1, "threads": 1, "access_log": True, "lend_connections": lends, **KINDS[kind]}
    with Server(app_dir=APPS, **options) as server, socket.create_connection(("127.0.0.1", server.port), 5) as client:
        for _ in range(4):
            client.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            assert client.recv(1000).startswith(b"HTTP/1.1 200 ")
        (worker,) = server.workers().values()
        client.sendall(b"GET /long HTTP/1.1\r\nHost: h\r\n\r\n")
        await_fact(lambda: children(worker), "a child", server)
        (child,) = children(worker)
        await_fact(lambda: inode(client) not in sockets(child), "a child without clients", server)
        assert inode(client) in sockets(server.status()["dispatcher"]["pid"])
        await_fact(lambda: bool(lent(server)) is lends, "requests on loan, or none", server)


@pytest.mark.parametrize("stream", [1, 2])
@pytest.mark.parametrize(("kind", "lends"), FORKING)
def test_what_is_printed_where_a_stream_was_closed_is_no_clients(kind: str, lends: bool, stream: int) -> None:
    options = {"workers": 1, "threads": 2, "lend_connections": lends, **KINDS[kind]}
    with Server(app_dir=APPS, **options) as server:
        for target, status in ((f"/silence?stream={stream}", 200), *[("/fail", 500), ("/", 200)] * 2):
            with Connection("127.0.0.1", server.port) as client:
                answer = client.exchange(Request(target))
                assert answer.status == status, target
                assert b"of the application's" not in answer.body
                assert client.opened
        assert not server.events("worker_died")


def test_a_child_of_a_websocket_worker_has_no_client_and_is_no_second_one() -> None:
    options = {"websocket_workers": 1, "websocket_routes": "/live/*"}
    with Server("trespasser:looped", app_dir=APPS, workers=1, **options) as server, ExitStack() as stack:

        def come(target: str) -> socket.socket:
            client = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 10))
            client.sendall(f"GET {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
            return client

        def ask(how: str) -> dict[str, int]:
            client, data = come(f"/live/fork?how={how}"), b""
            while block := client.recv(1000):
                data += block
            found: dict[str, int] = json.loads(data.partition(b"\r\n\r\n")[2])
            return found

        kept = come("/live/wait")
        for how, status in (("raise", 1), ("exit", 3), ("return", 1)):
            said = ask(how)
            assert (said["pid"], said["told"]) == (said["worker"], status), how
        worker = said["worker"]
        await_fact(lambda: inode(kept) in sockets(worker), "a client of the worker's", server)
        child = ask("stay")["told"]
        await_fact(lambda: inode(kept) not in sockets(child), "a child without it", server)
        assert inode(kept) in sockets(worker)
