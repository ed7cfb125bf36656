"""Odoo's bus in websocket workers, on a stand-in for Odoo; `make test-odoo` runs on the real one."""

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from facts import await_fact
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from prefork.testing import Connection, Request, Server

TREE = Path(__file__).parent.parent / "stand_in"
WITHIN = 15.0


def odoo(tree: Path = TREE, **options: Any) -> Server:
    own = {"db_name": "shop", "http_interface": "127.0.0.1", "workers": 1, "websocket_workers": 1, "max_cron_threads": 0}
    return Server(None, odoo=tree, **{**own, **options})


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with odoo() as server:
        yield server


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stand-in of the time before WebSockets."""
    tree = tmp_path_factory.mktemp("odoo") / "15.0"
    shutil.copytree(TREE, tree)
    (tree / "odoo" / "addons" / "bus" / "websocket.py").unlink()
    return tree


def ask(server: Server, target: str, port: int = 0) -> Any:
    with Connection("127.0.0.1", port or server.port) as connection:
        return connection.exchange(Request(target), close=True)


def joined(server: Server, port: int = 0, origin: str = "") -> ClientConnection:
    url = f"ws://127.0.0.1:{port or server.port}/websocket"
    return connect(url, origin=origin or server.url, compression=None, ping_interval=None, legacy=True)


def say(socket: ClientConnection, event: str, **data: object) -> None:
    socket.send(json.dumps({"event_name": event, "data": data}))


def ended(socket: ClientConnection) -> int:
    """The code that it is closed with, whatever is heard before."""
    with socket, pytest.raises(ConnectionClosed) as closed:
        all(socket.recv(WITHIN) for _ in iter(int, 1))
    assert closed.value.rcvd
    return closed.value.rcvd.code


def test_what_an_http_worker_publishes_is_heard_at_both_ports_and_from_where_one_was(server: Server) -> None:
    last = 0
    for port in (server.port, server.websocket_port):
        with joined(server, port) as socket:
            assert socket.response
            assert socket.response.headers["Set-Cookie"] == "session_id=abc"
            say(socket, "subscribe", channels=["news"], last=last)
            assert ask(server, f"/publish?text=at{port}").status == 200
            (heard,) = json.loads(socket.recv(WITHIN))
            assert heard["message"] == f"at{port}"
            last = heard["id"]


def test_odoo_is_told_when_a_client_leaves(server: Server) -> None:
    left = Path(server.data_dir, "left")
    before = left.read_text().count("one") if left.exists() else 0
    joined(server).close()
    await_fact(lambda: left.exists() and left.read_text().count("one") > before, "somebody who has left", server)


def test_the_session_of_a_visitor_is_not_for_pages_of_others(server: Server) -> None:
    with pytest.raises(InvalidStatus) as refused:
        joined(server, origin="https://evil.example")
    assert refused.value.response.status_code == 403
    assert "https://evil.example" in server.wait_for("websocket_ended", code=403)["reason"]


def test_odoo_ends_who_says_too_much_and_who_cannot_subscribe_comes_again(server: Server) -> None:
    talker, unlucky = joined(server), joined(server)
    for _ in range(30):
        say(talker, "nothing")
    assert ended(talker) == 1013
    say(unlucky, "away")
    assert ended(unlucky) == 1013


def test_a_message_that_odoo_cannot_read_ends_one_connection(server: Server) -> None:
    with joined(server) as other:
        wrong = joined(server)
        wrong.send("no JSON")
        assert ended(wrong) == 1011
        say(other, "subscribe", channels=["news"], last=10**6)
    assert not server.events("worker_died")


def test_the_live_port_serves_what_stands_beside_the_path(server: Server) -> None:
    assert json.loads(ask(server, "/pid", server.websocket_port).body)["master"] == server.pid


def test_a_session_that_has_ended_and_a_reload_end_connections_with_their_codes(server: Server) -> None:
    first = joined(server)
    server.reload()
    assert ended(first) == 1012
    second = joined(server)
    say(second, "subscribe", channels=["news"], last=10**6)
    expired = Path(server.data_dir, "expired")
    expired.touch()
    ask(server, "/publish?text=late")
    assert ended(second) == 4001
    expired.unlink()


def test_a_node_without_http_workers_does_it_all_and_renews_old_connections() -> None:
    with odoo(http_enable=False, websocket_keep_alive_timeout=0.1, websocket_ping=1) as server:
        assert json.loads(ask(server, "/pid", server.websocket_port).body)["master"] == server.pid
        assert ended(joined(server, server.websocket_port)) == 4002


def polled(server: Server, port: int, last: int, **options: object) -> Any:
    body = json.dumps({"channels": ["news"], "last": last, "options": options}).encode()
    with Connection("127.0.0.1", port) as connection:
        answer = connection.exchange(Request("/longpolling/poll", "POST", {"Content-Type": "application/json"}, body), close=True)
    assert answer.status == 200, answer
    return json.loads(answer.body)


def waiting(server: Server) -> bool:
    return server.status()["websocket"]["connections"] == 1


def test_a_long_poll_is_answered_when_something_is_published_or_the_worker_leaves(older: Path) -> None:
    with odoo(older) as server, ThreadPoolExecutor(1) as pool:
        for number, port in enumerate((server.port, server.websocket_port)):
            poll = pool.submit(polled, server, port, number)
            await_fact(lambda: waiting(server), "a poll", server)
            ask(server, f"/publish?text=at{port}")
            assert [each["message"] for each in poll.result(WITHIN)] == [f"at{port}"]
        assert [each["id"] for each in polled(server, server.port, 0)] == [1, 2], "what there is is told at once"
        assert polled(server, server.port, 2, peek=True)["notifications"] == []
        poll = pool.submit(polled, server, server.port, 2)
        await_fact(lambda: waiting(server), "a poll", server)
        server.reload()
        assert poll.result(WITHIN) == []
        assert not server.events("websockets_missing")
