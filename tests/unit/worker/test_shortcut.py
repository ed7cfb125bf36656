"""The shortcut beside the long way: whatever an application does, nobody can tell by answer or receipt which way a request went."""

from __future__ import annotations

import contextlib
import itertools
import os
import select
import socket
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings
from tests.native import native

from prefork.dispatcher.loans import Loans
from prefork.http import framing
from prefork.kernel import unread
from prefork.lending import (
    ASKS_REPLACEMENT,
    BACK,
    LASTS,
    LOANED,
    NEWS,
    OWNED,
    RING,
    Receipt,
    Terms,
    pack_receipt,
    pack_terms,
    unpack_return,
)
from prefork.messages import CLOEXEC_DONTWAIT, END, FILE, REST, SPOOLED, inbox, pair, receive, unpack_ending, unpack_extent
from prefork.scoreboard import BEGUN_AT, CPU_AT, LOAN, REQUEST, REQUESTS, RESIDENT_AT, SIZE, TAKEN, Scoreboard
from prefork.worker.borrowing import Borrower
from prefork.worker.http import Desk, Means, reader_of
from prefork.worker.output import Output
from prefork.worker.shortcut import Shortcut

from .conftest import hosted, request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prefork.messages import Request

    Application = Callable[[dict[str, Any], Callable[..., Any]], Any]

WHOLE = b"GET /a?b=c HTTP/1.1\r\nHost: h\r\nUser-Agent: me\r\nCookie: d=e\r\n\r\n"
TEXT = [("Content-Type", "text/plain")]


def terms(proxies: tuple[str, ...] | None) -> Terms:
    return Terms("abc.0.17", ("/_prefork/*",), 4096, proxies, 1 << 20)


