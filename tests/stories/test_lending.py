"""Workers that read the requests of kept-alive connections themselves, and what must hold all the same."""

import os
import signal
from collections.abc import Callable

import pytest
from facts import await_fact

from prefork.testing import Load, Request, Server
from prefork.testing.client import Connection

Probe = Callable[..., Server]
pytestmark = pytest.mark.story


def lent(server: Server) -> list[str]:
    """The ids of the requests that workers have read themselves, as the access log names them."""
    return [event["request_id"] for event in server.events("access") if "." in event["request_id"]]


def test_each_request_is_in_the_access_log_once_whoever_has_read_it(probe: Probe) -> None:
    with probe(workers=2, access_log=True, lend_connections=True) as server:
        with Load(server.url, threads=4) as load:
            load.wait(400)
            outcome = load.stop()
        assert not outcome.failed, outcome.summary()
        await_fact(lambda: len(server.events("access")) >= outcome.ok, "an entry for each request", server)
        entries = server.events("access")
        ids = [entry["request_id"] for entry in entries]
        assert len(entries) == outcome.ok
        assert len(set(ids)) == len(ids)
        assert lent(server), "nothing was lent"


def test_kills_lose_no_request_of_a_connection_on_loan(probe: Probe) -> None:
    with probe(workers=2, access_log=True, lend_connections=True) as server, Load(server.url, threads=4) as load:
        for _ in range(4):
            load.wait(100)
            mark = server.mark()
            server.kill(min(server.workers()))
            server.wait_for("worker_died", after=mark)
            server.wait_for("worker_ready", after=mark)
        load.wait(100)
        outcome = load.stop()
        assert not outcome.failed, outcome.summary()
        assert outcome.reconnects == 0, "a kept-alive connection was closed because a worker died"
        assert lent(server), "nothing was lent"


def test_what_a_stopped_worker_has_on_loan_goes_on_elsewhere(probe: Probe) -> None:
    with probe(workers=2, access_log=True, lend_connections=True) as server:
        kept = [Connection("127.0.0.1", server.port) for _ in range(6)]
        for client in kept * 4:
            assert client.exchange(Request("/")).status == 200
        await_fact(lambda: lent(server), "a connection on loan", server)
        os.kill(server.workers()["http.1"], signal.SIGSTOP)
        for client in kept * 2:
            assert client.exchange(Request("/")).status == 200
        for client in kept:
            client.close()
