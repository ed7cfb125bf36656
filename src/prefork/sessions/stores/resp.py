"""A connection to a Redis server: commands out, replies in, by its protocol RESP2. Needs no package.

One command at a time, each within a time limit. After an error of the connection it is of no use any more.
"""

from __future__ import annotations

import socket
import ssl
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

PORT = 6379


class Broken(Exception):
    """The connection cannot be used, or the server has refused; the sentence says why, without the password."""


class Refused(Broken):
    """The server has answered with an error; the connection is as good as before."""


class Address(NamedTuple):
    """Where a server is and how it is entered. `host` is a path where `port` is None."""

    host: str
    port: int | None
    tls: bool
    user: str | None
    password: str | None
    database: int

    def __str__(self) -> str:
        return self.host if self.port is None else f"{self.host}:{self.port}"


def address(url: str) -> Address:
    """What `redis://[[user]:password@]host[:port][/database]`, `rediss://…` or `unix://[…@]/path[?db=1]` means.

    Raises ValueError with a sentence, which does not repeat the address: it may hold a password.
    """
    parts = urlsplit(url)
    user = unquote(parts.username) if parts.username else None
    password = unquote(parts.password) if parts.password else None
    if parts.scheme == "unix":
        if not parts.path:
            raise ValueError("a unix: address of Redis needs a path, as in unix:///run/redis/redis.sock")
        return Address(unquote(parts.path), None, False, user, password, number(parse_qs(parts.query).get("db", ["0"])[0]))
    if parts.scheme not in {"redis", "rediss"} or not parts.hostname:
        raise ValueError("an address of Redis looks like redis://[:password@]host[:port][/database], rediss://… or unix:///path")
    try:
        port = parts.port or PORT
    except ValueError:
        raise ValueError("the port in the address of Redis is no number from 1 to 65535") from None
    return Address(parts.hostname, port, parts.scheme == "rediss", user, password, number(parts.path.strip("/") or "0"))


def number(text: str) -> int:
    """The number of a database."""
    if not text.isdecimal():
        raise ValueError(f'"{text}" is no number of a database of Redis; write it as in redis://host/1')
    return int(text)


class Connection:
    """A connection that is open and has entered its database. Raises Broken."""

    def __init__(self, where: Address, timeout: float) -> None:
        try:
            self.wire = connect(where, timeout)
        except OSError as error:
            raise Broken(f"Redis at {where} cannot be reached: {error}") from error
        self.replies = self.wire.makefile("rb")
        try:
            if where.password is not None:
                self.ask("AUTH", *([where.user] if where.user else []), where.password)
            if where.database:
                self.ask("SELECT", str(where.database))
        except Broken:
            self.close()
            raise

    def ask(self, *words: str | bytes) -> Any:
        """The reply to one command: bytes, a number, None or a list of them. Raises Broken."""
        parts = [word if isinstance(word, bytes) else word.encode() for word in words]
        try:
            self.wire.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts))
            return self._reply()
        except OSError as error:
            raise Broken(f"the connection to Redis broke: {error}") from error

    def close(self) -> None:
        """Close the connection."""
        self.replies.close()
        self.wire.close()

    def _reply(self) -> Any:
        line = self.replies.readline()
        if not line.endswith(b"\r\n"):
            raise Broken("Redis closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest
        if kind == b"-":
            raise Refused(f"Redis refused: {rest.decode(errors='replace')}")
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return self._bulk(int(rest))
        if kind == b"*":
            return [self._reply() for _ in range(int(rest))] if rest != b"-1" else None
        raise Broken("what answers at the address of Redis is not Redis")

    def _bulk(self, size: int) -> bytes | None:
        if size < 0:
            return None
        data = self.replies.read(size + 2)
        if len(data) != size + 2:
            raise Broken("Redis closed the connection")
        return data[:-2]


def connect(where: Address, timeout: float) -> socket.socket:
    """A connected socket. Raises OSError."""
    if where.port is None:
        wire = socket.socket(socket.AF_UNIX)
        wire.settimeout(timeout)
        try:
            wire.connect(where.host)
        except OSError:
            wire.close()
            raise
        return wire
    plain = socket.create_connection((where.host, where.port), timeout)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not where.tls:
        return plain
    try:
        return ssl.create_default_context().wrap_socket(plain, server_hostname=where.host)
    except OSError:
        plain.close()
        raise