class Way:
    """A worker with one connection on loan, and the dispatcher's end of everything."""

    def __init__(
        self,
        spool: int,
        application: Application,
        shortcut: Any = None,
        limit: int = 1 << 60,
        proxies: tuple[str, ...] | None = None,
        peer: str = "127.0.0.1",
    ) -> None:
        self.scoreboard = Scoreboard.create()
        self.slot = self.scoreboard.slot(0)
        self.wire, self.pair = pair()
        self.loans = Loans(self.slot, self.wire)
        self.peer = peer
        self.loans.offer(terms(proxies))
        message, descriptors = receive(self.pair, inbox())
        self.borrower = Borrower(self.pair, self.slot, *descriptors)
        self.borrower.agree(message)
        means = Means(spool, 1 << 30, Output(), None, Borrower, shortcut)
        self.desk = Desk(self.pair, self.slot, hosted(application), means, limit, itertools.count(1))
        self.reader = reader_of(self.borrower, self.desk)
        assert (self.reader is self.borrower) is (shortcut is None)
        self.connect()
        self.long: list[Request] = []  # what went the long way

    def connect(self) -> None:
        """Have a client whose connection is on loan."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.client = socket.create_connection(listener.getsockname())
            self.ours, _ = listener.accept()
        self.client.settimeout(10)
        self.key = self.ours.fileno()
        self.lend()

    def connect_again(self) -> None:
        """The same in the place of the client before."""
        self.loans.release(self.key)
        self.client.close()
        self.ours.close()
        assert not self.borrower.epoll.poll(0), "what it has been told of is no longer ahead of what comes"
        self.connect()

    def lend(self) -> None:
        copy = self.ours.dup()
        given = request()._replace(loan=(self.key, (self.peer, 4711)))
        assert self.borrower.keep(given, socket.SocketType(fileno=copy.detach()))
        connection: Any = SimpleNamespace(descriptor=self.key, socket=self.ours)
        self.loans.lend(connection)

    def serve(self) -> None:
        """Answer what has come, as `worker.http.serve` does it."""
        self.wire.send(b"x")  # behind the loan, as the kernel tells of them
        while (lent := self.reader.take()) is not None:
            self.long.append(lent)
            self.desk.answer_lent(lent, self.borrower)
        assert self.pair.recv(10) == b"x"

    def ask(self, data: bytes = WHOLE) -> tuple[bytes, Any]:
        """What a client gets for this, by whichever way, and all that the dispatcher can know of it."""
        self.client.sendall(data)
        while unread(self.ours) < len(data):
            pass
        self.serve()
        receipts = self.loans.collect()
        told: list[Any] = []
        handed, size = b"", sum(each.sent for each in receipts)
        while select.select([self.wire], [], [], 0)[0]:
            message, descriptors = receive(self.wire, inbox(), CLOEXEC_DONTWAIT)
            if message[0] in {REST, FILE, SPOOLED}:
                handed += read(descriptors[0], *unpack_extent(message)) if descriptors else message[1:]
            elif message[0] == END:
                ending = unpack_ending(message)
                size += ending.sent
                told.append(ending._replace(cpu=0))
            else:
                told.append(unpack_return(message)._replace(key=0) if message[0] in {BACK, OWNED} else message)
        got = b""
        while len(got) < size - len(handed):
            got += self.client.recv(1 << 20)
        words = [self.slot[word] for word in (REQUEST, REQUESTS, TAKEN, SIZE)]
        assert {self.slot[LOAN], *(each.key for each in receipts)} == {self.key}
        noted = [each._replace(key=0, wait=0, began=0, service=0, cpu=0) for each in receipts]
        return got + handed, (noted, told, words, len(self.borrower.loans))

    def close(self) -> None:
        for each in (*(loan.client for loan in self.borrower.loans.values()), self.client, self.ours, self.wire, self.pair):
            each.close()
        self.borrower.epoll.close()
        self.loans.close()
        os.close(self.scoreboard.descriptor)
        del self.borrower.heads  # they know the borrower: what it has mapped goes with it


def read(descriptor: int, offset: int, count: int) -> bytes:
    data = os.pread(descriptor, count, offset)
    os.close(descriptor)
    return data


def start(start_response: Callable[..., Any], *headers: tuple[str, str], status: str = "200 OK") -> Callable[[bytes], Any]:
    """The write of an answer that has begun."""
    write: Callable[[bytes], Any] = start_response(status, [*TEXT, *headers])
    return write


def usual(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start(start_response)
    return [b"hello"]


def of(*parts: Any, headers: Any = (), status: str = "200 OK") -> Application:
    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        start_response(status, [*TEXT, *headers])
        return list(parts)

    return application


def told(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """All that its environ says, and as soon as it has said it, it is gone."""
    kinds = {key: type(value).__name__ for key, value in environ.items() if key.startswith("wsgi.") or key == "prefork.tag"}
    environ["prefork.tag"]("about this")
    kinds["prefork.tag"] = ""
    said = {key: value for key, value in environ.items() if key not in kinds}
    body = repr((sorted(kinds.items()), sorted(said.items()), environ["wsgi.input"].read())).encode()
    environ.clear()
    start(start_response)
    return [body]


def two_parts(environ: dict[str, Any], start_response: Callable[..., Any]) -> tuple[bytes, ...]:
    start(start_response)
    return b"one", b"two"


def generated(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
    start(start_response)
    yield b"one"
    yield b"two"


def written(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    environ["prefork.tag"]("before")
    write = start(start_response)
    write(b"one")
    environ["prefork.tag"]("after")
    return [b"two"]


def tagged(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
    environ["prefork.tag"]("about this")
    return iter(usual(environ, start_response))


def headers_once_and_dated(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start_response("200 OK", iter([*TEXT, ("Date", "Sun, 06 Nov 1994 08:49:37 GMT")]))
    return [b"hello"]


def headers_once(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start_response("200 OK", iter(TEXT))
    return [b"hello"]


def headers_as_lists(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start_response("200 OK", [["Content-Type", "text/plain"]])
    return [b"hello"]


def raising(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    raise LookupError("nothing here")


def raising_late(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start(start_response)(b"the beginning")
    raise LookupError("nothing here")


def leaving(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start(start_response)
    raise SystemExit(3)


def starting_twice(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start(start_response)
    start(start_response)
    return [b"hello"]


def starting_again(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start(start_response)
    try:
        environ["nothing here"]
    except LookupError:
        start_response("500 Oh", TEXT, sys.exc_info())
    return [b"sorry"]


def not_starting(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    return [b"hello"]


class Closing(list[bytes]):
    def close(self) -> None:
        raise LookupError("closed")


def closing(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start(start_response)
    return Closing((b"hello",))


class Belated:
    """Goes on with the answer before, which is out."""

    def __init__(self, form: Callable[[list[bytes]], Any]) -> None:
        self.form = form
        self.before: tuple[Callable[..., Any], Callable[[bytes], Any]] | None = None

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        said = b""
        if self.before:
            again, write = self.before
            write(b"late")
            try:
                again("200 OK", TEXT)
            except RuntimeError as error:
                said = str(error).encode()
            with contextlib.suppress(LookupError):
                again("500 Oh", TEXT, (LookupError, LookupError("nothing here"), None))(b"later")
            write(b"late")
        self.before = start_response, start(start_response)
        return self.form([b"hello" + said])


def filed(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
    start(start_response)
    return environ["wsgi.file_wrapper"](Path(__file__).open("rb"))


APPLICATIONS: dict[str, Application] = {
    "one part": usual,
    "what it is told": told,
    "no part": of(),
    "an empty part": of(b""),
    "a part of some pages": of(b"x" * 5000),
    "a part that is sent without the lock": of(b"x" * 100_000),
    "more than the socket takes": of(b"0123456789" * 800_000),
    "text": of("hello"),
    "an array": of(bytearray(b"hello")),
    "two parts": two_parts,
    "parts as they come": generated,
    "its own length": of(b"hello", headers=[("Content-Length", "5")]),
    "more than it says": of(b"hello", headers=[("Content-Length", "3")]),
    "less than it says": of(b"hello", headers=[("Content-Length", "9")]),
    "an end of the connection": of(b"hello", headers=[("Connection", "close")]),
    "its own date": of(b"hello", headers=[("Date", "Sun, 06 Nov 1994 08:49:37 GMT")]),
    "its own id": of(b"hello", headers=[("X-Request-ID", "mine")]),
    "its own server": of(b"hello", headers=[("Server", "mine")]),
    "many headers": of(b"hello", headers=[(f"X-{number}", "y" * 80) for number in range(90)]),
    "a header that would forge one": of(b"hello", headers=[("X", "a\r\nY: b")]),
    "a status that is none": of(b"hello", status="OK"),
    "a status that is not usual": of(b"hello", status="599 Odd"),
    "no content": of(b"", status="204 No Content"),
    "no content, and some": of(b"hello", status="204 No Content"),
    "not modified": of(status="304 Not Modified"),
    "through write": written,
    "a tag, and parts as they come": tagged,
    "headers once": headers_once,
    "headers once, and a date": headers_once_and_dated,
    "headers as lists": headers_as_lists,
    "a fault": raising,
    "a fault in its middle": raising_late,
    "an exit": leaving,
    "started twice": starting_twice,
    "started again": starting_again,
    "not started": not_starting,
    "a list of its own": closing,
    "a file": filed,
}
REQUESTS_OF = {
    "as usual": WHOLE,
    "its head only": WHOLE.replace(b"GET", b"HEAD"),
    "the last of its connection": WHOLE[:-2] + b"Connection: close\r\n\r\n",
    "in an old version": b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "with a body": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
    "with a body of which the most is in its socket": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 40000\r\n\r\n"
    + b"ab" * 20_000,
    "with a body of nothing": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
    "with an id": WHOLE[:-2] + b"X-Request-ID: mine\r\n\r\n",
    "that is none": b"nonsense\r\n\r\n",
    "two at once": WHOLE + WHOLE,
    "half": WHOLE[:-2],
}
SHORT = {
    "one part", "what it is told", "an empty part", "a part of some pages", "a part that is sent without the lock",
    "its own length", "its own server", "a status that is not usual", "no content",
}  # fmt: skip


@pytest.fixture(params=["source", "compiled"])
def shortcut(request: pytest.FixtureRequest) -> Any:
    return Shortcut if request.param == "source" else native("worker/shortcut").Shortcut


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[int]:
    directory = os.open(tmp_path, os.O_RDONLY)
    yield directory
    os.close(directory)


@pytest.fixture
def way(spool: int, shortcut: Any) -> Iterator[Way]:
    made = Way(spool, usual, shortcut)
    yield made
    made.close()


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """No second passes between two answers."""
    dated = framing._dated()
    monkeypatch.setattr(framing, "_dated", lambda: dated)


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize(
    ("application", "data"),
    [(name, "as usual") for name in APPLICATIONS]
    + [(name, data) for name in ("one part", "what it is told", "no content", "through write", "a fault") for data in REQUESTS_OF],
)
def test_nobody_can_tell_which_way_a_request_went(application: str, data: str, spool: int, shortcut: Any) -> None:
    ways = [Way(spool, APPLICATIONS[application]), Way(spool, APPLICATIONS[application], shortcut)]
    try:
        for _ in range(5):
            long, short = [way.ask(REQUESTS_OF[data]) for way in ways if way.borrower.loans] or [None, None]
            assert long == short
        taken = [len(way.long) for way in ways]
        if data in {"as usual", "with a body", "with a body of nothing"} and application in SHORT:
            assert taken == [5, 2], "only what has come before is known, and has an environ"
    finally:
        for way in ways:
            way.close()


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize("application", ["one part", "what it is told", "a part of some pages", "no content", "through write"])
@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_a_connection_for_each_request_ends_alike_in_both_ways(application: str, version: bytes, spool: int, shortcut: Any) -> None:
    ways = [Way(spool, APPLICATIONS[application]), Way(spool, APPLICATIONS[application], shortcut)]
    data = REQUESTS_OF["the last of its connection"].replace(b"1.1", version)
    for _ in range(5):
        long, short = [way.ask(data) for way in ways]
        assert long == short
        assert [way.client.recv(1) for way in ways] == [b"", b""], "each client hears that this was all"
        assert [way.borrower.loans for way in ways] == [{}, {}]
        for way in ways:
            way.connect_again()
    if application in SHORT:
        assert [len(way.long) for way in ways] == [5, 2]
    for way in ways:
        way.close()


# What proxies write into the heads of the same request, one time after the other.
FORWARDED: dict[str, Callable[[int], bytes]] = {
    "a client of a few": lambda number: b"X-Forwarded-For: 192.0.2.%d\r\n" % (number % 2),
    "always another one": lambda number: b"X-Forwarded-For: 192.0.2.%d\r\nX-Real-IP: 192.0.2.%d\r\n" % (number, number),
    "an address of version 6": lambda number: b"x-forwarded-for:2001:DB8::%d\r\n" % number,
    "several proxies": lambda number: b"X-Forwarded-For: 192.0.2.9, 198.51.100.%d, 10.0.0.1\r\n" % number,
    "proxies only": lambda number: b"X-Forwarded-For: 10.0.0.2,10.0.0.%d\r\n" % number,
    "a name for each request": lambda number: b"X-Request-ID: %d\r\n" % number,
    "all that ours write": lambda number: (
        b"X-Forwarded-Host: shop.example\r\nX-Forwarded-For: 192.0.2.%d\r\nX-Forwarded-Proto: https\r\n"
        b"X-Real-IP: 192.0.2.%d\r\nX-Request-ID: %032x\r\n" % (number, number, number)
    ),
    "no address": lambda number: b"X-Forwarded-For: unknown-%d\r\n" % number,
    "an address in the end": lambda number: b"X-Forwarded-For: evil, 192.0.2.%d\r\n" % number,
    "another real address": lambda number: b"X-Real-IP: evil\r\nX-Forwarded-For: 192.0.2.%d\r\n" % number,
}
ODDLY_FORWARDED: dict[str, Callable[[int], bytes]] = {
    "once nothing": lambda number: b"X-Forwarded-For: %b\r\nX-Real-IP: ::1\r\n" % (b"192.0.2.1" if number % 3 else b""),
    "an interface": lambda number: b"X-Forwarded-For: fe80::1%%eth%d\r\n" % number,
    "two lines": lambda number: b"X-Forwarded-For: 192.0.2.%d\r\nX-Forwarded-For: 10.0.0.1\r\n" % number,
    "two names": lambda number: b"X-Request-ID: %d\r\nX-Request-ID: b\r\n" % number,
    "a name that is two words": lambda number: b"X-Request-ID: a %d\r\n" % number,
    "a name with a comma": lambda number: b"X-Request-ID: a,%d\r\n" % number,
    "a long name": lambda number: b"X-Request-ID: %d%b\r\n" % (number, b"x" * 128),
    "spaces around": lambda number: b"X-Forwarded-For:  192.0.2.%d \r\n" % number,
    "a tab": lambda number: b"X-Forwarded-For:\t192.0.2.%d\r\n" % number,
    "more than ASCII": lambda number: b"X-Real-IP: caf\xe9%d\r\n" % number,
    "other words for it": lambda number: b"Forwarded: for=192.0.2.%d;proto=https\r\n" % number,
    "a scheme that changes": lambda number: b"X-Forwarded-Proto: %b\r\n" % (b"https" if number % 2 else b"http"),
    "a name with underscores": lambda number: b"X_Forwarded_For: 192.0.2.%d\r\nX_Request_ID: %d\r\n" % (number, number),
    "five lines": lambda number: b"X-Real-IP: 192.0.2.%d\r\n" % number * 5,
}


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize("proxies", [None, (), ("127.0.0.0/8", "10.0.0.0/8"), ("10.0.0.0/8",)], ids=str)
@pytest.mark.parametrize("lines", {**FORWARDED, **ODDLY_FORWARDED})
def test_a_proxys_words_are_heard_alike_in_both_ways(
    lines: str, proxies: tuple[str, ...] | None, spool: int, shortcut: Any
) -> None:
    ways = [Way(spool, told, each, proxies=proxies) for each in (None, shortcut)]
    head = {**FORWARDED, **ODDLY_FORWARDED}[lines]
    for number in range(6):
        long, short = [way.ask(WHOLE[:-2] + head(number) + b"\r\n") for way in ways]
        assert long == short
    if lines in FORWARDED:
        assert [len(way.long) for way in ways] == [6, 2], "only what has come before is known, and has an environ"
    for way in ways:
        way.close()


@pytest.mark.usefixtures("still")
def test_a_known_head_that_is_too_large_with_these_words_goes_back(spool: int, shortcut: Any) -> None:
    small, large = [WHOLE[:-2] + b"X-Request-ID: %b\r\n\r\n" % name for name in (b"mine", b"mine-2")]
    ways = [Way(spool, usual, each) for each in (None, shortcut)]
    for way in ways:
        way.borrower.agree(pack_terms(terms(None)._replace(largest_head=len(small))))
    long, short = [[way.ask(data) for data in (small, small, small, small, large)] for way in ways]
    assert long == short
    assert [len(way.long) for way in ways] == [4, 2]
    for way in ways:
        assert not way.borrower.loans
        way.close()


def test_what_a_trusted_proxy_says_is_believed_of_nobody_else(spool: int, shortcut: Any) -> None:
    """The same bytes, again and again, from a proxy and from somebody who would be one, also while that changes."""

    def named(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        names = "REMOTE_ADDR", "REMOTE_PORT", "wsgi.url_scheme", "HTTP_HOST", "HTTP_X_FORWARDED_FOR", "HTTP_X_REQUEST_ID"
        start(start_response)
        return [" ".join(environ.get(name, "-") for name in names).encode()]

    data = WHOLE[:-2] + FORWARDED["all that ours write"](7) + b"\r\n"
    believed, not_believed = b"192.0.2.7 0 https shop.example 192.0.2.7 %032x" % 7, b"%b %b http h - " + b"%032x" % 7
    way = Way(spool, named, shortcut)
    with second_loan(way, "198.51.100.1") as other:
        peers = {"127.0.0.1": (way.client, b"4711"), "198.51.100.1": (other, b"4712")}
        for proxies in (("127.0.0.1",), ("198.51.100.1",), tuple(peers), (), ("127.0.0.1",)):
            way.borrower.agree(pack_terms(terms(proxies)))
            for _ in range(4):
                for peer, (client, port) in peers.items():
                    client.sendall(data)
                    while not select.select([client], [], [], 0)[0]:
                        way.serve()
                    said = client.recv(1 << 16).partition(b"\r\n\r\n")[2]
                    assert said == (believed if peer in proxies else not_believed % (peer.encode(), port))
        assert len(way.long) == 4 + 4 + 2 + 2 + 4, "what is known of a proxy is known of another one, and of nobody else"
    way.close()


class Word(str):
    """Text that is none."""

    __slots__ = ()


class Data(bytes):
    """Bytes that are none."""


class Liar(list[Any]):
    """A list with more or less in it than there is, and a part that nobody put there."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, key: Any) -> Any:
        return b"not there"


