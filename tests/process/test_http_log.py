"""What is written about requests, and what their clients are told when no answer comes from the application."""

import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

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
    mark, began = server.mark(), time.monotonic()
    with Wire(server) as wire:
        sent = wire.send(request("POST", "/echo?a=b", b"hello")).answer()
    event = server.wait_for("access", after=mark)
    took = time.monotonic() - began
    assert (event["client"], event["method"], event["target"]) == ("127.0.0.1", "POST", "/echo?a=b")
    assert (event["status"], event["worker"]) == (200, "http.1")
    assert event["bytes"] > len(sent.body)
    assert 0 <= event["cpu"] < 1
    assert min(event["wait"], event["service"]) >= 0
    assert 0 < event["wait"] + event["service"] <= took


def test_the_time_that_a_request_waited_is_told_apart_from_the_time_it_took(server: Server, gates: Callable[[], Gate]) -> None:
    gate, mark, began = gates(), server.mark(), time.monotonic()
    with Wire(server) as first, Wire(server) as second:
        gate.hold(first)
        second.send(request("GET", "/echo?waits"))
        until(lambda: server.status()["queue"]["oldest"] >= 0.5, "the second request to have waited half a second")
        gate.open()
        assert (first.answer().status, second.answer().status) == (200, 200)
    held = server.wait_for("access", after=mark, target=gate.target)
    waited = server.wait_for("access", after=mark, target="/echo?waits")
    assert min(held["service"], waited["wait"]) >= 0.5
    assert held["wait"] + held["service"] + waited["service"] <= time.monotonic() - began, "they have taken turns"


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
        assert event["request_id"] in page
        assert event["request_id"] == answer.headers["x-request-id"]
        assert not [word for word in INTERNAL if word in page.lower()]
        assert wire.get().status == 200, "the connection outlives the worker"


def test_an_application_that_raises_is_answered_for(server: Server) -> None:
    with Wire(server) as wire:
        answer = wire.get("/raise", Accept="text/html")
        assert answer.status == 500
        request_id = answer.headers["x-request-id"]
        assert f"Request: {request_id}" in answer.body.decode()
        assert not [word for word in INTERNAL if word in answer.body.decode()]
        assert wire.get().status == 200
    until(lambda: any("LookupError: a secret" in line for line in server.log.output), "the traceback in the log")
    assert any(line.startswith(f"prefork: GET /raise ({request_id}) raised in worker") for line in server.log.output)


@pytest.mark.parametrize("brought", ["", "9f8e7d6c5b4a39281706f5e4d3c2b1a0", "not sane", 'quo"ted'])
def test_application_client_and_log_call_a_request_by_one_name(server: Server, brought: str) -> None:
    mark = server.mark()
    with Wire(server) as wire:
        answer = wire.get("/echo?named", **({"X-Request-ID": brought} if brought else {}))
    request_id = answer.headers["x-request-id"]
    assert (request_id == brought) is brought.isalnum()
    assert json.loads(answer.body)["HTTP_X_REQUEST_ID"] == request_id
    assert server.wait_for("access", after=mark, target="/echo?named")["request_id"] == request_id


def test_a_trace_reaches_the_application_and_the_log(server: Server) -> None:
    mark, trace = server.mark(), "4bf92f3577b34da6a3ce929d0e0e4736"
    with Wire(server) as wire:
        answer = wire.get("/echo?traced", traceparent=f"00-{trace}-00f067aa0ba902b7-01", tracestate="a=1,b=2")
    said = json.loads(answer.body)
    assert (said["HTTP_TRACEPARENT"], said["HTTP_TRACESTATE"]) == (f"00-{trace}-00f067aa0ba902b7-01", "a=1,b=2")
    assert server.wait_for("access", after=mark, target="/echo?traced")["trace"] == trace


def test_a_refused_request_has_a_name_too(server: Server) -> None:
    with Wire(server) as wire:
        answer = wire.send(b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n").answer()
    assert answer.status == 400
    assert server.wait_for("request_refused", request_id=answer.headers["x-request-id"])["status"] == 400


COMBINED = (
    r'127\.0\.0\.1 - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "GET /echo\?one\\x22 HTTP/1\.1" 200 \d+ "http://a/\\x5C" "-"'
)
ODOO = (
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} \d+ INFO \? werkzeug: 127\.0\.0\.1 - - \[\d\d/\w{3}/\d{4} \d\d:\d\d:\d\d\] "
    r'"GET /echo\?one\\x22 HTTP/1\.1" 200 - 0 0\.000 \d+\.\d{3}'
)


@pytest.mark.parametrize(("format_", "expected"), [("combined", COMBINED), ("odoo", ODOO)])
def test_the_access_log_speaks_the_language_of_its_readers(echo: Echo, format_: str, expected: str) -> None:
    with echo(workers=1, access_log_format=format_, access_log_exclude="/_prefork/*,/echo") as server, Wire(server) as wire:
        assert wire.get("/_prefork/live").status == 200
        assert wire.get("/echo?unlogged").status == 200
        assert wire.get("/plain/echo?plain").status == 200
        assert wire.get("/_prefork/nothing").status == 404
        server.configure(access_log_exclude=None)
        assert server.reload()["ok"]
        assert wire.get('/echo?one"', Referer="http://a/\\").status == 200
        until(lambda: any("?one" in line for line in server.log.output), "the access line")
    lines = [line for line in server.log.output if " HTTP/1.1" in line]
    assert [line.split('"')[1].split()[1] for line in lines] == ["/plain/echo?plain", "/_prefork/nothing", "/echo?one\\x22"]
    assert re.fullmatch(expected, lines[-1]), lines


