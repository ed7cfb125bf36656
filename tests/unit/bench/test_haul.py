"""What the client of the large transfers takes for a whole one."""

import socket
import threading
from pathlib import Path

import pytest

from haul import down, up

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"


def talk(answer: bytes, way: str, *arguments: str) -> tuple[int, bytes]:
    """One transfer with a server that reads what it is sent to its end or for as long as it waits, and answers so."""
    theirs, ours = socket.socketpair()
    received = b""

    def serve() -> None:
        nonlocal received
        while b"\r\n\r\n" not in received or (way == "up" and not received.endswith(b"end")):
            received += theirs.recv(65536)
        theirs.sendall(answer)
        theirs.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with ours:
            return (up if way == "up" else down)(ours, "/", *arguments), received
    finally:
        thread.join()


def test_a_whole_answer_counts_with_its_bytes() -> None:
    assert talk(HEAD + b"x" * 100_000, "down")[0] == 100_000


@pytest.mark.parametrize("answer", [b"", HEAD, HEAD + b"x" * 99_999, HEAD + b"x" * 100_001, HEAD.replace(b"200", b"501")])
def test_anything_else_ends_the_client(answer: bytes) -> None:
    with pytest.raises(SystemExit, match="haul: "):
        talk(answer, "down")


def test_a_file_is_sent_whole(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * 200_000 + b"end")
    size, received = talk(b"HTTP/1.1 201 Created\r\n\r\n", "up", str(file))
    assert size == 200_003
    assert received.partition(b"\r\n\r\n")[2] == file.read_bytes()
    with pytest.raises(SystemExit, match="507"):
        talk(b"HTTP/1.1 507 Full\r\n\r\n", "up", str(file))