def stream(parts: list[Any]) -> Iterator[Any]:
    yield from parts


STATUS: list[Any] = [
    "200 OK", "200 OK", "200 OK", "204 No Content", "304 Not Modified", "205 Reset Content", "100 Continue", "101 Odd", "599 Odd",
    "999 Odd", "1000 Odd", "200", "200 ", "20x Odd", "200 a\r\nX: b", "200 \xe9", "200 \u20ac", "", Word("200 OK"), 200, 204,
    b"200 OK", None, ("200", "OK"),
]  # fmt: skip
NAMES: list[Any] = [
    "X", "x-request-id", "Date", "server", "Connection", "Transfer-Encoding", "Upgrade", "Content-Type", "", "a b", "X\r", "X:",
    "\xe9", "\u20ac", "X\0", Word("Y"), b"Z", None, 3,
]  # fmt: skip
VALUES: list[Any] = [
    "a", "", "close", "keep-alive", "chunked", "a\r\nY: b", "a\n", "a\0", "\t", "\xe9", "\u20ac", "y" * 5000, Word("b"), b"c",
    None, 3,
]  # fmt: skip
LENGTHS: list[Any] = ["0", "3", "5", "6", "05", "+5", "-1", "5, 5", " 5", "\u0665", "1" + "0" * 30, 5, b"5"]
PARTS: list[Any] = [
    b"hello", b"hello", b"", b"x" * 3600, b"x" * 5000, b"y" * 70_000, Data(b"hello"), bytearray(b"hello"), memoryview(b"hello"),
    "hello", None, 5,
]  # fmt: skip
LINE = st.tuples(st.sampled_from(NAMES), st.sampled_from(VALUES)) | st.tuples(st.just("Content-Length"), st.sampled_from(LENGTHS))
LINES = st.lists(LINE, max_size=4)
FORMS: list[Callable[[Any], Any]] = [list, list, list, tuple, stream, iter, Liar, Closing, b"".join, dict.fromkeys]


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    status=st.sampled_from(STATUS),
    headers=LINES,
    late=LINES,
    kind=st.sampled_from([list, list, list, tuple, iter, Liar, lambda lines: list(map(list, lines))]),
    parts=st.lists(st.sampled_from(PARTS), max_size=3) | st.lists(st.sampled_from(PARTS), min_size=1, max_size=1),
    form=st.sampled_from(FORMS),
    times=st.sampled_from([1, 1, 1, 1, 0, 2]),
    asked=st.sampled_from(["as usual", "as usual", "with a body", "in an old version", "its head only"]),
)
@pytest.mark.usefixtures("still")
def test_neither_can_the_application_whatever_it_says(
    spool: int,
    shortcut: Any,
    status: Any,
    headers: list[Any],
    late: list[Any],
    kind: Any,
    parts: list[Any],
    form: Any,
    times: int,
    asked: str,
) -> None:
    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        said = kind(list(headers))
        for _ in range(times):
            start_response(status, said)
        if isinstance(said, list):
            said += late
        return form(list(parts))

    ways = [Way(spool, application), Way(spool, application, shortcut)]
    try:
        for _ in range(4):
            long, short = [way.ask(REQUESTS_OF[asked]) for way in ways if way.borrower.loans] or [None, None]
            assert long == short
    finally:
        for way in ways:
            way.close()


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize("form", [list, iter])
def test_what_is_said_of_an_answer_that_is_out_nobody_gets(spool: int, shortcut: Any, form: Callable[[list[bytes]], Any]) -> None:
    ways = [Way(spool, Belated(form)), Way(spool, Belated(form), shortcut)]
    for _ in range(5):
        long, short = [way.ask() for way in ways]
        assert long == short
        assert b"HTTP" not in long[0][4:]
    for way in ways:
        way.client.setblocking(False)
        with pytest.raises(BlockingIOError):
            way.client.recv(1)
        way.close()


