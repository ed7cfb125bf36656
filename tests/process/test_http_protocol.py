"""What HTTP/1.1 asks of a server: framing, order, persistence; and what it must refuse."""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator

import pytest

from prefork.testing import Server

from .conftest import Echo
from .wire import HEAD, Gate, Wire, request, until

MOST_BODY = 6 << 20
MOST_HEAD = 16384
REFUSED = {
    "two lengths": (400, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc"),
    "length and chunks": (400, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "two encodings": (501, b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    "signed length": (400, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc"),
    "space before colon": (400, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length : 3\r\n\r\nabc"),
    "folded header": (400, b"GET / HTTP/1.1\r\nHost: x\r\nX-A: b\r\n c\r\n\r\n"),
    "NUL in a header": (400, b"GET / HTTP/1.1\r\nHost: x\r\nX-A: b\0c\r\n\r\n"),
    "no host": (400, b"GET / HTTP/1.1\r\n\r\n"),
    "two hosts": (400, b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"),
    "HTTP of another age": (505, b"GET / HTTP/3.0\r\nHost: x\r\n\r\n"),
    "not HTTP": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
    "HTTP/2 preface": (400, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "chunks in HTTP/1.0": (400, b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "broken chunk": (400, b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n\r\n"),
    "chunk longer than it says": (400, b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n"),
    "CONNECT": (405, b"CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n"),
    "unknown expectation": (417, b"POST / HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\nContent-Length: 1\r\n\r\n"),
    "large head": (431, b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * MOST_HEAD + b"\r\n\r\n"),
    "endless head": (431, b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * (MOST_HEAD + 1)),
    "large body": (413, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (MOST_BODY + 1)),
}


@pytest.fixture(scope="module")
def server(echo: Echo) -> Iterator[Server]:
    with echo(workers=1, max_body_size=MOST_BODY, max_header_size=MOST_HEAD, access_log=False) as server:
        yield server


@pytest.fixture
def wire(server: Server) -> Iterator[Wire]:
    with Wire(server) as wire:
        yield wire


def chunked(*parts: bytes) -> bytes:
    """A request whose body comes in these chunks."""
    body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (*parts, b""))
    return b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + body


def test_a_connection_is_kept_and_closed_as_the_client_wants(wire: Wire) -> None:
    for _ in range(3):
        assert "connection" not in wire.get().headers
    assert wire.get(Connection="close").headers["connection"] == "close"
    assert wire.rest() == b""


def test_http_1_0_closes_unless_it_is_asked_not_to(server: Server) -> None:
    with Wire(server) as wire:
        kept = wire.send(request("GET", "/echo", version="1.0", Connection="keep-alive")).answer()
        assert kept.headers["connection"] == "keep-alive"
        last = wire.send(request("GET", "/echo", version="1.0")).answer()
        assert (last.status, last.headers["connection"]) == (200, "close")
        assert wire.rest() == b""
    with Wire(server) as wire:
        # Without a length the end of the connection is the end of the body.
        streamed = wire.send(request("GET", "/big?size=100000&part=1000", version="1.0", Connection="keep-alive")).answer()
        assert "transfer-encoding" not in streamed.headers
        assert len(streamed.body) == 100_000


def test_pipelined_requests_are_answered_in_order(wire: Wire, gates: Callable[[], Gate]) -> None:
    wire.send(b"".join(request("GET", f"/echo?{number}") for number in range(10)))
    assert [json.loads(wire.answer().body)["QUERY_STRING"] for _ in range(10)] == [str(number) for number in range(10)]

    gate = gates()
    wire.send(
        request("GET", gate.target)
        + request("POST", "/echo?posted", b"x" * 70000)
        + request("GET", "/_prefork/live")
        + chunked(b"a", b"bc")
        + request("HEAD", "/echo")
        + request("GET", "/echo?last")
        + REFUSED["two hosts"][1]
        + request("GET", "/echo?never")
    )
    gate.await_entry()
    assert wire.silent(), "an answer has overtaken the one before it"
    gate.open()
    assert json.loads(wire.answer().body)["PATH_INFO"] == "/hold"
    assert json.loads(wire.answer().body)["length"] == 70000
    assert json.loads(wire.answer().body) == {"status": "live"}
    assert json.loads(wire.answer().body)["length"] == 3
    assert wire.answer("HEAD").body == b""
    assert json.loads(wire.answer().body)["QUERY_STRING"] == "last"
    assert wire.answer().status == 400
    assert wire.rest() == b"", "what follows a request that cannot be read is not a request"


def test_a_request_may_arrive_byte_by_byte(wire: Wire) -> None:
    for sent in (request("POST", "/echo", b"hello"), chunked(b"hello", b" you")):
        wire.send(*(sent[place : place + 1] for place in range(len(sent))))
        assert wire.answer().status == 200


def test_a_request_may_be_split_anywhere(wire: Wire) -> None:
    sent = request("POST", "/echo", b"hello") + chunked(b"hello", b" you") + b"\r\n\r\n" + HEAD
    for place in range(1, len(sent)):
        wire.send(sent[:place], sent[place:])
        assert [json.loads(wire.answer().body)["length"] for _ in range(3)] == [5, 9, 0], place


def test_empty_lines_between_requests_are_passed_over(wire: Wire) -> None:
    wire.send(b"\r\n\r\n", b"\r\n" + HEAD + b"\r\n" * 5 + HEAD)
    assert [wire.answer().status, wire.answer().status] == [200, 200]


def test_a_head_request_has_the_headers_of_a_get_and_no_body(wire: Wire) -> None:
    for target in ("/echo", "/plain/echo", "/big?size=50000&part=1000", "/plain/big?size=50000"):
        head = wire.send(request("HEAD", target)).answer("HEAD")
        assert head.status == 200
        assert "transfer-encoding" not in head.headers
        assert wire.get("/echo").status == 200, "the connection is in order afterwards"
    assert wire.send(request("HEAD", "/plain/big?size=50000")).answer("HEAD").headers["content-length"] == "50000"


def test_an_answer_without_content_has_neither_body_nor_length(wire: Wire) -> None:
    answer = wire.get("/empty")
    assert answer.status == 204
    assert not {"content-length", "transfer-encoding"} & set(answer.headers)
    assert wire.get().status == 200


def test_options_of_the_whole_server_and_whole_urls(wire: Wire) -> None:
    assert json.loads(wire.send(request("OPTIONS", "*")).answer().body)["PATH_INFO"] == "*"
    said = json.loads(wire.send(request("GET", "http://shop.example:81/echo?a=b")).answer().body)
    assert (said["PATH_INFO"], said["QUERY_STRING"], said["HTTP_HOST"]) == ("/echo", "a=b", "shop.example:81")


def test_an_upgrade_is_not_followed(wire: Wire) -> None:
    sent = request("POST", "/echo", b"hello", Upgrade="h2c", Connection="Upgrade, HTTP2-Settings", HTTP2_Settings="AAMAAABkAAQ")
    wire.send(sent + HEAD)
    assert [json.loads(wire.answer().body)["length"] for _ in range(2)] == [5, 0]


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 5 << 20])
def test_bodies_arrive_whole(wire: Wire, size: int) -> None:
    body = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    for sent in (request("POST", "/echo", body), chunked(*(body[at : at + 50000] for at in range(0, size, 50000)))):
        said = json.loads(wire.send(sent).answer().body)
        assert (said["length"], said["digest"]) == (size, hashlib.sha256(body).hexdigest())
        assert said.get("CONTENT_LENGTH", "0") == str(size)
        assert "HTTP_TRANSFER_ENCODING" not in said


def test_a_client_that_waits_to_be_asked_for_the_body_is_asked_once(wire: Wire) -> None:
    head, _, _ = request("POST", "/echo", b"hello", Expect="100-continue").partition(b"hello")
    assert wire.send(head).answer().status == 100
    assert json.loads(wire.send(b"hello").answer().body)["length"] == 5
    # One that did not wait needs no invitation.
    assert wire.send(head + b"hello").answer().status == 200
    # And one whose body is too large is told before it sends it.
    refused = wire.send(
        b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % (MOST_BODY + 1)
    ).answer()
    assert refused.status == 413


def test_a_chunked_body_is_refused_when_it_grows_too_large(wire: Wire) -> None:
    wire.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    wire.send(*([b"100000\r\n" + b"x" * 0x100000 + b"\r\n"] * 7))
    assert wire.answer().status == 413


@pytest.mark.parametrize("case", REFUSED)
def test_what_could_be_understood_in_two_ways_is_refused(server: Server, wire: Wire, case: str) -> None:
    status, sent = REFUSED[case]
    mark = server.mark()
    answer = wire.send(sent + HEAD).answer()
    assert (answer.status, answer.headers["connection"]) == (status, "close")
    assert wire.rest() == b"", "a request that was smuggled behind the refused one has been answered"
    server.wait_for("request_refused", after=mark, status=status)


LARGE = [
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10485760\r\n\r\n" + b"x" * 10_485_760,
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + (b"100000\r\n" + b"x" * 0x100000 + b"\r\n") * 10,
    b"GET / HTTP/1.1\r\nX: " + b"x" * 10_485_760,
]


@pytest.mark.parametrize("piece", [1 << 30, 65536, 1460])
@pytest.mark.parametrize("sent", LARGE, ids=["counted", "chunked", "head"])
def test_a_refused_client_that_sends_it_all_before_it_reads_can_read_why(wire: Wire, sent: bytes, piece: int) -> None:
    for place in range(0, len(sent), piece):
        wire.send(sent[place : place + piece])
    assert wire.answer().status in {413, 431}
    assert wire.rest() == b"", "and no reset"


def test_a_refused_client_that_sends_for_ever_is_cut(server: Server, wire: Wire) -> None:
    wire.send(REFUSED["large body"][1])
    sent = 0
    with contextlib.suppress(ConnectionError):
        while sent < 1 << 30:
            wire.send(bytes(1 << 20))
            sent += 1 << 20
    assert 50 << 20 < sent < 200 << 20, "it was given time to read, and not more"
    until(lambda: server.status()["dispatcher"]["connections"] == 0, "the connection to be closed")


def test_headers_that_could_be_taken_for_others_never_arrive(wire: Wire) -> None:
    lines = b"X_Forwarded_For: 6.6.6.6\r\nProxy: evil\r\nX-Real-Name: a\r\nContent_Length: 7\r\n"
    said = json.loads(wire.send(b"GET /echo HTTP/1.1\r\nHost: x\r\n" + lines + b"\r\n").answer().body)
    assert not {"HTTP_X_FORWARDED_FOR", "HTTP_PROXY", "CONTENT_LENGTH", "HTTP_CONTENT_LENGTH"} & set(said)
    assert said["HTTP_X_REAL_NAME"] == "a"


def test_a_path_is_decoded_and_repeated_headers_are_joined(wire: Wire) -> None:
    sent = b"GET /plain/%65cho?q=%20 HTTP/1.1\r\nHost: x\r\nX-A: 1\r\nX-A: 2\r\nCookie: a=1\r\nCookie: b=2\r\n\r\n"
    said = json.loads(wire.send(sent).answer().body)
    assert (said["PATH_INFO"], said["QUERY_STRING"]) == ("/plain/echo", "q=%20")
    assert (said["HTTP_X_A"], said["HTTP_COOKIE"]) == ("1,2", "a=1; b=2")
