"""What is written about requests, and what their clients are told when no answer comes from the application."""

import re
import sys
from collections.abc import Callable, Iterator

import pytest

from prefork.testing import Server

from .conftest import APPS, Echo
from .wire import Gate, Wire, request, until

INTERNAL = ("Traceback", "LookupError", "secret", "http.1", "pid", "echo.py", "prefork", "worker")


@pytest.fixture(scope="module")
def server(echo: Echo) -> Iterator[Server]:
    with echo(workers=1, faults=["a secret of the application"]) as server:
        yield server


@pytest.fixture(scope="module")
def people() -> Iterator[Server]:
    """A server whose log is for people: the kit asks for JSON."""
    server = Server("echo:app", app_dir=APPS, workers=1)
    server.command = ("sh", "-c", f'exec {sys.executable} -m prefork "$0" "$1" "$2" --log-format text')
    try:
        server.launch()
        until(lambda: any("Server is ready" in line for line in server.log.output), "a line that says so")
        yield server
    finally:
        server.close()


def test_the_access_log_tells_what_was_asked_and_what_it_took(server: Server) -> None:
    mark = server.mark()
    with Wire(server) as wire:
        sent = wire.send(request("POST", "/echo?a=b", b"hello")).answer()
    event = server.wait_for("access", after=mark)
    assert (event["client"], event["method"], event["target"]) == ("127.0.0.1", "POST", "/echo?a=b")
    assert (event["status"], event["worker"]) == (200, "http.1")
    assert event["bytes"] > len(sent.body)
    assert 0 <= event["cpu"] < 1
    assert 0 <= event["wait"] < 1
    assert 0 < event["service"] < 5


def test_the_time_that_a_request_waited_is_told_apart_from_the_time_it_took(server: Server, gates: Callable[[], Gate]) -> None:
    gate, mark = gates(), server.mark()
    with Wire(server) as first, Wire(server) as second:
        first.send(request("GET", gate.target))
        gate.await_entry()
        second.send(request("GET", "/echo?waits"))
        until(lambda: server.status()["queue"]["oldest"] >= 0.5, "the second request to have waited half a second")
        gate.open()
        assert (first.answer().status, second.answer().status) == (200, 200)
    held = server.wait_for("access", after=mark, target=gate.target)
    waited = server.wait_for("access", after=mark, target="/echo?waits")
    assert held["wait"] < 0.5 < held["service"]
    assert waited["service"] < 0.5 <= waited["wait"]


@pytest.mark.parametrize("accept", ["application/json", "text/html,application/xhtml+xml,*/*;q=0.8", "*/*"])
def test_an_error_page_refers_to_the_log_and_betrays_nothing(server: Server, accept: str) -> None:
    mark = server.mark()
    with Wire(server) as wire:
        answer = wire.send(request("POST", "/die", b"x", Accept=accept)).answer()
        page = answer.body.decode()
        assert answer.status == 502
        kind = "application/json" if "json" in accept else "text/html; charset=utf-8"
        assert answer.headers["content-type"] == kind
        event = server.wait_for("request_failed", after=mark, target="/die")
        assert (event["status"], event["worker"], event["method"]) == (
            502,
            server.wait_for("worker_died", after=mark)["worker"],
            "POST",
        )
        assert event["reference"] in page
        assert not [word for word in INTERNAL if word in page.lower()]
        assert wire.get().status == 200, "the connection outlives the worker"


def test_an_application_that_raises_is_answered_for(server: Server) -> None:
    with Wire(server) as wire:
        answer = wire.get("/raise", Accept="text/html")
        assert answer.status == 500
        assert not [word for word in INTERNAL if word in answer.body.decode()]
        assert wire.get().status == 200
    until(lambda: any("LookupError: a secret" in line for line in server.log.output), "the traceback in the log")


@pytest.mark.parametrize(
    "odd", [b"%0a%1b", b'"\\', b"'", b"\x1b[31m", b"\n", b"\r", b"\0", b"\xc2\x85", b"\xe2\x80\xa8", b"\x9b"], ids=repr
)
def test_a_target_cannot_forge_a_line_of_the_log(people: Server, odd: bytes) -> None:
    before = forged(people)
    with Wire(people) as wire:
        answer = wire.send(b"GET /echo?" + odd + b"FORGED HTTP/1.1\r\nHost: x\r\n\r\n").answer()
    until(lambda: len(forged(people)) > len(before) or answer.status == 400, "the access line")
    assert len(forged(people)) == len(before) + (answer.status == 200)
    for line in forged(people):
        assert re.match(r"\d{4}-\d\d-\d\d .* INFO prefork.access: 127.0.0.1 .GET /echo\S+FORGED. 200 ", line), line
        assert line.isascii()
        assert line.isprintable()


def forged(server: Server) -> list[str]:
    """The lines that hold what a client has made up."""
    return [line for line in server.log.output if "FORGED" in line]
