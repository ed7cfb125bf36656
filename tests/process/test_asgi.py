"""An ASGI application over HTTP: what it is told, what becomes of what it says, and how many it serves at a time."""

import contextlib
import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prefork.testing import Server

from .conftest import Echo
from .wire import Gate, Wire, request, until

MIB = 1 << 20
APP = "looped:app"


@pytest.fixture(scope="module")
def two(echo: Echo) -> Any:
    """Two workers of the application, for tests that leave them as they were."""
    with echo(APP, workers=2, concurrency=4) as server:
        yield server


@pytest.fixture(scope="module")
def one(echo: Echo) -> Any:
    with echo(APP, workers=1, concurrency=3, faults=("LookupError", "RuntimeError", "FileNotFoundError")) as server:
        yield server


def said(wire: Wire, target: str = "/echo", method: str = "GET", body: bytes = b"", **headers: str) -> dict[str, Any]:
    answer = wire.send(request(method, target, body, **headers)).answer(method)
    assert answer.status == 200
    decoded: dict[str, Any] = json.loads(answer.body)
    return decoded


def seen(server: Server) -> dict[str, Any]:
    with Wire(server) as wire:
        return said(wire, "/seen")


def test_it_is_told_what_was_asked(two: Server) -> None:
    with Wire(two) as wire:
        scope = said(wire, "/echo/a%20b%C3%A4?x=1&y", "PUT", b"body", X_Thing="1")
        assert (scope["type"], scope["http_version"], scope["method"], scope["scheme"]) == ("http", "1.1", "PUT", "http")
        assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/echo/a bä", "/echo/a%20b%C3%A4", "x=1&y")
        assert scope["root_path"] == ""
        assert ["x-thing", "1"] in scope["headers"]
        assert scope["client"] == list(wire.socket.getsockname())
        assert scope["server"] == ["127.0.0.1", two.port]
        assert scope["length"] == 4
        assert scope["state"], "the lifespan has run on the loop that serves requests"
        assert scope["prefork.attempt"] == 1


def test_a_large_body_comes_in_parts(two: Server) -> None:
    with Wire(two) as wire:
        scope = said(wire, "/echo", "POST", b"x" * MIB)
        assert scope["length"] == MIB
        assert scope["parts"] >= 16, "none is larger than 64 KiB"


def test_an_answer_of_one_part_says_its_length(two: Server) -> None:
    with Wire(two) as wire:
        assert wire.get("/whole?size=10").headers["content-length"] == "10"
        head = wire.send(request("HEAD", "/whole?size=10")).answer("HEAD")
        assert (head.status, head.headers["content-length"]) == (200, "10")
        assert wire.get("/whole?size=0").body == b"", "the connection is still in step"


def test_the_head_of_a_stream_is_all_that_head_wants(one: Server) -> None:
    with Wire(one) as wire:
        assert wire.send(request("HEAD", "/stream?parts=1000000000&size=1000")).answer("HEAD").status == 200
        assert said(wire)["method"] == "GET", "the connection is kept, and the loop turns"
    until(lambda: one.status()["workers"][0]["in_flight"] == 0, "the stream to have an end")


def test_an_answer_of_many_parts_is_streamed(two: Server) -> None:
    with Wire(two) as wire:
        answer = wire.get("/stream?parts=50&size=1000")
        assert answer.headers["transfer-encoding"] == "chunked"
        assert answer.body == b"x" * 50_000


def test_who_reads_slowly_slows_down_its_own_request_only(one: Server) -> None:
    with Wire(one, window=4096) as slow, Wire(one) as quick:
        slow.send(request("GET", "/stream?parts=100&size=100000"))
        until(lambda: 0 < said(quick, "/seen").get("sent", 0) < 90, "the beginning to be sent")
        until(lambda: one.status()["workers"][0]["state"] in {"busy", "waiting"}, "the writer to wait")
        before = said(quick, "/seen")["sent"]
        for _ in range(20):
            said(quick)
        assert said(quick, "/seen")["sent"] <= before + 20 < 90, "the application waits for its client"
        assert len(slow.answer().body) == 10_000_000


def test_time_in_which_its_client_has_yet_to_read_is_no_time_of_a_request(echo: Echo) -> None:
    with echo(APP, workers=1, concurrency=3, limit_time_real=2) as server, Wire(server, window=4096) as slow:
        slow.send(request("GET", "/stream?parts=100&size=100000"))
        for _ in range(10):
            threading.Event().wait(0.3)
            slow.got += slow.socket.recv(50_000)
        assert len(slow.answer().body) == 10_000_000
        assert not server.events("request_cancelled")


