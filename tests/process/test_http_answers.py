"""Whatever an application says, a strict client (h11) gets one answer that it understands as it was meant, or a cut connection.

The applications' behaviour is made up: statuses, headers that forge or contradict, bodies longer or shorter than announced, lists,
streams, `write`, failures; for clients of HTTP/1.1 and 1.0, GET, HEAD and others. The rules are written apart from the server's.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import h11
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from prefork.testing import Server

from .conftest import Echo
from .wire import Wire, request

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
TEXT = re.compile(r"[\t\x20-\x7e\x80-\xff]*")  # of a value, and of a phrase
OURS = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "proxy-authenticate", "content-length"}
CUT = "cut"


@dataclass(frozen=True)
class Told:
    """How an application is to behave, and who asks."""

    status: str
    headers: list[tuple[str, str]]
    parts: list[bytes]
    form: str
    method: str = "GET"
    version: str = "1.1"
    connection: str = ""

    def sent(self) -> bytes:
        """The request that tells the application."""
        told = {
            "status": self.status,
            "headers": self.headers,
            "parts": [part.decode("latin-1") for part in self.parts],
            "form": self.form,
        }
        asked = {"Connection": self.connection} if self.connection else {}
        return request(self.method, "/", json.dumps(told).encode(), version=self.version, **asked)

    def sendable(self) -> bool:
        """Whether status and headers are what HTTP allows."""
        lengths = {int(value) for name, value in self.headers if name.lower() == "content-length" and re.fullmatch("[0-9]+", value)}
        counted = [value for name, value in self.headers if name.lower() == "content-length"]
        return (
            re.fullmatch(r"[2-9][0-9]{2} .*", self.status, re.DOTALL) is not None
            and TEXT.fullmatch(self.status) is not None
            and all(TOKEN.fullmatch(name) and TEXT.fullmatch(value) for name, value in self.headers)
            and all(re.fullmatch("[0-9]+", value, re.ASCII) for value in counted)
            and len(lengths) <= 1
        )

    def length(self) -> int | None:
        """What it announces."""
        return next((int(value) for name, value in self.headers if name.lower() == "content-length"), None)

    def bodiless(self) -> bool:
        """Whether there is never a body, whatever it says."""
        return self.method == "HEAD" or self.status[:3] in {"204", "304"}

    def expected(self) -> tuple[int, bytes] | str:
        """Status and body, or that the connection is cut; 500 without a body here."""
        said = b"".join(self.parts)
        begun = bool(said) and self.form in {"write", "generate", "fail"}
        if not self.sendable() or (self.form == "fail" and not begun):
            return 500, b""
        if self.bodiless():
            return int(self.status[:3]), b""
        length = self.length()
        if len(said) < length if length is not None else self.form == "fail":
            return CUT
        return int(self.status[:3]), said[:length]


@dataclass
class Got:
    """An answer as h11 understands it; `closes`: it takes the connection to be over."""

    response: h11.Response
    body: bytes
    closes: bool


def read(wire: Wire, told: Told) -> Got:
    """Read one answer. Raises h11.RemoteProtocolError for what is none, or for one that is cut."""
    client = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    headers = [("Host", "x"), *([("Connection", told.connection)] if told.connection else [])]
    client.send(h11.Request(method=told.method, target="/", headers=headers))
    client.send(h11.EndOfMessage())
    response, body = None, b""
    while True:
        event = client.next_event()
        if event is h11.NEED_DATA:
            client.receive_data(receive(wire))
        elif isinstance(event, h11.Response):
            response = event
        elif isinstance(event, h11.Data):
            body += event.data
        else:
            assert isinstance(event, h11.EndOfMessage), event
            break
    assert response is not None
    assert client.trailing_data[0] == b"", "bytes follow the answer"
    return Got(response, body, client.their_state is h11.MUST_CLOSE or client.their_state is h11.CLOSED)


def receive(wire: Wire) -> bytes:
    """Some bytes; a reset is no end."""
    try:
        return wire.socket.recv(1 << 16)
    except ConnectionResetError:
        raise h11.RemoteProtocolError("the connection was reset") from None


# What is made up.

names = st.sampled_from(
    "Content-Type Content-Length content-length Transfer-Encoding Connection Keep-Alive Upgrade Trailer Date Set-Cookie X_B".split()
) | st.text(st.characters(max_codepoint=255), max_size=4)
values = st.sampled_from(
    [
        "0",
        "3",
        "5",
        "05",
        "+5",
        "5, 5",
        "-1",
        "5 ",
        "chunked",
        "close",
        "keep-alive",
        "h2c",
        "a\r\nX-Evil: y",
        "a\n b",
        "\x0b",
        " a ",
        "",
    ]
) | st.text(st.characters(max_codepoint=255), max_size=8)
statuses = st.sampled_from(
    ["200 OK", "200 OK", "200 OK", "201 Created", "204 No Content", "205 Reset Content", "206 Partial Content", "304 Not Modified",
     "404 Not Found", "500 Oops", "599 \xe4", "999 ", "100 Continue", "101 Switching Protocols", "199 X", "1000 X", "200", "",
     "200 OK\r\nX-Evil: y", "200 O\nK", "200 \x7f", "200 \x0b"]
)  # fmt: skip
parts = st.lists(st.binary(max_size=12) | st.sampled_from([b"", b"abc", b"\r\n\r\n", b"0\r\n\r\n", b"x" * 300_000]), max_size=4)
behaviours = st.builds(
    Told,
    statuses,
    st.lists(st.tuples(names, values), max_size=4),
    parts,
    st.sampled_from(["list", "write", "generate", "generate", "fail"]),
    st.sampled_from(["GET", "GET", "HEAD", "POST", "OPTIONS", "DELETE"]),
    st.sampled_from(["1.1", "1.1", "1.0"]),
    st.sampled_from(["", "", "close", "keep-alive"]),
)


@pytest.fixture(scope="module")
def server(echo: Echo) -> Iterator[Server]:
    with echo("behave:app", workers=1, access_log=False, faults=["Error"]) as server:
        pid = server.workers()["http.1"]
        yield server
        assert server.workers()["http.1"] == pid
        assert not server.events("fault_contained")


def check(told: Told, got: Got) -> None:
    """The answer says what the application said, and nothing else."""
    given = {name.lower().decode(): value.decode("latin-1") for name, value in got.response.headers}
    assert "x-evil" not in given
    assert told.version == "1.1" or "transfer-encoding" not in given
    assert [name for name, _ in got.response.headers].count(b"content-length") <= 1
    if got.response.status_code != 500:
        theirs = [(name.lower(), value.strip(" \t")) for name, value in told.headers if name.lower() not in OURS]
        added = {"date", "server", "x-request-id"} - {name for name, _ in theirs}
        arrived = [(name.lower().decode(), value.decode("latin-1")) for name, value in got.response.headers]
        assert [header for header in arrived if header[0] not in OURS | added] == theirs
        assert got.response.reason == told.status[4:].encode("latin-1").strip(b" \t")


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(behaviours)
@example(Told("200 OK", [("Content-Length", "3"), ("content-length", "3")], [b"abc"], "list"))
@example(Told("204 No Content", [("Content-Length", "3")], [b"abc"], "generate"))
@example(Told("304 Not Modified", [("Content-Length", "3")], [], "list"))
@example(Told("200 OK", [], [b"abc"], "generate", version="1.0", connection="keep-alive"))
@example(Told("200 OK", [("Content-Length", "5")], [b"abc"], "generate", version="1.0"))
@example(Told("200 OK", [], [b"abc"], "fail", version="1.0"))
def test_a_strict_client_understands_every_answer(server: Server, told: Told) -> None:
    expected = told.expected()
    with Wire(server) as wire:
        wire.send(told.sent())
        if expected == CUT:
            with pytest.raises(h11.RemoteProtocolError):
                read(wire, told)
            return
        got = read(wire, told)
        status, body = expected
        assert got.response.status_code == status
        assert status == 500 or got.body == body
        check(told, got)
        assert got.closes or told.version == "1.1" or told.connection == "keep-alive", "an old client takes it to be over"
        if got.closes:
            assert wire.rest() == b""
        else:
            wire.send(Told("200 Next", [], [b"next"], "list").sent())
            assert read(wire, Told("200 Next", [], [b"next"], "list")).body == b"next", "the connection is in order afterwards"
