"""What an application can do to its dispatcher and to others' clients by what is its worker's: nothing."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from facts import await_fact
from loans import lent

from prefork.testing import Request, Server
from prefork.testing.client import Connection

APPS = Path(__file__).parent / "apps"
KINDS = {"wsgi": "trespasser:app", "asgi": "trespasser:looped"}
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
@pytest.mark.parametrize("kind", KINDS)
def test_loans_that_an_application_hides_from_its_worker_go_on_elsewhere(
    kind: str, then: str, counted: Callable[[Server], Server], clients: Callable[[Server, int], list[Connection]]
) -> None:
    with counted(Server(KINDS[kind], app_dir=APPS, workers=2, access_log=True, lend_connections=True)) as server:
        kept, dispatcher = clients(server, 8), server.status()["dispatcher"]["pid"]
        await_fact(lambda: lent(server), "a connection on loan", server)
        guilty = server.workers()["http.1"]
        assert any(told(client, f"/remove?of={guilty}")["told"] > 1 for _ in range(50) for client in kept)
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
