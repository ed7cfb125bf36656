"""One large transfer by one client that does as little as it can: its seconds and bytes as one JSON line.

    python haul.py down PORT PATH            read an answer to its end, and throw it away
    python haul.py up PORT PATH FILE         PUT a file with sendfile, and read the answer

The clock runs from the connection to the last byte of the answer. Anything but a whole answer with 200, 201 or 204 is an error.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import sys
import time

BLOCK = 1 << 20
TIMEOUT = 60.0
GOOD = {b"200", b"201", b"204"}


def down(connection: socket.socket, path: str) -> int:
    """Read the answer; the number of bytes in its body."""
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n".encode())
    length, body = read_head(connection)
    got, block = len(body), bytearray(BLOCK)
    while count := connection.recv_into(block):
        got += count
    if got != length:
        sys.exit(f"haul: {got} bytes came of {length}")
    return got


def up(connection: socket.socket, path: str, file: str) -> int:
    """Send the file; its size in bytes."""
    with open(file, "rb") as source:
        size = os.fstat(source.fileno()).st_size
        connection.sendall(f"PUT {path} HTTP/1.1\r\nHost: bench\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n".encode())
        connection.sendfile(source)
    read_head(connection)
    return size


def read_head(connection: socket.socket) -> tuple[int, bytes]:
    """The announced length (0 where there is none), and what came of the body."""
    got = b""
    while b"\r\n\r\n" not in got:
        received = connection.recv(65536)
        if not received:
            sys.exit(f"haul: the connection ended after {got!r}")
        got += received
    head, _, body = got.partition(b"\r\n\r\n")
    if head[9:12] not in GOOD:
        sys.exit(f"haul: {head[:200]!r}")
    length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
    return int(length[1]) if length else 0, body


def main() -> None:
    """Make the transfer that the command line names and print what it took."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("way", choices=["down", "up"])
    arguments.add_argument("port", type=int)
    arguments.add_argument("path")
    arguments.add_argument("file", nargs="?")
    given = arguments.parse_args()
    began = time.perf_counter()
    with socket.create_connection(("127.0.0.1", given.port), TIMEOUT) as connection:
        moved = up(connection, given.path, given.file) if given.way == "up" else down(connection, given.path)
    print(json.dumps({"seconds": time.perf_counter() - began, "bytes": moved}))


if __name__ == "__main__":
    main()
