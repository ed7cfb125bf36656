"""The slow clients: they are as many as they say, and notice when the server leaves them."""

import contextlib
import select
import socket
from collections.abc import Iterator

import pytest

from crowd import HELLO, SLOW_BODY, SLOW_HEAD, TURNS, Crowd

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        yield listener


@pytest.fixture
def crowd(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> Iterator[Crowd]:
    """A crowd whose standard input says nothing."""
    theirs, ours = socket.socketpair()
    monkeypatch.setattr("sys.stdin", ours)
    with theirs, ours, contextlib.closing(Crowd(listener.getsockname()[1])) as crowd:
        yield crowd


def come(client: socket.socket) -> None:
    """Wait for what is on its way to a client."""
    assert select.select([client], [], [], 10)[0]


def got(peer: socket.socket, expected: bytes) -> bool:
    """Whether that is what comes first."""
    return peer.recv(len(expected), socket.MSG_WAITALL) == expected


def take_turns(crowd: Crowd) -> None:
    """One second of theirs."""
    for _ in range(TURNS):
        crowd.send_and_read()


def test_an_idle_client_is_one_that_was_answered(crowd: Crowd, listener: socket.socket) -> None:
    for answer, idle, lost in ((ANSWER, 1, 0), (ANSWER.replace(b"200", b"503"), 1, 1)):
        client = crowd.connect()
        client.send(HELLO)
        crowd.epoll.register(client)
        with listener.accept()[0] as peer:
            assert peer.recv(1000) == HELLO
            peer.sendall(answer)
            come(client)
            crowd.settle(client)
            assert (len(crowd.idle), crowd.lost) == (idle, lost)


def test_a_sender_sends_one_byte_a_second_and_comes_again_when_it_is_refused(crowd: Crowd, listener: socket.socket) -> None:
    crowd.senders += [crowd.open_sender(0), crowd.open_sender(1)]
    with listener.accept()[0] as body, listener.accept()[0] as head:
        take_turns(crowd)
        assert got(body, SLOW_BODY + b"x")
        assert got(head, SLOW_HEAD + b"x")
        head.sendall(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
        come(crowd.senders[1])
        take_turns(crowd)
        assert crowd.refused == 1
        with listener.accept()[0] as again:
            take_turns(crowd)
            assert got(again, SLOW_HEAD + b"x")
    assert crowd.lost == 0


def test_a_reader_that_is_left_in_the_middle_is_lost(crowd: Crowd, listener: socket.socket) -> None:
    crowd.readers.append(crowd.connect(4096))
    with listener.accept()[0] as peer:
        take_turns(crowd)
        assert (crowd.read, crowd.lost) == (0, 0)
        peer.sendall(b"x" * 1000)
        come(crowd.readers[0])
        take_turns(crowd)
        assert (crowd.read, crowd.lost) == (1000, 0)
    come(crowd.readers[0])
    take_turns(crowd)
    assert crowd.lost == 1
