"""One client's connection to a server, by plain sockets, and what counts as a failed request.

A request has failed when it got no complete answer with status 200 within five seconds. There is one exception: a kept-alive
connection that the server had closed before the request was written is replaced, and the request sent once more.
"""

from __future__ import annotations

import socket

TIMEOUT = 5.0


class Failed(Exception):
    """A request that got no complete answer with status 200; the message says which step failed."""


class ClosedBefore(Exception):
    """The server had closed the connection before the request was written."""


class Connection:
    """One client's connection: opened when needed, kept while the server keeps it."""

    def __init__(self, port: int, *, keep_alive: bool) -> None:
        self.port = port
        self.keep_alive = keep_alive
        self.socket: socket.socket | None = None

    def get(self, path: str) -> None:
        """Ask for `path` and read the whole answer; raises Failed."""
        head = f"GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: {'keep-alive' if self.keep_alive else 'close'}\r\n\r\n"
        try:
            try:
                self.exchange(head.encode())
            except ClosedBefore:
                self.close()
                self.exchange(head.encode())
        except Failed:
            self.close()
            raise

    def exchange(self, request: bytes) -> None:
        """Write one request and read its answer; raises Failed, or ClosedBefore where a kept connection was gone."""
        kept = self.socket is not None
        connection = self.socket or self.connect()
        if kept and closed(connection):
            raise ClosedBefore
        try:
            connection.sendall(request)
        except OSError as error:
            if kept:  # the reset had arrived before the request could leave
                raise ClosedBefore from None
            raise Failed(f"write: {type(error).__name__}") from None
        if not read_answer(connection) or not self.keep_alive:
            self.close()

    def connect(self) -> socket.socket:
        """Open the connection; raises Failed."""
        try:
            self.socket = socket.create_connection(("127.0.0.1", self.port), TIMEOUT)
        except OSError as error:
            raise Failed(f"connect: {type(error).__name__}") from None
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.socket

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self.socket is not None:
            self.socket.close()
            self.socket = None


def closed(connection: socket.socket) -> bool:
    """Whether the server's end of a connection is known to be closed, without waiting."""
    connection.setblocking(False)
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        connection.settimeout(TIMEOUT)


def read_answer(connection: socket.socket) -> bool:
    """Read one answer to its end; whether the connection may be used again. Raises Failed."""
    received = receive(connection, b"")
    while b"\r\n\r\n" not in received:
        received += receive(connection, received)
    head, _, rest = received.partition(b"\r\n\r\n")
    status, headers = parse_head(head)
    length = int(headers.get("content-length", "-1"))
    while len(rest) < length:
        rest += receive(connection, received)
    if status != 200:
        raise Failed(f"status {status}")
    if length < 0 or len(rest) > length:
        raise Failed("answer of the wrong length")
    return headers.get("connection", "keep-alive" if head.startswith(b"HTTP/1.1") else "close").lower() != "close"


def receive(connection: socket.socket, before: bytes) -> bytes:
    """More bytes of an answer; raises Failed where there are none."""
    part = "answer" if before else "no answer"
    try:
        received = connection.recv(65536)
    except OSError as error:
        raise Failed(f"{part}: {type(error).__name__}") from None
    if not received:
        raise Failed(f"{part}: closed")
    return received


def parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    """Status and headers (lower-case names) of an answer; raises Failed."""
    first, *lines = head.decode("latin-1").split("\r\n")
    try:
        return int(first.split(" ")[1]), {n.strip().lower(): v.strip() for n, _, v in (line.partition(":") for line in lines)}
    except (IndexError, ValueError):
        raise Failed("malformed answer") from None
