"""The WebSockets of the benchmark: who is in, what is heard and when, who is lost."""

import socket
from collections.abc import Iterator

import pytest

from audience import HANDSHAKE, PING, PONG, TEXT, Audience, Frame, frames, masked, stamped

WELCOME = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        yield listener


def said(data: bytes, kind: int = TEXT) -> bytes:
    """A server's frame."""
    return bytes((0x80 | kind,)) + (bytes((len(data),)) if len(data) < 126 else b"\x7e" + len(data).to_bytes(2, "big")) + data


def opened(listener: socket.socket, channels: int = 0, count: int = 1) -> tuple[Audience, socket.socket]:
    """An audience of one that has asked, and the server's end."""
    audience = Audience(listener.getsockname()[1], count, channels)
    audience.open(count - 1)
    peer, _ = listener.accept()
    peer.settimeout(10)
    assert peer.recv(1000) == HANDSHAKE
    return audience, peer


def test_frames_are_taken_from_the_buffer_when_they_are_whole() -> None:
    large = b"x" * 70_000
    whole = said(b"one") + said(b"y" * 200) + b"\x81\x7f" + len(large).to_bytes(8, "big") + large
    for cut in (0, 1, 4, 6, 8, 207, 210, 220, len(whole) - 1):
        buffer = bytearray(whole[:cut])
        found = frames(buffer)
        buffer += whole[cut:]
        assert [*found, *frames(buffer)] == [Frame(TEXT, b"one"), Frame(TEXT, b"y" * 200), Frame(TEXT, large)]
        assert buffer == b""


def test_who_is_let_in_hears_and_says_that_it_is_there(listener: socket.socket) -> None:
    audience, peer = opened(listener)
    with peer:
        peer.sendall(WELCOME + said(stamped().encode()) + said(b"?", PING))
        audience.look(10)
        assert len(audience.clients) == 1
        peer.sendall(said(stamped().encode()))
        audience.look(10)
        assert peer.recv(100) == masked(b"?", PONG)
        assert len(audience.delays) == 2
        assert 0 < audience.delays[0] < 10
        assert audience.first < audience.last
    audience.look(10)
    assert (audience.clients, audience.lost) == ({}, 1)


def test_who_subscribes_is_in_when_it_has(listener: socket.socket) -> None:
    for answer, within, lost in ((b'{"subscribed":["channel.3"],"position":1}', 1, 0), (b'{"error":"no"}', 0, 1)):
        audience, peer = opened(listener, channels=4, count=8)
        with peer:
            peer.sendall(WELCOME)
            audience.look(10)
            assert len(audience.clients) == 0
            assert peer.recv(100) == masked(b'{"subscribe": ["channel.3"]}')
            peer.sendall(said(b"", PING))
            audience.look(10)
            assert peer.recv(100) == masked(b"", PONG)
            peer.sendall(said(answer))
            audience.look(10)
            assert (len(audience.clients), audience.lost) == (within, lost)
        audience.leave(1e6)


def test_who_is_refused_is_lost(listener: socket.socket) -> None:
    audience, peer = opened(listener)
    with peer:
        peer.sendall(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
        audience.look(10)
    assert (audience.opening, audience.lost) == ({}, 1)