def test_what_is_written_last_holds_no_place(one: Server) -> None:
    with Wire(one, window=4096) as slow, Wire(one) as quick:
        before = said(quick, "/seen")["finished"]
        slow.send(request("GET", f"/whole?size={8 * MIB}"))
        until(lambda: said(quick, "/seen")["finished"] > before, "the application to be done")
        until(lambda: one.status()["workers"][0]["in_flight"] == 0, "the place to be free")
        assert len(slow.answer().body) == 8 * MIB


def test_who_leaves_is_noticed(one: Server) -> None:
    before = seen(one)["disconnected"]
    with Wire(one) as wire:
        wire.send(request("GET", "/wait"))
        until(lambda: one.status()["workers"][0]["in_flight"] == 1, "the request to be there")
    until(lambda: seen(one)["disconnected"] == before + 1, "http.disconnect")


def test_who_leaves_in_a_stream_ends_it(one: Server) -> None:
    before = seen(one)["refused"]
    with Wire(one, window=4096) as wire:
        wire.send(request("GET", "/stream?parts=1000&size=100000"))
        until(lambda: one.status()["workers"][0]["in_flight"] == 1, "the request to be there")
    until(lambda: seen(one)["refused"] == before + 1, "send to raise OSError")
    until(lambda: one.status()["workers"][0]["in_flight"] == 0, "the place to be free")


def test_a_file_is_sent_by_its_path(one: Server, tmp_path: Path) -> None:
    file = tmp_path / "large"
    file.write_bytes(os.urandom(3 * MIB))
    with Wire(one) as wire:
        answer = wire.get(f"/file?path={file}")
        assert answer.headers["content-length"] == str(3 * MIB)
        assert answer.body == file.read_bytes()
        assert wire.get("/file?path=/no/such/file").status == 500


def test_hints_come_before_the_answer(two: Server) -> None:
    with Wire(two) as wire:
        early = wire.get("/hint")
        assert (early.status, early.headers["link"]) == (103, "</style.css>; rel=preload")
        assert wire.answer().status == 200
        assert said(wire)["method"] == "GET"


def test_an_application_that_raises(one: Server) -> None:
    with Wire(one) as wire:
        assert wire.get("/raise").status == 500
        assert wire.get("/raise?silent=1").status == 500
        assert said(wire)["method"] == "GET", "the connection is kept"
        wire.send(request("GET", "/raise?late=1"))
        with pytest.raises(ConnectionResetError):
            wire.rest()


def test_its_client_need_not_wait_for_what_comes_after_the_answer(one: Server, gates: Callable[[], Gate]) -> None:
    gate = gates()
    before = seen(one)["finished"]
    with Wire(one) as wire:
        said(wire, f"/after?gate={gate.path}")
        gate.await_entry()
        assert said(wire, "/seen")["finished"] == before, "the next request on the same connection"
        assert one.status()["workers"][0]["state"] == "busy", "it counts as busy meanwhile"
        gate.open()
        until(lambda: said(wire, "/seen")["finished"] == before + 1, "the rest to be done")
    until(lambda: one.status()["workers"][0]["in_flight"] == 0, "the place to be free")


def test_as_many_at_a_time_as_it_is_told_and_others_wait(one: Server, gates: Callable[[], Gate]) -> None:
    held = [gates() for _ in range(3)]
    wires = [Wire(one) for _ in range(4)]
    for wire, gate in zip(wires, held, strict=False):
        gate.hold(wire)
    wires[3].send(request("GET", "/echo"))
    until(lambda: one.status()["queue"]["length"] == 1, "a request to wait")
    for gate in held:
        gate.open()
    for wire in wires:
        assert wire.answer().status == 200
        wire.socket.close()


def test_the_worker_with_the_fewest_requests_is_next(two: Server, gates: Callable[[], Gate]) -> None:
    held = [gates() for _ in range(4)]
    wires = [Wire(two) for _ in held]
    for wire, gate in zip(wires, held, strict=True):
        gate.hold(wire)
    until(lambda: [row["in_flight"] for row in two.status()["workers"]] == [2, 2], "two requests with each")
    for wire, gate in zip(wires, held, strict=True):
        gate.open()
        assert wire.answer().status == 200
        wire.socket.close()