class Interrupted:
    """A client's socket; an application's signal comes as soon as so much of an answer has been sent."""

    def __init__(self, client: socket.SocketType, share: float, error: Exception) -> None:
        self.client, self.share, self.error = client, share, error

    def send(self, data: bytes, flags: int) -> int:
        self.client.send(data[: int(len(data) * self.share)], flags)
        raise self.error

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)


@pytest.mark.parametrize("short", [False, True])
@pytest.mark.parametrize("share", [1.0, 0.5])
@pytest.mark.parametrize("error", [LookupError("the application's alarm"), TimeoutError("an OSError")])
def test_an_answer_out_of_which_an_exception_came_is_the_last_of_its_connection(
    spool: int, short: bool, share: float, error: Exception
) -> None:
    """Nobody knows how much of it is out: another answer behind it would be taken for it, or for that of the next request."""
    way = Way(spool, usual, Shortcut if short else None)
    for _ in range(3):
        again(way)
    loan: Any = way.borrower.loans[way.key]
    way.borrower.loans[way.key] = loan._replace(client=Interrupted(loan.client, share, error))
    way.client.sendall(WHOLE)
    way.ours.recv(1, socket.MSG_PEEK)
    while way.desk.served == 3:
        way.serve()
    answer = way.client.recv(1 << 16)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b"HTTP/1.1") == 1
    receipts, _ = collected(way)
    assert [(each.status, each.flags) for each in receipts] == [(200, LASTS)] * 3 + [(200, 0)]
    assert len(way.long) == (4 if not short else 2)
    way.close()


