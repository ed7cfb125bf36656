"""PEP 3333, clause by clause."""

from __future__ import annotations

import socket
import sys
import threading
from typing import TYPE_CHECKING, Any
from wsgiref.validate import validator

import pytest

from prefork.kernel import SO_BUF_LOCK
from prefork.scoreboard import BEGUN, DONE, SIZE, WRITING
from prefork.worker.hosts.named import Named
from prefork.worker.hosts.wsgi import environ

from .conftest import request

if TYPE_CHECKING:
    import io
    from pathlib import Path

    from prefork.messages import Request

    from .conftest import Application, Bench

TEXT = [("Content-Type", "text/plain")]


def says(*parts: Any, status: str = "200 OK", headers: list[tuple[str, str]] = TEXT) -> Application:
    def application(environ: dict[str, Any], start_response: Any) -> Any:
        start_response(status, list(headers))
        return list(parts)

    return application


class Parts:
    """An iterable that is no list, and that notes whether it was closed."""

    def __init__(self, *parts: Any) -> None:
        self.parts = iter(parts)
        self.closed = 0
        self.taken = 0

    def __iter__(self) -> Parts:
        return self

    def __next__(self) -> bytes:
        part = next(self.parts)
        self.taken += 1
        if isinstance(part, Exception):
            raise part
        return part

    def close(self) -> None:
        self.closed += 1


def yields(parts: Parts, status: str = "200 OK", headers: list[tuple[str, str]] = TEXT) -> Application:
    def application(environ: dict[str, Any], start_response: Any) -> Any:
        start_response(status, list(headers))
        return parts

    return application


# Every kind of answer, watched by the standard library's own referee.


def writes(environ: dict[str, Any], start_response: Any) -> Any:
    write = start_response("200 OK", list(TEXT))
    write(b"a")
    write(b"b")
    return [b"c"]


def generates(environ: dict[str, Any], start_response: Any) -> Any:
    start_response("200 OK", list(TEXT))
    yield b""
    yield b"ab"
    yield b"c"


def starts_late(environ: dict[str, Any], start_response: Any) -> Any:
    yield from ()
    start_response("200 OK", list(TEXT))
    yield b"abc"


def reads(environ: dict[str, Any], start_response: Any) -> Any:
    stream = environ["wsgi.input"]
    body = stream.read(2) + stream.readline() + b"".join(stream.readlines(3)) + stream.read(100)
    start_response("200 OK", list(TEXT))
    return [body]


def changes_its_mind(environ: dict[str, Any], start_response: Any) -> Any:
    start_response("200 OK", list(TEXT))
    try:
        int("many")
    except ValueError:
        start_response("404 Not Found", [("Content-Type", "text/html")], sys.exc_info())
    return [b"abc"]


def announces(environ: dict[str, Any], start_response: Any) -> Any:
    start_response("200 OK", [*TEXT, ("Content-Length", "3")])
    return iter([b"a", b"bc"])


APPLICATIONS = [says(b"abc"), says(b"a", b"", b"bc"), writes, generates, starts_late, changes_its_mind, announces]


