"""An application and its host in this process, between a client's socket and the dispatcher's end of a pair."""

from __future__ import annotations

import http.client
import io
import os
import select
import socket
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.descriptors import held, opened_since

from prefork.messages import CLOEXEC_DONTWAIT, FILE, REST, SPOOLED, Request, inbox, pair, receive, unpack_extent
from prefork.scoreboard import BEGUN, REQUEST, Scoreboard, pack_progress
from prefork.worker.hosts.named import Named
from prefork.worker.http import Means, answer
from prefork.worker.offload import Offload, Offloading
from prefork.worker.output import Output
from prefork.worker.reply import Reply
from prefork.worker.rest import Rest

if TYPE_CHECKING:
    from pathlib import Path

SCOREBOARD = Scoreboard.create()
Application = Callable[[dict[str, Any], Callable[..., Any]], Any]


def hosted(application: Application) -> Named:
    host = Named("here:application")
    host.application = application
    return host


def request(method: str = "GET", target: bytes = b"/", *, version: str = "1.1", keep: bool = True, **parts: Any) -> Request:
    body = parts.get("body", b"")
    headers = parts.get("headers", [(b"host", b"h:8069")])
    client, server = ("192.0.2.1", 4711), ("127.0.0.1", 8069)
    return Request(9, 1, method, target, version, headers, body, len(body), client, server, "http", keep, "abc-7")


class Open(io.BytesIO):
    """Stays open, so that what follows the answer can be looked at."""

    def close(self) -> None:
        pass


class Answer(http.client.HTTPResponse):
    """What a client makes of the bytes it got. `rest` is what it makes nothing of."""

    def __init__(self, data: bytes, method: str) -> None:
        self.data = Open(data)
        super().__init__(self, method=method)  # type: ignore[arg-type]
        self.begin()
        self.body = self.read()

    def makefile(self, *_: object) -> io.BytesIO:
        return self.data

    @property
    def rest(self) -> bytes:
        return self.data.getvalue()[self.data.tell() :]


class Bench:
    """One request at a time: `ask` runs the application, afterwards the ends can be looked at."""

    def __init__(self, directory: Path) -> None:
        self.slot = SCOREBOARD.slot(0)
        self.slot.clear()
        self.means = Means(os.open(directory, os.O_RDONLY | os.O_DIRECTORY), 1 << 30, Output())
        self.client, self.theirs = socket.socketpair()
        self.worker, self.dispatcher = pair()
        self.gathers = False
        self.reply: Reply

    def ask(self, application: Application, asked: Request | None = None) -> Answer:
        """The answer that arrives at the client, by whichever way."""
        asked = asked or request()
        self.run(application, asked)
        return Answer(self.received() + self.handed_on(), asked.method)

    def run(self, application: Application, asked: Request | None = None) -> Reply:
        """As `worker.http.serve` does it."""
        asked = asked or request()
        self.reply = self.begin(asked)
        answer(hosted(application), asked, io.BytesIO(asked.body or b""), self.reply)
        self.reply.close()
        self.reply.rest.close()
        return self.reply

    def begin(self, asked: Request | None = None) -> Reply:
        """A reply to a request that has begun."""
        asked = asked or request()
        rest = Rest(self.worker, self.slot, self.means.spool, self.means.spool_max)
        offload = self.means.offload
        reply = Offloading(asked, self.client, rest, self.slot, offload) if offload else Reply(asked, self.client, rest, self.slot)
        reply.gathers = self.gathers
        self.slot[REQUEST] = pack_progress(asked.number, BEGUN)
        return reply

    def received(self) -> bytes:
        """What has arrived at the client."""
        data = b""
        while select.select([self.theirs], [], [], 0)[0]:
            block = self.theirs.recv(1 << 20)
            if not block:
                break
            data += block
        return data

    def rests(self) -> Iterator[tuple[bytes, bool]]:
        """What the dispatcher is to send, in order, and whether it came as a file."""
        while select.select([self.dispatcher], [], [], 0)[0]:
            message, descriptors = receive(self.dispatcher, inbox(), CLOEXEC_DONTWAIT)
            if descriptors:
                (descriptor,) = descriptors
                assert message[0] in {FILE, SPOOLED}
                offset, count = unpack_extent(message)
                yield os.pread(descriptor, count, offset), True
                os.close(descriptor)
            else:
                assert message[0] == REST
                yield message[1:], False

    def allow(self, *roots: Path, **places: Path) -> None:
        """Let applications name files: below `roots` by X-Sendfile, below /NAME of `places` by X-Accel-Redirect."""
        rules = tuple((f"/{name}", str(place)) for name, place in places.items())
        self.means = self.means._replace(offload=Offload(tuple(map(str, roots)), rules))

    def handed_on(self) -> bytes:
        return b"".join(data for data, _ in self.rests())

    def close(self) -> None:
        for end in (self.client, self.theirs, self.worker, self.dispatcher):
            end.close()
        os.close(self.means.spool)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    before = held()
    bench = Bench(tmp_path)
    yield bench
    bench.close()
    assert not opened_since(before), "descriptors are left open"