def collected(way: Way) -> tuple[list[Receipt], list[bytes]]:
    """All receipts in the order in which they were left, and what else the dispatcher is told."""
    others = []
    while select.select([way.wire], [], [], 0)[0]:
        others.append(receive(way.wire, inbox(), CLOEXEC_DONTWAIT)[0])
    return way.loans.collect(), others


def again(way: Way) -> None:
    """The same request once more, of which nobody takes the receipt."""
    served = way.desk.served
    way.client.sendall(WHOLE)
    way.ours.recv(1, socket.MSG_PEEK)
    while way.desk.served == served:
        way.serve()
    way.client.recv(1 << 16)


def test_no_receipt_is_lost_where_their_room_ends(way: Way) -> None:
    numbers = []
    for _ in range(4):
        while way.borrower.till.has_room():
            again(way)
        receipts, others = collected(way)
        numbers += [each.number for each in receipts]
        assert others == [bytes((NEWS,))], "half of the room was taken once"
    assert len(numbers) > RING // len(pack_receipt(*receipts[0])), "the ring has ended more than once"
    assert numbers == [LOANED + number for number in range(1, len(numbers) + 1)]
    assert len(way.long) == 2


@pytest.mark.parametrize("short", [False, True])
def test_where_there_is_no_room_for_a_receipt_its_connection_goes_back_with_the_request(
    spool: int, shortcut: Any, short: bool
) -> None:
    """What was said of it instead could be overtaken by the next receipt: where that was the connection's last, it was lost."""
    way = Way(spool, usual, shortcut if short else None)
    while way.borrower.till.has_room():
        again(way)
    again(way)
    receipts, (_, owned, ended) = collected(way)
    assert unpack_return(owned) == (OWNED, way.key, receipts[-1].number + 1, WHOLE)
    ending = unpack_ending(ended)
    assert (ending.number, ending.status, ending.sent, ending.keep) == (receipts[-1].number + 1, 200, receipts[-1].sent, True)
    assert way.borrower.loans == {}
    way.loans.release(way.key)
    way.lend()
    again(way)
    (receipt,), others = collected(way)
    assert (receipt.number, others) == (receipts[-1].number + 2, [])
    way.close()


