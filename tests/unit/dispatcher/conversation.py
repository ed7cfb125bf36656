"""A whole connection without sockets: pieces of bytes in, requests and the end out. Fast, for tests that try thousands."""

from __future__ import annotations

import errno
import os
import select
import tempfile
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

from prefork.dispatcher.connection import Connection
from prefork.dispatcher.states import State
from prefork.http.proxies import Origin
from prefork.http.repertoire import Repertoire

from .conftest import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prefork.dispatcher.exchange import Exchange
    from prefork.dispatcher.outbox import Extent
    from prefork.http.head import Head, Refused

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Served(NamedTuple):
    """A request as it goes to a worker. `start` and `end` are where it lies in the bytes of the conversation."""

    head: Head
    body: bytes
    start: int
    end: int


class Outcome(NamedTuple):
    """What became of a conversation: its requests, the status that refused the last one (or 0), and whether more would be read."""

    served: tuple[Served, ...]
    refused: int
    open: bool

    def seen(self) -> tuple[tuple[str, str, bytes], ...]:
        """The requests as (method, target, body)."""
        return tuple((served.head.method, served.head.target.decode("latin-1"), served.body) for served in self.served)


class Line:
    """A client's socket: gives the pieces, one a time, takes everything."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.sent = b""

    def fileno(self) -> int:
        return 3

    def recv(self, most: int, flags: int) -> bytes:
        if not self.pieces:
            raise BlockingIOError(errno.EAGAIN, "nothing there")
        piece = self.pieces.pop(0)
        if len(piece) > most:
            self.pieces.insert(0, piece[most:])
        return piece[:most]

    def send(self, data: bytes, flags: int) -> int:
        self.sent += data
        return len(data)

    def shutdown(self, how: int) -> None:
        pass


class Disk:
    """Does an errand at once. What it raises is the test's."""

    directory = os.open(tempfile.gettempdir(), os.O_RDONLY | os.O_DIRECTORY)

    def do(self, job: Callable[[], Any], then: Callable[[Any], None], place: str = "") -> None:
        then(job())

    def close(self, descriptor: int) -> None:
        os.close(descriptor)


class Disks:
    """One for all files."""

    spool = Disk()

    def of(self, extent: Extent) -> Disk:
        return self.spool

    def discard(self, extent: Extent) -> None:
        self.spool.close(extent.descriptor)


class Loop:
    """Remembers that a connection has more to read."""

    interrupted = False

    def again(self, connection: Connection) -> None:
        self.interrupted = True

    def forget(self, connection: Connection) -> None:
        pass

    dispose = forget


class Traffic:
    """Answers each request as soon as it is complete."""

    answers = SimpleNamespace(closing=False)
    options = OPTIONS
    disks = Disks()
    streaming = SimpleNamespace(begin=lambda _: False)
    lender = SimpleNamespace(newcomers=SimpleNamespace(lend=lambda _: False))

    def __init__(self, reader: Repertoire) -> None:
        self.reader = reader
        self.served: list[Served] = []
        self.status = 0
        self.fed = b""

    def origin(self, peer: tuple[str, int], headers: list[tuple[bytes, bytes]]) -> Origin:
        return Origin(peer, "http", headers)

    def submit(self, exchange: Exchange) -> None:
        connection = exchange.connection
        end = len(self.fed) - len(connection.inbound.buffer)
        before = self.served[-1].end if self.served else 0
        start = end - len(self.fed[before:end].lstrip(b"\r\n"))
        body = exchange.body if isinstance(exchange.body, bytes) else os.pread(exchange.body, exchange.length, 0)
        assert len(body) == exchange.length
        exchange.discard()
        self.served.append(Served(exchange.head, body, start, end))
        connection.answer(ANSWER, keep=exchange.head.keep)

    def refused(self, connection: Connection, refused: Refused) -> str:
        self.status = refused.status
        return "id"

    def relieved(self, connection: Connection) -> None:
        pass

    def abandoned(self) -> None:
        pass


READER = Repertoire()  # one for all, as in the dispatcher: what one client sends must not change what is read from another


def converse(pieces: Iterable[bytes]) -> Outcome:
    """Send these pieces over one connection, each in a segment of its own."""
    line: Any = Line()
    loop: Any = Loop()
    traffic: Any = Traffic(READER)
    connection = Connection(loop, traffic, line, ("192.0.2.1", 4711), ("127.0.0.1", 8069))
    connection.watched = True
    for piece in pieces:
        if connection.state is State.CLOSED:
            break
        traffic.fed += piece
        line.pieces.append(piece)
        loop.interrupted = True
        while loop.interrupted:
            loop.interrupted = False
            connection.ready(select.EPOLLIN)
    outcome = Outcome(tuple(traffic.served), traffic.status, connection.state in {State.IDLE, State.HEAD, State.BODY})
    connection.close()
    return outcome
