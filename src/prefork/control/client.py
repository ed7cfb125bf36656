"""Asks a running server something over its control socket and waits for the one answer.

Used by the command line. It starts nothing and retries nothing: a server that cannot be reached is told to the caller at once.
"""

from __future__ import annotations

import json
import os
import socket
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LONGEST_ANSWER = 16 << 20  # bytes
LONGEST_PATH = 107  # bytes in sockaddr_un, without the final zero


class Unreachable(Exception):
    """No server answers at the socket; the message is a sentence."""


class Absent(Unreachable):
    """There is none."""


def ask(socket_path: Path, request: Mapping[str, object], timeout: float) -> dict[str, Any]:
    """The server's answer to one request, within `timeout` seconds in all. Raises `Unreachable`."""
    deadline = time.monotonic() + timeout
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as connection:
        connection.settimeout(timeout)
        try:
            connect(connection, socket_path)
            connection.sendall(json.dumps(request).encode() + b"\n")
            return parse(receive_line(connection, deadline), socket_path)
        except TimeoutError:
            raise Unreachable(f"the server at {socket_path} did not answer within {timeout:g} s") from None
        except OSError as error:
            raise reason(error, socket_path) from None


def connect(connection: socket.socket, path: Path) -> None:
    """Connect, through the directory's descriptor where the path is longer than a socket address can be."""
    if len(os.fsencode(path)) <= LONGEST_PATH:
        connection.connect(os.fspath(path))
        return
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        connection.connect(f"/proc/self/fd/{directory}/{path.name}")
    finally:
        os.close(directory)


def receive_line(connection: socket.socket, deadline: float) -> bytes:
    """Bytes up to the first line feed, or to the end of the connection."""
    received = bytearray()
    while not received.endswith(b"\n") and len(received) < LONGEST_ANSWER:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
        block = connection.recv(1 << 16)
        if not block:
            break
        received += block
    return bytes(received)


def parse(line: bytes, path: Path) -> dict[str, Any]:
    """The answer in a line."""
    if not line:
        raise Unreachable(f"the server at {path} closed the connection without an answer; it may have just stopped")
    try:
        answer = json.loads(line)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise Unreachable(f"what listens at {path} does not speak Prefork's language; check data_dir")
    return answer


def reason(error: OSError, path: Path) -> Unreachable:
    """Why no connection came about."""
    if isinstance(error, FileNotFoundError):
        return Absent(f"no server runs at {path}")
    if isinstance(error, ConnectionRefusedError):
        return Absent(f"the server at {path} is gone")
    if isinstance(error, PermissionError):
        return Unreachable(f"{path} belongs to another user; run this command as the user that runs the server")
    return Unreachable(f"the server at {path} cannot be reached: {error.strerror or error}")