def test_a_worn_worker_says_so_with_each_request_from_then_on(spool: int, shortcut: Any) -> None:
    way = Way(spool, usual, shortcut, limit=4)
    for _ in range(5):
        again(way)
    receipts, others = collected(way)
    assert [each.flags for each in receipts] == [LASTS] * 3 + [LASTS | ASKS_REPLACEMENT] * 2
    assert others == [bytes((NEWS,))] * 2
    way.close()


def test_a_connection_that_is_lent_under_the_key_of_one_before_is_another(way: Way) -> None:
    for _ in range(3):
        again(way)
    del way.loans.lent[way.key]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        way.client.close()
        way.ours.close()
        way.client = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    os.dup2(ours.fileno(), way.key)
    way.ours = socket.socket(fileno=way.key)
    if ours.fileno() != way.key:
        ours.close()
    else:
        ours.detach()
    way.lend()
    again(way)
    assert len(way.long) == 2


@contextlib.contextmanager
def second_loan(way: Way, peer: str = "127.0.0.1") -> Iterator[socket.socket]:
    """The client of another connection on loan."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    with client, ours:
        given = request()._replace(loan=(ours.fileno(), (peer, 4712)))
        assert way.borrower.keep(given, socket.SocketType(fileno=ours.dup().detach()))
        connection: Any = SimpleNamespace(descriptor=ours.fileno(), socket=ours)
        way.loans.lend(connection)
        yield client


TICK = 10_000_000  # nanoseconds: the kernel's clock for what has come goes by as much at the most


def compute(seconds: float = 0.03) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def test_times_are_those_of_the_request_itself(spool: int, shortcut: Any) -> None:
    """One that waits for another is told to have waited, since it came; processor time is its own."""

    def computing(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        compute()
        if late:
            late.pop().sendall(WHOLE)
        return usual(environ, start_response)

    late: list[socket.socket] = []
    way = Way(spool, computing, shortcut)
    for _ in range(3):
        again(way)
    collected(way)
    compute()
    way.borrower.waited = True  # for the next request
    with second_loan(way) as second, second_loan(way) as third:
        late.append(third)
        sent = time.monotonic_ns()
        for client in (way.client, second):
            client.sendall(WHOLE)
        way.ours.recv(1, socket.MSG_PEEK)
        begun = time.monotonic_ns()
        for _ in way.borrower.loans:  # what is behind the loans comes between them
            way.serve()
        took = time.monotonic_ns() - begun
        (one, two, three), _ = collected(way)
    assert len(way.long) == 2
    assert sent - TICK <= one.began - one.wait, "it did not wait before it came"
    assert 30_000_000 - TICK <= two.wait <= took
    assert three.began - three.wait >= one.began + one.service - TICK, "it came when the first one was done"
    assert three.began - three.wait < two.began + two.service
    assert begun < one.began < one.began + one.service <= two.began < three.began
    for each in (one, two, three):
        assert 30_000_000 <= each.cpu < 50_000_000, "and not what was computed before it came"
        assert each.cpu <= each.service + 1_000_000
    assert way.slot[BEGUN_AT] == three.began
    assert way.slot[RESIDENT_AT] > 1 << 20
    assert 0 < way.slot[CPU_AT] < time.process_time_ns()
    way.close()
