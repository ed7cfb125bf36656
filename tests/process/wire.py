"""A client that says exactly what a test wants said, and reads answers in the order in which they come.

It writes raw bytes and keeps what follows an answer for the next one, so that pipelining and broken requests can be tested. It
never repairs anything: an answer that is cut short is an error.
"""

import os
import select
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from prefork.testing import Server

TIMEOUT, PAUSE = 15.0, 0.005  # seconds
HEAD = b"GET /echo HTTP/1.1\r\nHost: x\r\n\r\n"


class Answer(NamedTuple):
    """A whole answer; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def until(fact: Callable[[], object], what: str, timeout: float = TIMEOUT) -> None:
    """Wait for a fact that no event tells."""
    for _ in range(int(timeout / PAUSE)):
        if fact():
            return
        threading.Event().wait(PAUSE)
    raise AssertionError(f"not within {timeout} s: {what}")


class Wire:
    """A connection to a server: by TCP from the address `source`, or to the unix socket at the path `source`.

    `window`: bytes of the receive buffer, for a client that reads slowly; `port`: another one than that for requests.
    """

    def __init__(self, server: Server, source: str | Path = "127.0.0.1", window: int = 0, port: int = 0) -> None:
        unix = isinstance(source, Path)
        self.socket = socket.socket(socket.AF_UNIX if unix else socket.AF_INET6 if ":" in str(source) else socket.AF_INET)
        if window:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self.socket.settimeout(TIMEOUT)
        try:
            if unix:
                self.socket.connect(str(source))
            else:
                self.socket.bind((source, 0))
                self.socket.connect(("::1" if ":" in str(source) else "127.0.0.1", port or server.port))
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            self.socket.close()
            raise
        self.got = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.socket.close()

    def send(self, *parts: bytes) -> Self:
        """Send the parts, each in a segment of its own."""
        for part in parts:
            self.socket.sendall(part)
        return self

    def get(self, target: str = "/echo", **headers: str) -> Answer:
        """Make one GET request."""
        return self.send(request("GET", target, **headers)).answer()

    def answer(self, method: str = "GET") -> Answer:
        """Read the next answer, to a request with that method. Interim answers are answers too."""
        lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, status, _ = lines[0].split(" ", 2)
        assert version == "HTTP/1.1", lines[0]
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}
        return Answer(int(status), headers, self._body(method, int(status), headers))

    def _body(self, method: str, status: int, headers: dict[str, str]) -> bytes:
        if method == "HEAD" or status < 200 or status in {204, 304}:
            return b""
        if headers.get("transfer-encoding") == "chunked":
            parts = []
            while size := int(self._until(b"\r\n"), 16):
                parts.append(self._exactly(size))
                assert self._until(b"\r\n") == b""
            assert self._until(b"\r\n") == b""
            return b"".join(parts)
        if "content-length" in headers:
            return self._exactly(int(headers["content-length"]))
        return self.rest()

    def rest(self) -> bytes:
        """Everything up to the end of the connection, which must not be a reset."""
        while self._receive():
            pass
        rest, self.got = self.got, b""
        return rest

    def silent(self) -> bool:
        """Whether nothing can be read now, not even the end."""
        return not self.got and not select.select([self.socket], [], [], 0)[0]

    def _until(self, end: bytes) -> bytes:
        while end not in self.got:
            assert self._receive(), f"the connection ended before the answer did, after {self.got[:200]!r}"
        found, _, self.got = self.got.partition(end)
        return found

    def _exactly(self, count: int) -> bytes:
        parts, missing = [self.got[:count]], count - len(self.got)
        self.got = self.got[count:]
        while missing > 0:
            data = self.socket.recv(min(missing, 1 << 18))
            assert data, f"the connection ended {missing} bytes before the body did"
            parts.append(data)
            missing -= len(data)
        return b"".join(parts)

    def _receive(self) -> bool:
        data = self.socket.recv(1 << 18)
        self.got += data
        return bool(data)


def request(method: str, target: str, body: bytes = b"", version: str = "1.1", **headers: str) -> bytes:
    """A request's bytes. Underscores in header names become hyphens."""
    given = {"Host": "example.org", **{name.replace("_", "-"): value for name, value in headers.items()}}
    if body:
        given["Content-Length"] = str(len(body))
    lines = [f"{method} {target} HTTP/{version}", *(f"{name}: {value}" for name, value in given.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def assert_answered_at_a_stop(server: Server, wires: Sequence[Wire]) -> None:
    """A stop while each client's large answer is made: all get theirs whole, then the end."""
    for wire in wires:
        assert wire.get().status == 200
    for wire in wires:
        wire.send(request("GET", "/plain/big?size=300000"))
    server.signal(signal.SIGTERM)
    for wire in wires:
        assert len(wire.answer().body) == 300_000
        assert wire.rest() == b""
    assert server.exit_status() == 0


class Gate:
    """Holds a request inside the application until it is opened. `target` is what to request."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self.target = f"/hold?gate={path}"
        self.writer = -1

    def hold(self, wire: Wire) -> None:
        """Have this client's request held."""
        wire.send(request("GET", self.target))
        self.await_entry()

    def await_entry(self) -> None:
        """Wait until a request is held; also until it is held again, when the worker that had it is dead."""
        until(self._entered, "a request at the gate")

    def _entered(self) -> bool:
        try:
            writer = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # ENXIO: nobody reads
            return False
        if self.writer >= 0:
            os.close(self.writer)
        self.writer = writer
        return True

    def open(self) -> None:
        """Let the request go on."""
        os.close(self.writer)
        self.writer = -1
