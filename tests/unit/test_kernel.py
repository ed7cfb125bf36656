"""What the kernel tells about a connection, which is less for unix sockets."""

import socket

import pytest

from prefork.kernel import bytes_taken, reset


def test_a_tcp_socket_tells_how_many_bytes_it_has_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        ours, _ = listener.accept()
        with ours:
            ours.sendall(b"x" * 1000)
            client.recv(400)
            ours.sendall(b"x" * 10)
            assert bytes_taken(ours) == 1010
            client.recv(610, socket.MSG_WAITALL)
            reset(ours)
            with pytest.raises(ConnectionResetError):
                client.recv(1)


def test_a_unix_socket_does_not_tell_and_is_not_reset() -> None:
    ours, client = socket.socketpair()
    with ours, client:
        ours.sendall(b"x" * 1000)
        assert bytes_taken(ours) is None
        reset(ours)
        assert client.recv(2000) == b"x" * 1000
