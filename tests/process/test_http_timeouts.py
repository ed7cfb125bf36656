"""How long a client may take, and how many may wait."""

import contextlib
import json
from collections.abc import Callable, Iterator

import pytest

from prefork.testing import Server

from .conftest import Echo
from .wire import HEAD, TIMEOUT, Gate, Wire, request, until

SHORT = 1.0  # seconds
OPTIONS = {"header_timeout": SHORT, "body_timeout": SHORT, "keepalive_timeout": SHORT, "queue_timeout": SHORT, "queue_size": 2}


@pytest.fixture(scope="module")
def server(echo: Echo) -> Iterator[Server]:
    with echo(workers=1, **OPTIONS) as server:
        yield server


@pytest.fixture
def wire(server: Server) -> Iterator[Wire]:
    with Wire(server) as wire:
        yield wire


def test_a_client_that_sends_nothing_is_closed_without_a_word(wire: Wire) -> None:
    assert wire.rest() == b""


def test_empty_lines_do_not_keep_a_connection_open(wire: Wire) -> None:
    def refused() -> bool:
        try:
            wire.send(b"\r\n")
        except ConnectionError:
            return True
        return False

    until(refused, "the connection to be closed")


def test_a_head_that_does_not_arrive_in_time_gets_408(server: Server, wire: Wire) -> None:
    answer = wire.send(HEAD[:-4]).answer()
    assert answer.status == 408
    assert wire.rest() == b""
    server.wait_for("request_refused", request_id=answer.headers["x-request-id"])


def test_a_body_that_does_not_arrive_in_time_gets_408(server: Server, wire: Wire) -> None:
    answer = wire.send(request("POST", "/echo", b"hello")[:-1]).answer()
    assert answer.status == 408
    assert wire.rest() == b""
    server.wait_for("request_refused", request_id=answer.headers["x-request-id"])


def test_an_idle_connection_is_closed_after_its_time(server: Server, wire: Wire) -> None:
    mark = server.mark()
    assert wire.get().status == 200
    assert wire.rest() == b""
    assert not server.events("request_refused", after=mark)


def test_a_keepalive_timeout_of_zero_is_announced(echo: Echo) -> None:
    with echo(workers=1, keepalive_timeout=0) as server:
        for target in ("/echo", "/_prefork/live"):
            with Wire(server) as wire:
                assert wire.get(target).headers["connection"] == "close"
                assert wire.rest() == b""
        with Wire(server) as wire:
            wire.send(HEAD + HEAD)
            assert wire.answer().headers["connection"] == "close"
            assert wire.rest() == b""


def test_a_request_that_waits_too_long_gets_503_and_the_next_on_its_connection_is_served(
    server: Server, gates: Callable[[], Gate]
) -> None:
    gate, mark = gates(), server.mark()
    with Wire(server) as first, contextlib.ExitStack() as stack:
        gate.hold(first)
        wire = stack.enter_context(Wire(server))  # now: it has its time for a head, too
        answer = wire.send(request("POST", "/echo?waits", b"x" * 100_000, Accept="application/json") + HEAD).answer()
        assert answer.status == 503
        assert int(answer.headers["retry-after"]) > 0
        event = server.wait_for("request_failed", after=mark, target="/echo?waits")
        assert (event["status"], event["request_id"]) == (503, json.loads(answer.body)["request_id"])
        assert SHORT <= server.wait_for("access", after=mark, target="/echo?waits")["wait"] < TIMEOUT
        gate.open()
        assert first.answer().status == 200
        assert wire.answer().status in {200, 503}, "the request behind it has its own time to wait"


def test_a_full_queue_is_answered_at_once(echo: Echo, gates: Callable[[], Gate]) -> None:
    gate = gates()
    with echo(workers=1, queue_size=2) as server, Wire(server) as first, Wire(server) as late:
        gate.hold(first)
        waiting = [Wire(server).send(request("GET", f"/echo?{number}")) for number in range(2)]
        until(lambda: json.loads(late.get("/_prefork/saturation").body)["queue"] == 2, "two requests to wait")
        # The answers to requests that cannot wait must not overtake, nor end the connection.
        late.send(HEAD * 3 + request("GET", "/_prefork/live"))
        for _ in range(3):
            answer = late.answer()
            assert (answer.status, "retry-after" in answer.headers) == (503, True)
            assert server.wait_for("access", request_id=answer.headers["x-request-id"])["status"] == 503
        assert late.answer().status == 200
        server.wait_for("queue_full", length=2)
        gate.open()
        assert first.answer().status == 200
        for number, wire in enumerate(waiting):
            assert json.loads(wire.answer().body)["QUERY_STRING"] == str(number)
            wire.socket.close()
        assert late.get().status == 200
        assert len(server.events("queue_full")) == 1
        with Wire(server) as strange:
            assert strange.send(b"no request\r\n\r\n").answer().status == 400
        status = server.status()
        assert (status["lanes"][-1]["shed"], status["dispatcher"]["refused"]) == (3, 1), "what cannot be read is not too much"
