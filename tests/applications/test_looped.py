"""What frameworks of ASGI do of their own accord over HTTP reaches their clients, through a reload and kills as well."""

import hashlib
import http.client
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from tests.process.wire import Wire, request, until

from prefork.testing import Answer, Connection, Load, Request, Server

from .environments import HERE
from .frameworks.notes import PART

FRAMEWORKS = HERE / "frameworks"
BOUNDARY = "a-line-that-is-not-in-the-file"
Serve = Callable[..., Server]


@pytest.fixture(scope="module")
def serve(install: Callable[[str], Path]) -> Serve:
    """Makes a server of a framework's application."""
    python = install("frameworks") / "bin" / "python"
    return lambda name, **options: Server(f"web_{name}:app", FRAMEWORKS, python, websocket_workers=0, **options)


@pytest.fixture(scope="module", params=["fastapi", "starlette", "litestar", "quart", "django"])
def server(request: pytest.FixtureRequest, serve: Serve) -> Iterator[Server]:
    """A server of each, with one worker."""
    with serve(request.param, workers=1) as server:
        assert server.status()["concurrency"] == 128, "it was taken for an application of ASGI"
        yield server
        assert not server.events("worker_died")
        assert not server.events("fault_contained")


def ask(server: Server, target: str, method: str = "GET", body: bytes = b"", **headers: str) -> Answer:
    with Connection("127.0.0.1", server.port) as connection:
        return connection.exchange(
            Request(target, method, {name.replace("_", "-"): value for name, value in headers.items()}, body)
        )


def lines(trace: Path) -> list[str]:
    return trace.read_text().splitlines() if trace.exists() else []


@pytest.mark.parametrize("text", ["wörter", "日本/東京", "Ωμέγα & more?", "100 % +", "🎈"])
def test_paths_and_queries_in_every_script(server: Server, text: str) -> None:
    said = json.loads(ask(server, f"/said/{quote(text)}?{urlencode({'q': [text, '']}, doseq=True)}").body)
    assert (said["path"], said["q"]) == (text, [text, ""])


def test_a_stream_arrives_whole(server: Server, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    assert ask(server, f"/stream?parts=40&trace={trace}").body == PART * 40
    until(lambda: lines(trace) == ["closed"], "the generator to be closed")


def test_a_stream_without_end_ends_when_its_reader_leaves(server: Server, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    with Wire(server, window=4096) as leaving:
        leaving.send(request("GET", f"/stream?parts=-1&trace={trace}"))
        assert leaving.socket.recv(1)
    until(lambda: in_flight(server) == 0, "the place to be free")
    assert "Traceback" not in server.log.text(), "who leaves is no fault of the application"


def in_flight(server: Server) -> int:
    return int(server.status()["workers"][0]["in_flight"])


def test_a_file_is_sent_whole(server: Server, tmp_path: Path) -> None:
    book = tmp_path / "book"
    book.write_bytes(os.urandom(3 << 20))
    got = ask(server, f"/file?path={book}")
    assert got.body == book.read_bytes()


@pytest.mark.parametrize("size", [10, 5 << 20])
def test_a_form_with_a_file(server: Server, size: int) -> None:
    content = os.urandom(size)
    field = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="title"\r\n\r\nWörter\r\n'
    file = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\nContent-Type: text/plain\r\n\r\n'
    form = (field + file).encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()
    got = json.loads(ask(server, "/upload", "POST", form, Content_Type=f"multipart/form-data; boundary={BOUNDARY}").body)
    assert (got["size"], got["digest"], got["title"]) == (size, hashlib.sha256(content).hexdigest(), "Wörter")


def test_a_body_is_read_while_it_comes(serve: Serve, tmp_path: Path) -> None:
    content, trace = os.urandom(1 << 20), tmp_path / "trace"
    head = request("POST", f"/poured?trace={trace}", Content_Length=str(len(content)))
    with serve("starlette", workers=1) as server:
        with Wire(server) as wire:
            wire.send(head, content[:100_000])
            until(lambda: lines(trace) == ["began"], "the stream to begin")
            said = json.loads(wire.send(content[100_000:]).answer().body)
            assert said["digest"] == hashlib.sha256(content).hexdigest()
        with Wire(server) as wire:
            wire.send(head, content[:100_000])
            until(lambda: lines(trace) == ["began"] * 2, "the stream to begin")
        until(lambda: lines(trace)[2:] == ["left"], "ClientDisconnect")
        until(lambda: in_flight(server) == 0, "the place to be free")
        assert "Traceback" not in server.log.text(), "who leaves is no fault of the application"


def test_requests_overlap(server: Server, tmp_path: Path) -> None:
    enough = tmp_path / "enough"
    with ThreadPoolExecutor(12) as clients:
        asked = [clients.submit(ask, server, f"/{kind}?until={enough}") for kind in ["waiting"] * 6 + ["threaded"] * 6]
        try:
            # Django has one thread for all views that are no coroutines, of one loop.
            until(lambda: in_flight(server) == 12, "all of them to be in the application")
            ask(server, "/said/x?q=")
        finally:
            enough.touch()
        assert [each.result().status for each in asked] == [200] * 12


def test_an_exception_is_an_answer(server: Server) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
        connection.request("GET", "/torn")
        assert connection.getresponse().status == 500


def test_a_background_task_is_ended_by_no_reload(serve: Serve, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    with serve("fastapi", workers=1) as server, Connection("127.0.0.1", server.port) as connection:
        old = json.loads(connection.exchange(Request(f"/later?trace={trace}")).body)["pid"]
        answer = connection.exchange(Request("/waiting?until=0"))
        assert answer.status == 200, "the client need not wait for it"
        server.reload()
        assert json.loads(connection.exchange(Request("/waiting?until=0")).body)["pid"] != old
        assert not lines(trace)
        Path(f"{trace}.go").touch()
        until(lambda: lines(trace) == ["done"], "the task to be done")
        until(lambda: old not in server.tree(), "the worker to leave")


def test_kills_and_reloads_under_load_lose_no_request(serve: Serve) -> None:
    targets: Any = ("/said/x?q=1", "/waiting?until=0.01", "/threaded?until=0.01")
    with serve("fastapi", workers=2) as server, Load(server.url, targets, threads=6) as load:
        for _ in range(2):
            load.wait(60)
            mark = server.mark()
            server.kill(min(server.workers()))
            server.wait_for("worker_died", after=mark)
            server.wait_for("worker_ready", after=mark)
            server.reload()
        load.wait(60)
        outcome = load.stop()
        assert not outcome.failed, outcome.summary()
        assert outcome.reconnects == 0
