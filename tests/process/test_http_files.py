"""Files: served by the dispatcher, named by the application, or handed over by it; in parts, on conditions, and never others."""

import http.client
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from prefork.testing import Server

from .apps.echo import pattern
from .conftest import Echo
from .wire import Wire, request, until

LARGE = pattern(3_000_000)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """public/ is served or may be named; secret.txt lies beside it, and links lead out."""
    place = tmp_path_factory.mktemp("files")
    public = place / "public"
    (public / "sub").mkdir(parents=True)
    (public / "hello.txt").write_bytes(b"hello, world")
    (public / "sub" / "größe.css").write_bytes(b"a {}")
    (public / "large.bin").write_bytes(LARGE)
    (public / "empty.txt").write_bytes(b"")
    (public / ".hidden").write_bytes(b"hidden")
    (place / "secret.txt").write_bytes(b"secret")
    (public / "out").symlink_to(place)
    (public / "out.txt").symlink_to(place / "secret.txt")
    (public / "in.txt").symlink_to(public / "hello.txt")
    os.mkfifo(public / "fifo")
    return place


@pytest.fixture(scope="module")
def server(echo: Echo, place: Path) -> Iterator[Server]:
    public = place / "public"
    options = {"static": f"/static={public}", "sendfile_roots": public, "accel_redirects": f"/internal={public}"}
    with echo(workers=1, **options) as server:
        yield server


