"""What Werkzeug and Django do of their own accord reaches their clients: streams, files, conditions, ranges, cookies, uploads."""

import hashlib
import http.client
import json
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlencode

import pytest
from tests.conftest import ROOT
from tests.process.wire import Wire, request, until

from prefork.testing import BrokenAnswer, Connection, Request, Server

from .environments import HERE
from .frameworks.notes import PART

FRAMEWORKS = HERE / "frameworks"
REFEREE = ROOT / "tests" / "process" / "apps"
BOUNDARY = "a-line-that-is-not-in-the-file"


class Got(NamedTuple):
    """An answer."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


Ask = Callable[..., Got]


def test_no_worker_inherits_a_connection_that_the_import_of_a_django_project_has_opened(
    install: Callable[[str], Path], trace: Path
) -> None:
    python, env = install("frameworks") / "bin" / "python", {"PYTHONPATH": str(REFEREE), "TRACE": str(trace)}
    with Server("connected_django:app", FRAMEWORKS, python, env=env, workers=1, after_fork="connected_django:forked") as server:
        assert server.events("template_loaded")[0]["preloaded"], "it need not be imported in each worker for that"
        with Connection("127.0.0.1", server.port) as connection:
            said = json.loads(connection.exchange(Request("/connected")).body)
        assert (said["inherited"], said["own"]) == (False, True)


@pytest.fixture(scope="module", params=["werkzeug", "django"])
def server(request: pytest.FixtureRequest, install: Callable[[str], Path]) -> Iterator[Server]:
    """A server of one framework's application, with one worker."""
    python = install("frameworks") / "bin" / "python"
    with Server(f"on_{request.param}:app", FRAMEWORKS, python, env={"PYTHONPATH": str(REFEREE)}, workers=1) as server:
        yield server
        complaints = [line for line in server.log.output if "AssertionError" in line or "without being closed" in line]
        assert not complaints, server.log.text()
        assert not server.events("worker_died")
        assert not server.events("fault_contained")


@pytest.fixture
def ask(server: Server) -> Iterator[Ask]:
    """Asks over one connection, which the server must keep."""
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:

        def asked(target: str, method: str = "GET", body: object = None, **headers: str) -> Got:
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, target, body, given, encode_chunked="Transfer-Encoding" in given)
            kept = connection.sock
            answer = connection.getresponse()
            got = Got(answer.status, answer.headers, answer.read())
            assert connection.sock is kept, "the connection was closed"
            return got

        yield asked


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """Where an application notes what was closed."""
    return tmp_path / "trace"


def closed(trace: Path) -> list[str]:
    """What has been closed so far."""
    return trace.read_text().splitlines() if trace.exists() else []


def worker(ask: Ask) -> int:
    """The pid of the worker."""
    return int(json.loads(ask("/said/hello").body)["pid"])


def stream(trace: Path, parts: int) -> str:
    """The target of a stream; one of -1 parts has no end."""
    return f"/stream?parts={parts}&trace={trace}"


def test_a_stream_arrives_whole_and_is_closed(ask: Ask, trace: Path) -> None:
    got = ask(stream(trace, 40))
    assert got.body == PART * 40
    assert "Content-Length" not in got.headers
    until(lambda: closed(trace) == ["generator closed", "response closed"], "both to be closed, in this order and once")


def test_a_stream_whose_reader_leaves_is_closed(server: Server, ask: Ask, trace: Path) -> None:
    pid = worker(ask)
    with Wire(server, window=4096) as leaving:
        leaving.send(request("GET", stream(trace, -1)))
        assert leaving.socket.recv(1)
    until(lambda: closed(trace) == ["generator closed", "response closed"], "both to be closed, in this order and once")
    assert worker(ask) == pid


@pytest.mark.parametrize("parts", [3, -1], ids=["a stream", "a stream without end"])
def test_the_head_of_a_stream_is_all_that_head_wants(ask: Ask, trace: Path, parts: int) -> None:
    got = ask(stream(trace, parts), "HEAD")
    assert (got.status, got.body) == (200, b"")
    until(lambda: "response closed" in closed(trace), "the response to be closed")
    assert ask("/said/hello").status == 200


