"""One HTTP/1.1 connection that accounts for every byte: an answer is whole, or it is broken and says how.

Its own socket code, because a client library hides what a test must see: retries, bytes that follow an answer, a body cut short.
Never retries and never follows a redirect.
"""

import select
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

NO_BODY = frozenset({204, 304})


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent, and the statuses that count as success."""

    target: str = "/"
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    expect: frozenset[int] = frozenset({200})

    def encode(self, host: str, close: bool) -> bytes:
        """The bytes on the wire."""
        headers = {"Host": host, **self.headers}
        if self.body or self.method in {"POST", "PUT", "PATCH"}:
            headers["Content-Length"] = str(len(self.body))
        if close:
            headers["Connection"] = "close"
        lines = [f"{self.method} {self.target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self.body


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. Header names are in lower case; of a repeated header the values are joined with a comma."""

    status: int
    headers: dict[str, str]
    body: bytes
    closes: bool


class BrokenAnswer(Exception):
    """The answer did not arrive whole. `got` is what did arrive of it."""

    def __init__(self, reason: str, got: bytes | bytearray) -> None:
        super().__init__(f"{reason}; {len(got)} bytes had arrived: {bytes(got[:200])!r}")
        self.reason, self.got = reason, bytes(got)


class Connection:
    """A kept-alive connection. Opened at the first request; `timeout` seconds bound each wait for bytes."""

    def __init__(self, host: str, port: int, timeout: float = 30.0) -> None:
        self.host, self.port, self.timeout = host, port, timeout
        self._socket: socket.socket | None = None
        self._got = bytearray()
        self._taken = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def opened(self) -> bool:
        """Whether there is a connection now."""
        return self._socket is not None

    def stale(self) -> bool:
        """Whether the server has closed the idle connection: its end of file, or a reset, can be read before anything was sent."""
        if self._socket is None or not select.select([self._socket], [], [], 0)[0]:
            return False
        try:
            return self._socket.recv(1, socket.MSG_PEEK) == b""
        except ConnectionError:
            return True

    def exchange(self, request: Request, close: bool = False) -> Answer:
        """Send one request and read its answer. Raises BrokenAnswer, or OSError when nothing could be sent."""
        self._got, self._taken = bytearray(), 0
        try:
            self._send(request.encode(f"{self.host}:{self.port}", close))
            answer = self._read_answer(request.method)
            self._refuse_leftover()
        except Exception:
            self.close()
            raise
        if answer.closes or close:
            self.close()
        return answer

    def close(self) -> None:
        """Close the connection; the next exchange opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, data: bytes) -> None:
        if self._socket is None:
            self._socket = socket.create_connection((self.host, self.port), self.timeout)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._socket.sendall(data)
        except ConnectionError:
            # The server may have answered (413, 503) before it closed: that answer is read like any other.
            if not select.select([self._socket], [], [], 0)[0]:
                raise

    def _read_answer(self, method: str) -> Answer:
        while True:
            status, version, headers = self._read_head()
            if status >= 200:
                break
        body, to_the_end = self._read_body(method, status, headers)
        closes = to_the_end or version == "HTTP/1.0" or "close" in headers.get("connection", "").lower()
        return Answer(status, headers, body, closes)

    def _read_head(self) -> tuple[int, str, dict[str, str]]:
        lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, _, rest = lines[0].partition(" ")
        if version not in {"HTTP/1.1", "HTTP/1.0"} or not rest[:3].isdigit():
            raise BrokenAnswer(f"no status line: {lines[0]!r}", self._got)
        headers: dict[str, str] = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon:
                raise BrokenAnswer(f"no header: {line!r}", self._got)
            key = name.lower()
            headers[key] = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()
        return int(rest[:3]), version, headers

    def _read_body(self, method: str, status: int, headers: dict[str, str]) -> tuple[bytes, bool]:
        if method == "HEAD" or status in NO_BODY:
            return b"", False
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return self._read_chunks(), False
        if "content-length" in headers:
            return self._exactly(self._number(headers["content-length"], 10)), False
        while self._receive():
            pass
        return self._take(len(self._got) - self._taken), True

    def _read_chunks(self) -> bytes:
        body = b""
        while size := self._number(self._until(b"\r\n").split(b";")[0], 16):
            body += self._exactly(size)
            self._exactly_these(b"\r\n")
        while self._until(b"\r\n"):
            pass
        return body

    def _exactly_these(self, expected: bytes) -> None:
        found = self._exactly(len(expected))
        if found != expected:
            raise BrokenAnswer(f"{found!r} where {expected!r} belongs", self._got)

    def _refuse_leftover(self) -> None:
        if self._taken < len(self._got):
            raise BrokenAnswer(f"{len(self._got) - self._taken} bytes follow the answer", self._got)

    def _until(self, end: bytes) -> bytes:
        """What comes before `end`, which is passed over."""
        while (found := self._got.find(end, self._taken)) < 0:
            self._receive_or_break()
        text = bytes(self._got[self._taken : found])
        self._taken = found + len(end)
        return text

    def _number(self, text: bytes | str, base: int) -> int:
        try:
            return int(text, base)
        except ValueError:
            raise BrokenAnswer(f"{text!r} is no length", self._got) from None

    def _exactly(self, count: int) -> bytes:
        while len(self._got) - self._taken < count:
            self._receive_or_break()
        return self._take(count)

    def _take(self, count: int) -> bytes:
        self._taken += count
        return bytes(self._got[self._taken - count : self._taken])

    def _receive_or_break(self) -> None:
        if not self._receive():
            raise BrokenAnswer("the server closed the connection before the answer was whole", self._got)

    def _receive(self) -> bool:
        assert self._socket is not None
        try:
            received = self._socket.recv(65536)
        except TimeoutError:
            raise BrokenAnswer(f"nothing came for {self.timeout} s", self._got) from None
        except ConnectionError as error:
            raise BrokenAnswer(f"the connection broke ({error})", self._got) from None
        self._got += received
        return bool(received)