def ask(server: Server, target: str, method: str = "GET", **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, target, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


WAYS = {
    "static": "/static/{}",
    "X-Sendfile": "/plain/send?by=X-Sendfile&path={place}/public/{}",
    "X-Accel-Redirect": "/plain/send?by=X-Accel-Redirect&path=/internal/{}",
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, place: Path) -> str:
    """The way to a file below public/, as a target."""
    return WAYS[request.param].replace("{place}", str(place))


def test_a_file(server: Server, way: str) -> None:
    answer, body = ask(server, way.format("hello.txt"))
    assert (answer.status, body) == (200, b"hello, world")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["Content-Length"] == "12"
    assert not [name for name in answer.headers if name.lower().startswith(("x-sendfile", "x-accel"))]


@pytest.mark.parametrize("name", ["large.bin", "empty.txt", "in.txt", "sub/gr%C3%B6%C3%9Fe.css"])
def test_files_of_all_kinds_and_sizes(server: Server, way: str, name: str) -> None:
    if "X-Accel" in way:
        name = name.replace("%", "%25")  # names a URL, of which the application has decoded one layer
    expected = {"large.bin": LARGE, "empty.txt": b"", "in.txt": b"hello, world"}.get(name, b"a {}")
    for _ in range(2):
        answer, body = ask(server, way.format(name))
        assert (answer.status, body) == (200, expected)


def test_head_has_the_length_and_no_body(server: Server, way: str) -> None:
    with Wire(server) as wire:
        answer = wire.send(request("HEAD", way.format("large.bin"))).answer("HEAD")
        assert (answer.status, answer.body) == (200, b"")
        assert wire.get().status == 200, "nothing was left behind on the connection"


def test_conditions(server: Server, way: str) -> None:
    target = way.format("hello.txt")
    first, _ = ask(server, target)
    tag, date = first.headers["ETag"], first.headers["Last-Modified"]
    assert ask(server, target, If_None_Match=tag)[0].status == 304
    assert ask(server, target, If_None_Match='"other"')[0].status == 200
    assert ask(server, target, If_Modified_Since=date)[0].status == 304
    assert ask(server, target, If_Match='"other"')[0].status == 412
    assert ask(server, target, If_Match=tag)[0].status == 200
    answer, body = ask(server, target, If_None_Match=tag)
    assert (body, answer.headers["ETag"], answer.headers["Content-Length"]) == (b"", tag, None)


def test_ranges(server: Server, way: str) -> None:
    target = way.format("large.bin")
    whole, _ = ask(server, target)
    for asked, start, end in (
        ("bytes=0-0", 0, 1),
        ("bytes=1000000-2000000", 1_000_000, 2_000_001),
        ("bytes=-5", 2_999_995, 3_000_000),
    ):
        answer, body = ask(server, target, Range=asked)
        assert (answer.status, body) == (206, LARGE[start:end])
        assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/3000000"
    answer, body = ask(server, target, Range="bytes=3000000-")
    assert (answer.status, body, answer.headers["Content-Range"]) == (416, b"", "bytes */3000000")
    assert ask(server, target, Range="bytes=0-0", If_Range='"other"')[0].status == 200
    assert ask(server, target, Range="bytes=0-0", If_Range=whole.headers["ETag"])[0].status == 206
    assert ask(server, target, Range="bytes=0-0", If_Range=whole.headers["Last-Modified"])[0].status == 206


@pytest.mark.parametrize(
    "name", ["nothing", "out/secret.txt", "out.txt", "../secret.txt", "sub/../../secret.txt", "sub", "fifo", "."]
)
def test_nothing_else_can_be_had(server: Server, way: str, name: str) -> None:
    answer, body = ask(server, way.format(name))
    assert answer.status == 404
    assert b"secret" not in body


@pytest.mark.parametrize(
    "target",
    [
        "/static/%2e%2e/secret.txt",
        "/static/..%2fsecret.txt",
        "/static/.hidden",
        "/static/out%2fsecret.txt",
        "/static/",
        "/static/a%00b",
    ],
)
def test_no_spelling_helps(server: Server, target: str) -> None:
    assert ask(server, target)[0].status == 404


def test_static_files_are_for_reading(server: Server) -> None:
    answer, _ = ask(server, "/static/hello.txt", "POST")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


def test_what_lies_elsewhere_is_said_in_the_log(server: Server, place: Path) -> None:
    assert ask(server, f"/plain/send?by=X-Sendfile&path={place}/secret.txt")[0].status == 404
    until(lambda: any("secret.txt" in line and "sendfile_roots" in line for line in server.log.output), "the log to say why")


def test_what_the_application_says_beside_a_file_stays(server: Server, place: Path) -> None:
    answer, body = ask(server, f"/plain/send?by=X-Sendfile&path={place}/public/hello.txt&type=text/x-own&tag=own")
    assert (answer.headers["Content-Type"], answer.headers["ETag"], body) == ("text/x-own", '"own"', b"hello, world")
    assert ask(server, f"/plain/send?by=X-Sendfile&path={place}/public/hello.txt&tag=own", If_None_Match='"own"')[0].status == 304


def test_a_file_handed_over_goes_from_where_it_stands(server: Server, place: Path) -> None:
    path = place / "public" / "large.bin"
    for skip in (0, 10, 2_999_990, 3_000_000):
        answer, body = ask(server, f"/plain/wrap?path={path}&skip={skip}")
        assert (answer.status, body) == (200, LARGE[skip:])
        answer, body = ask(server, f"/wrap?path={path}&skip={skip}")
        assert (answer.status, body) == (200, LARGE[skip:])


def test_a_packed_file_handed_over_arrives_unpacked(server: Server, place: Path) -> None:
    import gzip

    path = place / "packed.gz"
    path.write_bytes(gzip.compress(LARGE))
    assert ask(server, f"/plain/wrap?path={path}&gzip=1")[1] == LARGE


def test_where_nothing_is_declared_the_headers_pass(echo: Echo, place: Path) -> None:
    with echo() as server:
        for by in ("X-Sendfile", "X-Accel-Redirect"):
            answer, body = ask(server, f"/plain/send?by={by}&path={place}/secret.txt")
            assert (answer.headers[by], body) == (f"{place}/secret.txt", b"instead")


def test_a_slow_reader_of_a_file_holds_no_worker(server: Server, way: str) -> None:
    with Wire(server, window=4096) as slow, Wire(server) as other:
        slow.send(request("GET", way.format("large.bin")) + request("GET", "/echo?behind"))
        assert other.get().status == 200
        assert slow.answer().body == LARGE
        assert json.loads(slow.answer().body)["QUERY_STRING"] == "behind"


def test_a_reader_that_leaves_harms_nobody(server: Server, way: str) -> None:
    for _ in range(5):
        with Wire(server, window=4096) as slow:
            slow.send(request("GET", way.format("large.bin")))
            slow.socket.recv(1000, socket.MSG_WAITALL)
    assert ask(server, way.format("hello.txt"))[1] == b"hello, world"


def test_static_files_need_no_worker(server: Server, place: Path) -> None:
    with Wire(server) as held, Wire(server) as other:
        gate = place / "gate"
        os.mkfifo(gate)
        held.send(request("GET", f"/hold?gate={gate}"))
        assert other.get("/static/hello.txt").body == b"hello, world"
        gate.write_bytes(b"")
        assert held.answer().status == 200