@pytest.mark.parametrize("application", APPLICATIONS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "DELETE", "PUT", "PATCH"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_the_referee_has_no_complaint(
    bench: Bench, capsys: pytest.CaptureFixture[str], application: Application, method: str, version: str
) -> None:
    answer = bench.ask(validator(application), request(method, b"/%20p?q=%20", version=version))
    assert answer.status in {200, 404}
    assert answer.body == (b"" if method == "HEAD" else b"abc")
    assert answer.rest == b""
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("body", [b"", b"ab", b"abc\ndef\nghi\njkl"])
def test_reading_the_body(bench: Bench, capsys: pytest.CaptureFixture[str], body: bytes) -> None:
    headers = [(b"host", b"h"), (b"content-length", b"%d" % len(body)), (b"content-type", b"text/plain")]
    answer = bench.ask(validator(reads), request("POST", body=body, headers=headers))
    assert (answer.status, answer.body) == (200, body)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_answers_without_a_body(bench: Bench, status: str) -> None:
    for application in (says(b"abc", status=status, headers=[("Content-Length", "3")]), yields(Parts(b"abc"), status, [])):
        answer = bench.ask(application)
        assert (answer.status, answer.body, answer.rest) == (int(status[:3]), b"", b"")
        assert answer.getheader("content-length") is None
        assert answer.getheader("transfer-encoding") is None
        assert bench.reply.keep


# Length and framing.


def test_the_length_of_a_list_is_known(bench: Bench) -> None:
    for parts in ((b"abc",), (b"a", b"bc"), ()):
        body = b"".join(parts)
        answer = bench.ask(says(*parts))
        assert (answer.body, answer.getheader("content-length")) == (body, str(len(body)))
        assert bench.reply.sent > len(body)


def test_tuples_bytearrays_and_views(bench: Bench) -> None:
    def application(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", list(TEXT))
        return bytearray(b"ab"), memoryview(b"c")

    assert bench.ask(application).body == b"abc"
    assert bench.ask(says(memoryview(b"abc"))).body == b"abc"


def test_the_length_of_a_stream_is_not(bench: Bench) -> None:
    answer = bench.ask(yields(Parts(b"ab", b"", b"c")))
    assert (answer.body, answer.getheader("transfer-encoding"), answer.getheader("content-length")) == (b"abc", "chunked", None)
    assert bench.reply.keep


def test_a_stream_to_an_old_client_ends_with_its_connection(bench: Bench) -> None:
    answer = bench.ask(yields(Parts(b"ab", b"c")), request(version="1.0"))
    assert (answer.body, answer.getheader("transfer-encoding"), answer.getheader("connection")) == (b"abc", None, "close")
    assert not bench.reply.keep


def test_a_stream_that_turns_out_empty(bench: Bench) -> None:
    answer = bench.ask(yields(Parts(b"")))
    assert (answer.body, answer.getheader("content-length")) == (b"", "0")


@pytest.mark.parametrize(
    ("version", "keep", "said"),
    [("1.1", True, None), ("1.1", False, "close"), ("1.0", True, "keep-alive"), ("1.0", False, "close")],
)
def test_who_keeps_the_connection(bench: Bench, version: str, keep: bool, said: str | None) -> None:
    assert bench.ask(says(b"abc"), request(version=version, keep=keep)).getheader("connection") == said
    assert bench.reply.keep == keep


def test_an_application_may_close_the_connection(bench: Bench) -> None:
    answer = bench.ask(says(b"abc", headers=[("Connection", "Close")]))
    assert answer.getheader("connection") == "close"
    assert not bench.reply.keep


def test_hop_by_hop_headers_are_ours(bench: Bench) -> None:
    theirs = [
        ("Transfer-Encoding", "gzip"),
        ("Connection", "keep-alive, X"),
        ("Keep-Alive", "timeout=5"),
        ("Upgrade", "h2c"),
        ("X", "y"),
    ]
    answer = bench.ask(says(b"abc", headers=theirs))
    assert answer.body == b"abc"
    assert {name.lower() for name, _ in answer.getheaders()} == {"x", "content-length", "date", "server", "x-request-id"}


def test_headers_arrive_as_they_were_given(bench: Bench) -> None:
    given = [("Set-Cookie", "a=1"), ("set-cookie", "b=\xe4\t2"), ("Server", "theirs"), ("date", "today"), ("ETag", "")]
    answer = bench.ask(says(b"abc", headers=given))
    assert answer.getheaders()[:5] == given
    assert len(answer.getheaders()) == 7


def test_the_id_of_a_request_is_in_its_answer_unless_the_application_says_another(bench: Bench) -> None:
    assert bench.ask(says(b"abc")).getheader("x-request-id") == "abc-7"
    answer = bench.ask(says(b"abc", headers=[("x-request-id", "theirs")]))
    assert answer.headers.get_all("x-request-id") == ["theirs"]


def test_head_tells_the_length_where_it_is_known(bench: Bench) -> None:
    head = request("HEAD")
    assert bench.ask(says(b"abc"), head).getheader("content-length") == "3"
    assert bench.ask(says(b"", headers=[("Content-Length", "500")]), head).getheader("content-length") == "500"
    assert bench.reply.keep
    assert bench.ask(says(), head).getheader("content-length") is None, "an empty body says nothing about the one of GET"
    assert bench.ask(yields(Parts(b"abc")), head).getheader("content-length") is None
    assert bench.reply.keep


def test_too_much_is_cut_off_and_told_of_once(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    for application in (
        says(b"abcdef", headers=[("Content-Length", "3")]),
        yields(Parts(b"ab", b"cd", b"ef"), headers=[("Content-Length", "3")]),
    ):
        answer = bench.ask(application)
        assert (answer.body, answer.rest) == (b"abc", b"")
        assert bench.reply.keep, "it is whole by all that its client can know"
        (said,) = capsys.readouterr().err.splitlines()
        assert said.startswith("prefork: GET / (abc-7) is cut in worker ")
        assert said.endswith("the answer has more bytes than the application has announced; those are dropped")


@pytest.mark.parametrize(
    ("asked", "application"),
    [
        (request("HEAD"), says(b"abc", headers=[("Content-Length", "3")])),
        (request("HEAD"), yields(Parts(b"ab", b"c"), headers=[("Content-Length", "3")])),
        (request(), says(b"abc", status="204 No Content")),
    ],
)
def test_what_has_no_body_has_not_too_much_of_it(
    bench: Bench, asked: Request, application: Application, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench.ask(application, asked).body == b""
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("asked", "headers"), [(request("HEAD"), TEXT), (request(), [("Content-Length", "1000")])], ids=["HEAD", "announced"]
)
def test_parts_that_nobody_gets_are_not_asked_for(bench: Bench, asked: Request, headers: list[tuple[str, str]]) -> None:
    parts = Parts(*[b"x" * 1000] * 50)
    bench.ask(yields(parts, headers=headers), asked)
    assert parts.taken == 2
    assert parts.closed == 1
    assert bench.reply.keep


def test_a_length_that_is_said_twice_is_sent_once(bench: Bench) -> None:
    answer = bench.ask(says(b"abc", headers=[("Content-Length", "3"), ("content-length", "3")]))
    assert (answer.body, answer.getheader("content-length")) == (b"abc", "3")


def test_too_little_is_told_by_a_cut_connection_and_in_the_log(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    for application in (says(b"ab", headers=[("Content-Length", "3")]), yields(Parts(b"ab"), headers=[("Content-Length", "3")])):
        bench.run(application)
        assert bench.received().endswith(b"\r\n\r\nab")
        assert not bench.reply.keep
        assert "GET / (abc-7) is cut" in (said := capsys.readouterr().err)
        assert "1 bytes less than the application has announced" in said


def test_of_who_has_left_it_is_not_told(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.theirs.close()
    bench.run(yields(Parts(b"ab", b"cd"), headers=[("Content-Length", "1000")]))
    assert capsys.readouterr().err == ""


# What must not get out.


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        ("200 OK\r\nX: y", TEXT),
        ("200 OK\n", TEXT),
        ("200", TEXT),
        ("20 OK", TEXT),
        ("2000 OK", TEXT),
        ("OK", TEXT),
        ("", TEXT),
        ("100 Continue", TEXT),
        ("101 Switching Protocols", TEXT),
        ("\u0662\u0660\u0660 OK", TEXT),
        ("200 \u20ac", TEXT),
        ("200 OK", [("X", "a\r\nSet-Cookie: b")]),
        ("200 OK", [("X", "a\nb")]),
        ("200 OK", [("X", "a\rb")]),
        ("200 OK", [("X", "a\0b")]),
        ("200 OK", [("X", "a\x0bb")]),
        ("200 OK", [("X", "a\x7f")]),
        ("200 O\x1bK", TEXT),
        ("200 OK", [("X\r\nY", "a")]),
        ("200 OK", [("X: y", "a")]),
        ("200 OK", [("X ", "a")]),
        ("200 OK", [("", "a")]),
        ("200 OK", [("X", "\u20ac")]),
        ("200 OK", [("X", 5)]),
        ("200 OK", [("Content-Length", "-1")]),
        ("200 OK", [("Content-Length", "+3")]),
        ("200 OK", [("Content-Length", "1_0")]),
        ("200 OK", [("Content-Length", " 3")]),
        ("200 OK", [("Content-Length", "abc")]),
        ("200 OK", [("Content-Length", "3"), ("Content-Length", "4")]),
    ],
)
def test_heads_that_are_none(bench: Bench, capsys: pytest.CaptureFixture[str], status: str, headers: Any) -> None:
    answer = bench.ask(says(b"abc", status=status, headers=headers))
    assert (answer.status, answer.rest) == (500, b"")
    assert "raised in worker" in capsys.readouterr().err


@pytest.mark.parametrize("parts", [["text"], [b"a", "b"], [None], [5], "abc", Parts("text"), Parts(5), None, 7])
def test_bodies_that_are_none(bench: Bench, capsys: pytest.CaptureFixture[str], parts: Any) -> None:
    answer = bench.ask(yields(parts))
    assert (answer.status, answer.rest) == (500, b"")
    assert "raised in worker" in capsys.readouterr().err


# Failures.


class Refusal(BaseException):
    """What an application may raise, although nobody expects it to."""


@pytest.mark.parametrize("error", [LookupError, SystemExit, KeyboardInterrupt, Refusal])
def test_a_failure_before_the_head_is_a_500(bench: Bench, capsys: pytest.CaptureFixture[str], error: type[BaseException]) -> None:
    def application(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("Content-Length", "3")])
        raise error("secret")

    answer = bench.ask(application, request(headers=[(b"accept", b"application/json")]))
    assert (answer.status, answer.getheader("content-type"), answer.rest) == (500, "application/json", b"")
    assert b"secret" not in answer.body
    assert bench.reply.keep
    said = capsys.readouterr().err
    assert "secret" in said
    assert "Traceback" in said


def test_without_start_response(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.ask(lambda environ, start_response: [b"abc"]).status == 500
    assert "without calling start_response" in capsys.readouterr().err


def test_start_response_twice(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    def application(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])
        start_response("201 Created", [])
        return [b"abc"]

    assert bench.ask(application).status == 500
    assert "a second time" in capsys.readouterr().err


def test_a_failure_after_the_head_cuts_the_connection(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    parts = Parts(b"abc", LookupError("late"))
    bench.run(yields(parts))
    received = bench.received()
    assert received.endswith(b"3\r\nabc\r\n"), "neither a second head nor the end of the chunks"
    assert received.count(b"HTTP/1.1") == 1
    assert not bench.reply.keep
    assert parts.closed == 1
    assert "late" in capsys.readouterr().err


@pytest.mark.parametrize(("status", "length"), [("200 OK", "3"), ("204 No Content", "")])
def test_a_failure_behind_the_whole_answer_does_not_take_it_away(
    bench: Bench, capsys: pytest.CaptureFixture[str], status: str, length: str
) -> None:
    headers = [("Content-Length", length)] if length else []
    answer = bench.ask(yields(Parts(b"abc", LookupError("late")), status, headers))
    assert (answer.status, answer.rest) == (int(status[:3]), b"")
    assert bench.reply.keep
    assert not bench.reply.failed
    assert "late" in capsys.readouterr().err


def test_exc_info_after_the_head_is_raised_again(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    seen = []

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        write = start_response("200 OK", [])
        write(b"abc")
        try:
            int("many")
        except ValueError as error:
            try:
                start_response("500 Oops", [], sys.exc_info())
            except ValueError as again:
                seen.append(again is error)
                raise
        return []

    bench.run(application)
    assert seen == [True]
    assert not bench.reply.keep
    assert "many" in capsys.readouterr().err


def test_close_is_called_once(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    for parts in (Parts(), Parts(b"a"), Parts(LookupError()), Parts(b"a", LookupError()), Parts(5)):
        bench.run(yields(parts))
        assert parts.closed == 1
    capsys.readouterr()


# Clients that leave, and clients that don't read.


def test_a_client_that_has_left_stops_a_stream(bench: Bench) -> None:
    bench.theirs.close()
    parts = Parts(*[b"x" * 1000] * 1000)
    reply = bench.run(yields(parts))
    assert reply.gone
    assert not reply.keep
    assert parts.taken < 5
    assert parts.closed == 1
    assert bench.handed_on() == b""


def test_a_client_that_has_left_stops_a_list(bench: Bench) -> None:
    bench.theirs.close()
    assert not bench.run(says(b"abc", b"def")).keep


@pytest.mark.parametrize("size", [70_000, 1 << 22])
def test_what_the_socket_does_not_take_goes_to_the_dispatcher(bench: Bench, size: int) -> None:
    narrow(bench)
    body = bytes(range(250)) * (size // 250)
    bench.run(says(body))
    received = bench.received()
    assert len(received) < size
    rests = list(bench.rests())
    assert {by_file for _, by_file in rests} == {size > 1 << 18}, "a little of it may wait in memory, the rest is spooled"
    rest = b"".join(data for data, _ in rests)
    assert (received + rest).partition(b"\r\n\r\n")[2] == body
    assert bench.reply.sent == len(received) + len(rest)
    assert bench.reply.keep


def test_a_client_that_reads_as_fast_gets_all_of_a_large_answer_from_its_worker(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Giving it away would have it written to a file, read from there, and sent by somebody else."""
    monkeypatch.setattr("prefork.worker.rest.SPOOLING", 1.0)
    monkeypatch.setattr("prefork.worker.rest.MOST_PATIENCE", 20.0)
    narrow(bench)
    body, read = bytes(range(250)) * 20_000, bytearray()

    def reading() -> None:
        while len(read.partition(b"\r\n\r\n")[2]) < len(body):
            read.extend(bench.theirs.recv(1 << 20))

    client = threading.Thread(target=reading)
    client.start()
    bench.run(says(body))
    client.join()
    assert read.endswith(b"\r\n\r\n" + body)
    assert bench.reply.sent == len(read)
    assert not list(bench.rests())


def test_a_client_that_does_not_read_is_sent_ahead_as_much_as_ever(bench: Bench) -> None:
    """What is bound for one that reads at once would be written to a file for one that does not."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as theirs:
        bench.client.close()
        bench.client, _ = listener.accept()
        bench.run(says(bytes(16 << 20)))
        assert list(bench.rests())
        assert bench.client.getsockopt(socket.SOL_SOCKET, SO_BUF_LOCK) == 0
        assert theirs.recv(17) == b"HTTP/1.1 200 OK\r\n"


def test_a_client_that_leaves_in_the_middle_of_a_large_answer(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prefork.worker.rest.SPOOLING", 1.0)
    monkeypatch.setattr("prefork.worker.rest.MOST_PATIENCE", 20.0)
    narrow(bench)

    def leaving() -> None:
        bench.theirs.recv(1)
        bench.theirs.close()

    client = threading.Thread(target=leaving)
    client.start()
    assert bench.run(says(bytes(1 << 20))).gone
    client.join()
    assert not list(bench.rests())


def test_after_the_first_rest_nothing_is_written_to_the_socket(bench: Bench) -> None:
    """The dispatcher writes now: whatever this process sent would land in the middle."""
    narrow(bench)
    received = []

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])
        yield b"a" * 50_000
        received.append(bench.received())  # there is room again
        yield b"b"
        yield b"c" * 300_000

    bench.run(application)
    assert bench.received() == b""
    rests = list(bench.rests())
    assert [by_file for _, by_file in rests] == [False, False, True, False]
    whole = received[0] + b"".join(data for data, _ in rests)
    assert whole.partition(b"\r\n\r\n")[2].endswith(b"1\r\nb\r\n493e0\r\n" + b"c" * 300_000 + b"\r\n0\r\n\r\n")


def test_a_connection_that_the_dispatcher_has_ended_stops_a_stream(bench: Bench) -> None:
    """Its client read too slowly: what nobody will ever send is not handed on."""
    narrow(bench)
    parts = Parts(b"a" * 50_000, b"b", b"c")

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])
        yield next(parts)
        bench.client.shutdown(socket.SHUT_RDWR)
        yield from parts

    assert bench.run(application).gone
    assert parts.taken == 2
    assert len(list(bench.rests())) == 1


def narrow(bench: Bench) -> None:
    """Leave so little room that no answer of the tests fits."""
    bench.client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)


# What others read when this process is gone.


def test_the_slot_says_how_far_it_is(bench: Bench) -> None:
    seen = []

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        seen.append(bench.slot.progress())
        start_response("202 Accepted", [])
        seen.append(bench.slot.progress())
        yield b"abc"
        seen.append(bench.slot.progress())

    bench.run(application)
    seen.append(bench.slot.progress())
    assert [progress.number for progress in seen] == [9] * 4
    assert [progress.state for progress in seen] == [BEGUN, BEGUN, WRITING, DONE]
    assert [progress.status for progress in seen] == [0, 0, 202, 202]
    assert not seen[2].whole, "more may follow"
    assert seen[3].keep


class Witness(Parts):
    """Notes what the slot says behind the last byte, before the request is done."""

    def __init__(self, bench: Bench, *parts: bytes) -> None:
        super().__init__(*parts)
        self.bench = bench

    def close(self) -> None:
        super().close()
        self.seen = self.bench.slot.progress(), self.bench.slot[SIZE]


LENGTH = ("Content-Length", "10")


@pytest.mark.parametrize("gathers", [False, True])
@pytest.mark.parametrize("narrows", [False, True])
@pytest.mark.parametrize(
    ("headers", "parts"),
    [
        ([LENGTH], [b"0123456789"]),
        ([LENGTH], [b"01234", b"56789"]),
        ([LENGTH], [b"0", b"1234", b"56789", b"beyond"]),
        ([], [b"01234", b"56789"]),
        ([("Content-Length", "100000")], [b"a" * 50_000] * 2),
        ([("Content-Length", "100001")], [b"a", b"b" * 50_000, b"c" * 50_000]),
        ([], [b"a", b"b" * 50_000, b"c" * 50_000]),
    ],
)
def test_behind_the_last_byte_the_slot_says_that_it_was_the_last(
    bench: Bench, headers: list[tuple[str, str]], parts: list[bytes], narrows: bool, gathers: bool
) -> None:
    """Whoever finds this process dead between that and the end of the request has nothing to cut."""
    bench.gathers = gathers
    if narrows:
        narrow(bench)
    witness = Witness(bench, *parts)
    reply = bench.run(yields(witness, headers=[*TEXT, *headers]))
    progress, size = witness.seen
    assert (progress.state, progress.whole, progress.keep, progress.status) == (WRITING, True, True, 200)
    assert size == reply.sent == len(bench.received() + bench.handed_on())


def test_so_it_is_where_a_file_is_the_last_part(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"a" * 100_000)
    reply = bench.begin()
    reply.begin("200 OK", [("Content-Length", "100010")])
    reply.write(b"0123456789")
    assert not bench.slot.progress().whole
    with open(tmp_path / "data", "rb") as file:
        reply.write_file(file.fileno(), 0, 100_000)
    assert bench.slot.progress().whole
    assert bench.slot[SIZE] == reply.sent == len(bench.received() + bench.handed_on())


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_in_the_middle_it_never_says_so(bench: Bench, version: str) -> None:
    """Nor where the end of the connection is the end of the body: the client has yet to see that."""
    seen = []

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [LENGTH] if version == "1.1" else [])
        for part in (b"012", b"34567"):
            yield part
            seen.append(bench.slot.progress())

    bench.run(application, request(version=version))
    assert [(progress.state, progress.whole) for progress in seen] == [(WRITING, False)] * 2


# The environ.


def test_environ() -> None:
    headers = [
        (b"host", b"h:8069"),
        (b"content-type", b"text/plain"),
        (b"content-length", b"3"),
        (b"x-some-thing", b"\xe4"),
        (b"accept", b"a"),
        (b"accept", b"b"),
        (b"cookie", b"a=1"),
        (b"cookie", b"b=2"),
    ]
    body: io.BytesIO = None  # type: ignore[assignment]
    made = environ(request("POST", b"/a%20b/%C3%A4%2F?c=%20&d", body=b"abc", headers=headers), body)
    expected = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/a b/\xc3\xa4/",
        "QUERY_STRING": "c=%20&d",
        "REQUEST_URI": "/a%20b/%C3%A4%2F?c=%20&d",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8069",
        "REMOTE_ADDR": "192.0.2.1",
        "REMOTE_PORT": "4711",
        "HTTP_HOST": "h:8069",
        "CONTENT_TYPE": "text/plain",
        "CONTENT_LENGTH": "3",
        "HTTP_X_SOME_THING": "\xe4",
        "HTTP_ACCEPT": "a,b",
        "HTTP_COOKIE": "a=1; b=2",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "prefork.attempt": 1,
    }
    assert {key: made.get(key) for key in expected} == expected
    assert type(made) is dict
    assert "HTTP_CONTENT_TYPE" not in made


def test_in_threaded_mode_the_application_knows() -> None:
    body: io.BytesIO = None  # type: ignore[assignment]
    made = environ(request(), body, threaded=True)
    assert (made["wsgi.multithread"], made["wsgi.multiprocess"]) == (True, False)


def test_a_chunked_body_has_a_length_for_the_application() -> None:
    body: io.BytesIO = None  # type: ignore[assignment]
    made = environ(request("POST", body=b"abc", headers=[(b"transfer-encoding", b"chunked")]), body)
    assert made["CONTENT_LENGTH"] == "3"
    assert "HTTP_TRANSFER_ENCODING" not in made


def test_each_request_has_an_environ_of_its_own() -> None:
    body: io.BytesIO = None  # type: ignore[assignment]
    one, other = environ(request(), body), environ(request(), body)
    one["HTTP_HOST"] = "changed"
    assert other["HTTP_HOST"] == "h:8069"


# Loading.


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"application_of_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(
        "class Site:\n    def wsgi(self, environ, start_response): return []\n"
        "def application(environ, start_response): return [b'default']\n"
        "def make(): return application\n"
        "site = Site()\nnumber = 5\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    return name


@pytest.mark.parametrize(
    ("attribute", "found"),
    [("", "application"), (":application", "application"), (":make()", "application"), (":site.wsgi", "wsgi")],
)
def test_loading(module: str, attribute: str, found: str) -> None:
    host = Named(module + attribute)
    host.load()
    assert host.application is not None
    assert host.application.__name__ == found


@pytest.mark.parametrize(
    ("attribute", "error", "sentence"),
    [
        (":nothing", AttributeError, "has no attribute 'nothing'"),
        (":site.nothing", AttributeError, "has no attribute 'nothing'"),
        (":number", TypeError, "int is not an application"),
        (":number()", TypeError, "not callable"),
    ],
)
def test_loading_what_is_no_application(module: str, attribute: str, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        Named(module + attribute).load()


def test_loading_what_is_not_there() -> None:
    with pytest.raises(ModuleNotFoundError):
        Named("no_such_module_of_anybody:app").load()
