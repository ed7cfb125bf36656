"""Lasting answers of an application over HTTP: all of each arrives."""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING, Any

import pytest

from prefork.messages import STREAM

from .conftest import WITHIN, Station

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Make = Callable[..., Station]
    Receive = Callable[[], Awaitable[dict[str, Any]]]
    Send = Callable[[dict[str, Any]], Awaitable[None]]

PART, PARTS = 20_000, 30


class Application:
    """Sends large parts, one right behind the other; `done` when it could send all of them."""

    def __init__(self, headers: list[tuple[bytes, bytes]]) -> None:
        self.headers = headers
        self.done = False

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        await send({"type": "http.response.start", "status": 200, "headers": self.headers})
        for number in range(PARTS):
            await send({"type": "http.response.body", "body": b"%d" % (number % 10) * PART, "more_body": True})
        await send({"type": "http.response.body"})
        self.done = True


def ask(worker: Station) -> socket.socket:
    """A client that has sent its request."""
    mine, its = socket.socketpair()
    mine.settimeout(WITHIN)
    worker.hand_over(worker.request("GET", "/events", [(b"host", b"shop.example")]), its, STREAM)
    return mine


def received(client: socket.socket) -> tuple[bytes, bytes]:
    """Head and body of an answer, to the end of its connection."""
    with client:
        text = b"".join(iter(lambda: client.recv(65536), b""))
    head, _, body = text.partition(b"\r\n\r\n")
    return head, body


@pytest.mark.parametrize("headers", [[], [(b"content-length", b"%d" % (PART * PARTS))]], ids=["chunked", "announced"])
def test_large_parts_arrive_whole(station: Make, headers: list[tuple[bytes, bytes]]) -> None:
    app = Application(headers)
    worker = station(app=app)
    head, body = received(ask(worker))
    assert head.startswith(b"HTTP/1.1 200 OK")
    parts = [b"%d" % (number % 10) * PART for number in range(PARTS)]
    if headers:
        assert body == b"".join(parts)
    else:
        assert body == b"".join(b"%x\r\n%b\r\n" % (PART, part) for part in parts) + b"0\r\n\r\n"
    worker.call(lambda: None)  # whose client may be sooner than its next step
    assert app.done


async def sends_a_file(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Sends a large file, whether its scope offers that or not."""
    if scope["type"] == "http":
        assert scope["extensions"] == {}
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.pathsend", "path": sys.executable})


def test_a_file_that_the_scope_does_not_offer_to_send_is_a_sentence_in_the_log(
    station: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    head, _ = received(ask(station(app=sends_a_file)))
    assert head.startswith(b"HTTP/1.1 500 ")
    assert "http.response.pathsend, which the extensions of this scope do not offer" in capsys.readouterr().err