def test_an_access_line_in_json_among_lines_for_people(echo: Echo) -> None:
    server = Server("echo:app", app_dir=APPS, workers=1)
    server.command = ("sh", "-c", f'exec {sys.executable} -m prefork "$0" "$@" --log-format text --access-log-format json')
    try:
        server.launch()
        until(lambda: any("Server is ready" in line for line in server.log.output), "a line for people")
        with Wire(server) as wire:
            wire.get("/echo", **{"User-Agent": 'a "b"'})
        event = server.wait_for("access")
        assert (event["target"], event["user_agent"], event["protocol"]) == ("/echo", 'a "b"', "HTTP/1.1")
    finally:
        server.close()


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


def test_each_line_tells_journald_its_priority() -> None:
    """The kit's pipe stands for the journal: JOURNAL_STREAM names it."""
    server = Server("echo:app", app_dir=APPS, workers=1)
    journal = "JOURNAL_STREAM=$(stat -Lc %d:%i /proc/self/fd/2)"
    server.command = ("sh", "-c", f'export {journal}; exec {sys.executable} -m prefork "$0" "$1" "$2" --log-format text')
    try:
        server.launch()
        until(lambda: any("Server is ready" in line for line in server.log.output), "a line that says so")
        with Wire(server) as wire:
            assert wire.get("/raise").status == 500
        until(lambda: any("LookupError" in line for line in server.log.output), "the traceback")
        server.stop()
    finally:
        server.close()
    prefixes = [(line[:3], line[3:].split(" ")[0]) for line in server.log.output if not line.startswith("warning")]
    assert {("<6>", "prefork.master:"), ("<6>", "prefork.access:"), ("<3>", "prefork:"), ("<3>", "LookupError:")} <= set(prefixes)
    assert {priority for priority, _ in prefixes} == {"<3>", "<6>"}


# Rotation.


def logged(path: Path, text: str) -> bool:
    return path.exists() and text in path.read_text()


def writes_to(pid: int) -> set[str]:
    """The files that are standard output and error of a process."""
    return {os.readlink(f"/proc/{pid}/fd/{number}") for number in (1, 2)}


@pytest.mark.parametrize("preload", ["true", "false"])
def test_after_a_rotation_everybody_writes_to_the_new_file(tmp_path: Path, gates: Callable[[], Gate], preload: str) -> None:
    """Master and dispatcher, an idle worker at once, a busy one after its request, and one that is forked afterwards."""
    gate, old, new = gates(), tmp_path / "log.1", tmp_path / "log"
    server = Server("echo:app", app_dir=APPS, workers=2, logfile=new, preload=preload)
    server.launch()
    try:
        until(lambda: logged(new, "server_ready"), "a server that is ready")
        with Wire(server) as busy:
            gate.hold(busy)
            states = {worker["state"]: worker["pid"] for worker in server.status()["workers"]}
            new.rename(old)
            server.signal(signal.SIGUSR1)
            until(lambda: writes_to(states["idle"]) == {str(new)}, "the idle worker to write to the new file")
            assert writes_to(server.status()["dispatcher"]["pid"]) == {str(new)}
            assert writes_to(states["busy"]) == {str(old)}, "nothing happens in the middle of a request"
            gate.open()
            assert busy.answer().status == 200
            until(lambda: writes_to(states["busy"]) == {str(new)}, "the busy worker to write to the new file")
            server.scale(3)
            until(lambda: len(server.workers()) == 3, "a third worker")
            (third,) = set(server.workers().values()) - set(states.values())
            assert writes_to(third) == {str(new)}
            assert busy.get("/print?text=new").status == 200
        assert server.stop() == 0
        assert all(logged(new, text) for text in ("stdout new", "stderr new", "worker_ready", "/print?text=new", '"stopped"'))
    finally:
        server.close()


def test_an_application_that_writes_elsewhere_goes_on_doing_so(tmp_path: Path) -> None:
    elsewhere, new = tmp_path / "elsewhere", tmp_path / "log"
    server = Server("echo:app", app_dir=APPS, workers=1, logfile=new)
    server.launch()
    try:
        until(lambda: logged(new, "server_ready"), "a server that is ready")
        with Wire(server) as wire:
            assert wire.get(f"/redirect?file={elsewhere}").status == 200
            (pid,) = server.workers().values()
            new.rename(tmp_path / "log.1")
            server.signal(signal.SIGUSR1)
            until(lambda: str(new) in writes_to(pid), "standard output to be the new file")
            assert wire.get("/print?text=here").status == 200
            until(lambda: logged(new, "stdout here") and logged(elsewhere, "stderr here"), "both lines")
    finally:
        server.close()


def test_a_log_that_cannot_be_opened_again_is_written_on(tmp_path: Path) -> None:
    place, moved = tmp_path / "logs", tmp_path / "moved"
    place.mkdir()
    server = Server("echo:app", app_dir=APPS, workers=1, logfile=place / "log")
    server.launch()
    try:
        until(lambda: logged(place / "log", "server_ready"), "a server that is ready")
        place.rename(moved)
        server.signal(signal.SIGUSR1)
        until(lambda: logged(moved / "log", "rotation_failed"), "the event")
        with Wire(server) as wire:
            assert wire.get("/print?text=still").status == 200
        until(lambda: logged(moved / "log", "stderr still"), "the application's line")
        assert not logged(moved / "log", "fault_contained")
    finally:
        server.close()


def forged(server: Server) -> list[str]:
    """The lines that hold what a client has made up."""
    return [line for line in server.log.output if "FORGED" in line]
