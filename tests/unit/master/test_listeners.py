"""How addresses are written, and what is said about those that cannot be had."""

import errno
import socket
from pathlib import Path

import pytest

from prefork.master.listeners import CannotListen, Listener, address, listen, sentence
from prefork.testing.ports import free_port


@pytest.mark.parametrize("interface", ["127.0.0.1", "::1"])
def test_a_url_for_each_kind_of_address(interface: str) -> None:
    port = free_port()
    listener = listen(interface, port, 5)
    assert listener.address == (f"http://[{interface}]:{port}" if ":" in interface else f"http://{interface}:{port}")
    assert listener.wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert not listener.wire.getblocking()
    assert not listener.wire.get_inheritable()
    listener.close()
    listener.remove()


def test_one_that_is_held_refuses_and_keeps_its_address() -> None:
    port = free_port()
    listener = listen("127.0.0.1", port, 5)
    listener.hold()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 5)
    with pytest.raises(OSError, match="in use"), socket.socket() as other:
        other.bind(("127.0.0.1", port))
    listener.open(5)
    socket.create_connection(("127.0.0.1", port), 5).close()
    listener.close()


def test_what_systemd_or_a_file_listens_on_is_never_held(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as filed, socket.create_server(("127.0.0.1", 0)) as passed:
        filed.bind(str(tmp_path / "x.sock"))
        filed.listen()
        Listener(filed).hold()
        Listener(passed, "systemd's").hold()
        socket.create_connection(passed.getsockname(), 5).close()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / "x.sock"))


def test_a_unix_socket_is_its_path_also_without_a_file(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as filed, socket.socket(socket.AF_UNIX) as abstract:
        filed.bind(str(tmp_path / "x.sock"))
        abstract.bind(f"\0{tmp_path}")
        assert address(filed) == f"unix:{tmp_path}/x.sock"
        assert Listener(abstract, "systemd's").address == f"unix:@{tmp_path}"


def test_all_ipv6_addresses_leave_room_for_all_ipv4_addresses() -> None:
    port = free_port()
    both = [listen(interface, port, 5) for interface in ("::", "0.0.0.0")]
    assert [listener.address for listener in both] == [f"http://[::]:{port}", f"http://0.0.0.0:{port}"]
    for listener in both:
        listener.close()


def test_an_address_is_shared_only_if_both_agree() -> None:
    port = free_port()
    first, second = (listen("127.0.0.1", port, 5, reuse_port=True) for _ in range(2))
    with pytest.raises(CannotListen, match="address already in use; stop what uses it"):
        listen("127.0.0.1", port, 5)
    first.close()
    second.close()


@pytest.mark.parametrize(
    ("interface", "error", "said"),
    [
        ("::1", OSError(errno.EADDRINUSE, ""), "cannot listen on [::1]:80: address already in use; stop what uses it"),
        ("192.0.2.1", OSError(errno.EADDRNOTAVAIL, ""), "this machine has no such address, choose another http_interface"),
        ("127.0.0.1", PermissionError(errno.EACCES, ""), "ports below 1024 need root or CAP_NET_BIND_SERVICE"),
        (
            "no.such",
            socket.gaierror(-2, "Name or service not known"),
            "cannot listen on no.such: name or service not known; correct",
        ),
    ],
)
def test_why_not(interface: str, error: OSError, said: str) -> None:
    assert said in sentence(interface, 80, error)