def test_a_loop_that_is_held_up_gets_nothing_new(two: Server, gates: Callable[[], Gate]) -> None:
    gate = gates()
    with Wire(two) as blocked, Wire(two) as wire:
        blocked.send(request("GET", f"/block?gate={gate.path}"))
        gate.await_entry()
        until(lambda: any(row["lag"] > 0.1 for row in two.status()["workers"]), "its last turn to be long ago")
        pids = {said(wire)["pid"] for _ in range(10)}
        gate.open()
        pid = json.loads(blocked.answer().body)["pid"]
        assert pid not in pids
    until(lambda: pid in {said_by(two) for _ in range(4)}, "it to be given requests again")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_loop_that_has_no_descriptor_left_loses_nobody(echo: Echo, gates: Callable[[], Gate], workers: int) -> None:
    with echo(APP, workers=workers, concurrency=4) as server, contextlib.ExitStack() as stack:
        held = [(stack.enter_context(Wire(server)), gates()) for _ in range(workers)]
        for wire, gate in held:
            gate.hold(wire)
        pid = json.loads(wired(server, "/lack"))["pid"]
        for _ in range(20):
            assert json.loads(wired(server, "/echo"))["pid"] != pid, "others wait for its replacement, if need be"
        for wire, gate in held:
            gate.open()
            assert wire.answer().status == 200, "what it has goes on"
        until(lambda: pid not in {row["pid"] for row in server.status()["workers"]}, "it to be replaced")
        assert not server.events("worker_died")
        assert sum("none for a request" in line for line in server.log.output) == 1


def wired(server: Server, target: str) -> bytes:
    """The answer to a request on a connection of its own."""
    with Wire(server) as wire:
        answer = wire.get(target)
        assert answer.status == 200
        return answer.body


def test_a_loop_that_is_ready_turns(echo: Echo, gates: Callable[[], Gate]) -> None:
    gate = gates()
    with echo(APP, workers=1, worker_ready="looped:hold_first_turn", env={"GATE": str(gate.path)}) as server:
        gate.await_entry()
        until(lambda: server.status()["workers"][0]["lag"] > 0.1, "its last turn, which was before it was ready, to be long ago")
        gate.open()


def said_by(server: Server) -> int:
    with Wire(server) as wire:
        return int(said(wire)["pid"])


def test_status_and_log_call_it_one_worker(two: Server) -> None:
    rows = two.status()["workers"]
    assert [row["name"] for row in rows] == ["http.1", "http.2"]
    assert two.status()["concurrency"] == 4
    assert {event["worker"] for event in two.events("access")} <= {"http.1", "http.2"}


def test_a_lifespan_that_fails_is_a_worker_that_is_not_ready(echo: Echo) -> None:
    server = Server(APP, app_dir=Path(__file__).parent / "apps", env={"LIFESPAN": "failed"})
    server.launch()
    try:
        assert server.exit_status() == 3
        assert "lifespan.startup.failed: no such database" in server.events("boot_failed")[0]["reason"]
    finally:
        server.close()


def test_a_lifespan_ends_after_the_last_request(echo: Echo, tmp_path: Path, gates: Callable[[], Gate]) -> None:
    goodbye, gate = tmp_path / "goodbye", gates()
    with echo(APP, workers=1, env={"GOODBYE": str(goodbye)}) as server, Wire(server) as wire:
        pid = said(wire)["pid"]
        gate.hold(wire)
        server.signal(signal.SIGTERM)
        server.wait_for("stopping")
        assert not goodbye.exists()
        gate.open()
        assert wire.answer().status == 200
        assert server.exit_status() == 0
    assert goodbye.read_text() == f"{pid}\n"


def test_an_interface_that_is_said_counts(echo: Echo) -> None:
    with echo(APP, workers=1, interface="asgi", preload="false", concurrency=2) as server, Wire(server) as wire:
        assert said(wire)["type"] == "http"


@pytest.mark.parametrize(
    ("options", "event", "sentence"),
    [
        ({"app": "echo:app", "concurrency": 2}, "template_failed", "concurrency = 2: echo:app is a WSGI application"),
        ({"app": APP, "preload": "false"}, "boot_failed", "set interface = asgi"),
    ],
)
def test_what_does_not_fit_is_refused(options: dict[str, str], event: str, sentence: str) -> None:
    server = Server(app_dir=Path(__file__).parent / "apps", **options)  # type: ignore[arg-type]
    server.launch()
    try:
        assert server.exit_status() == 3
        assert sentence in server.events(event)[0]["reason"]
    finally:
        server.close()


def test_an_address_that_a_unix_socket_has_not(echo: Echo, tmp_path: Path) -> None:
    path = tmp_path / "http.sock"
    with echo(APP, workers=1, http_interface=f"unix:{path}") as server, Wire(server, path) as wire:
        assert "client" not in said(wire), "it is None, which this application does not tell"


def test_without_workers_one_process_serves_as_many(echo: Echo, gates: Callable[[], Gate]) -> None:
    gate = gates()
    with echo(APP, workers=0, concurrency=2) as server, Wire(server) as held, Wire(server) as wire:
        gate.hold(held)
        assert said(wire)["method"] == "GET"
        status = server.status()
        assert (status["threads"], status["concurrency"], status["ready"], status["wanted"]) == (None, 2, 1, 1)
        gate.open()
        assert held.answer().status == 200