def test_a_stream_that_fails_in_its_middle_never_looks_whole(server: Server, ask: Ask) -> None:
    pid = worker(ask)
    with Connection("127.0.0.1", server.port) as connection, pytest.raises(BrokenAnswer) as broken:
        connection.exchange(Request("/torn"))
    assert PART[:1000] in broken.value.got
    assert b"LookupError" not in broken.value.got
    assert worker(ask) == pid
    until(lambda: any("LookupError: torn" in line for line in server.log.output), "its traceback in the log")


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A file of random bytes, larger than what a socket takes at once."""
    place = tmp_path / "book"
    place.write_bytes(os.urandom(5 << 20))
    return place


def test_a_file_is_sent_whole_with_its_length(ask: Ask, book: Path) -> None:
    got = ask(f"/file?path={book}")
    assert (got.status, got.body) == (200, book.read_bytes())
    assert got.headers["Content-Length"] == str(5 << 20)
    head = ask(f"/file?path={book}", "HEAD")
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(5 << 20))
    empty = book.with_name("empty")
    empty.touch()
    got = ask(f"/file?path={empty}")
    assert (got.status, got.body, got.headers["Content-Length"]) == (200, b"", "0")


def test_a_file_that_has_not_changed_is_not_sent_again(ask: Ask, book: Path) -> None:
    first = ask(f"/file?path={book}", "HEAD")
    conditions = {"If_Modified_Since": first.headers["Last-Modified"]}
    if "ETag" in first.headers:
        conditions["If_None_Match"] = first.headers["ETag"]
    for name, value in conditions.items():
        got = ask(f"/file?path={book}", **{name: value})
        assert (got.status, got.body) == (304, b"")
        assert "Transfer-Encoding" not in got.headers
    assert ask(f"/file?path={book}", If_Modified_Since="Sat, 01 Jan 2000 00:00:00 GMT").status == 200


def test_a_part_of_a_file_where_the_framework_sends_parts(ask: Ask, book: Path) -> None:
    text, size = book.read_bytes(), 5 << 20
    parts = {"bytes=0-0": text[:1], "bytes=1000000-3999999": text[1_000_000:4_000_000], "bytes=-9": text[-9:]}
    ranges = "bytes" in ask(f"/file?path={book}", "HEAD").headers.get("Accept-Ranges", "")
    for wanted, part in parts.items():
        got = ask(f"/file?path={book}", Range=wanted)
        assert (got.status, got.body) == ((206, part) if ranges else (200, text))
        assert got.headers["Content-Length"] == str(len(got.body))
    beyond = ask(f"/file?path={book}", Range=f"bytes={size}-")
    assert beyond.status == (416 if ranges else 200)


def test_a_file_has_the_name_that_the_application_gives_it(ask: Ask, book: Path) -> None:
    got = ask(f"/named?path={book}")
    assert got.body == book.read_bytes()
    assert f"filename*=utf-8''{quote('日本 wörter.txt')}".lower() in got.headers["Content-Disposition"].lower()


def test_a_reader_who_leaves_a_file_lets_it_be_closed(server: Server, ask: Ask, book: Path) -> None:
    def open_books() -> int:
        links = [f"/proc/{pid}/fd/{fd}" for pid in server.tree() for fd in os.listdir(f"/proc/{pid}/fd")]
        return sum(os.path.realpath(link) == str(book) for link in links)

    for target in (f"/file?path={book}", f"/named?path={book}"):
        with Wire(server, window=4096) as leaving:
            leaving.send(request("GET", target))
            assert leaving.socket.recv(1)
        assert ask("/said/hello").status == 200
    until(lambda: open_books() == 0, "every copy of the file's descriptor to be closed")


def test_an_answer_without_content_has_neither_body_nor_length(ask: Ask) -> None:
    got = ask("/empty")
    assert (got.status, got.body) == (204, b"")
    assert not {"Content-Length", "Transfer-Encoding"} & set(got.headers)


def test_every_cookie_is_set_by_a_header_of_its_own(ask: Ask) -> None:
    got = ask("/cookies", Cookie="a=1; b=2")
    assert json.loads(got.body) == {"a": "1", "b": "2"}
    set_cookies = got.headers.get_all("Set-Cookie")
    assert [cookie.partition("=")[0] for cookie in set_cookies] == ["one", "two", "three"]
    assert "Max-Age=60" in set_cookies[0]
    assert "expires=" in set_cookies[2].lower()


@pytest.mark.parametrize("text", ["wörter", "日本/東京", "Ωμέγα & more?", "100 % +", "🎈"])
def test_paths_and_queries_in_every_script(ask: Ask, text: str) -> None:
    said = json.loads(ask(f"/said/{quote(text)}?{urlencode({'q': [text, ''], 'other': text}, doseq=True)}").body)
    assert (said["path"], said["q"]) == (text, [text, ""])


def multipart(title: str, content: bytes) -> bytes:
    """A form with a field and a file."""
    field = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="title"\r\n\r\n{title}\r\n'
    file = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\nContent-Type: text/plain\r\n\r\n'
    return (field + file).encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()


@pytest.mark.parametrize("size", [10, 65_536, 300_000, 5 << 20])
@pytest.mark.parametrize("counted", [True, False], ids=["counted", "in chunks"])
def test_a_form_with_a_file(ask: Ask, size: int, counted: bool) -> None:
    content = os.urandom(size)
    form = multipart("Wörter", content)
    body = form if counted else (form[start : start + 50_000] for start in range(0, len(form), 50_000))
    headers = {"Content_Type": f"multipart/form-data; boundary={BOUNDARY}"}
    if not counted:
        headers["Transfer_Encoding"] = "chunked"
    got = ask("/upload", "POST", body, **headers)
    assert json.loads(got.body) == {"size": size, "digest": hashlib.sha256(content).hexdigest(), "title": "Wörter"}
