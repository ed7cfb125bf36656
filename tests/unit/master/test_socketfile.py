"""A unix socket's file: its permissions from the first moment, what it may replace, and whose it is in the end."""

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.descriptors import held, opened_since

from prefork.master.socketfile import Access, Occupied, SocketFile, bind
from prefork.master.spawn import Owner

OURS = Owner(None, None)


@pytest.fixture
def wire() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as wire:
        yield wire


def bound(wire: socket.socket, path: Path, mode: int = 0o600) -> SocketFile:
    return bind(wire, str(path), Access(OURS, mode))


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666, 0o777])
def test_its_permissions_are_those_that_are_wanted_whatever_the_umask(wire: socket.socket, tmp_path: Path, mode: int) -> None:
    before = os.umask(0o027)
    try:
        file = bound(wire, tmp_path / "x.sock", mode)
        assert os.umask(0o027) == 0o027, "the umask is what it was"
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x.sock").stat().st_mode) == mode
    file.remove()


def test_nobody_can_connect_before_it_listens(wire: socket.socket, tmp_path: Path) -> None:
    file = bound(wire, tmp_path / "x.sock", 0o666)
    with socket.socket(socket.AF_UNIX) as hasty, pytest.raises(ConnectionRefusedError):
        hasty.connect(str(tmp_path / "x.sock"))
    file.remove()


def test_what_a_dead_server_left_is_replaced(wire: socket.socket, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "x.sock"))
        dead.listen()
    bound(wire, tmp_path / "x.sock").remove()
    assert not (tmp_path / "x.sock").exists()


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_what_somebody_has_is_not(wire: socket.socket, tmp_path: Path, kind: int) -> None:
    with socket.socket(socket.AF_UNIX, kind) as alive:
        alive.bind(str(tmp_path / "x.sock"))
        if kind == socket.SOCK_STREAM:
            alive.listen(0)
        for _ in range(3):  # also when the queue of its connections is full
            with pytest.raises(Occupied, match="another server listens on it"):
                bound(wire, tmp_path / "x.sock")
        assert (tmp_path / "x.sock").is_socket()


@pytest.mark.parametrize("what", ["file", "directory", "link to nothing", "link to a socket", "fifo"])
def test_what_is_no_socket_is_not_either(wire: socket.socket, tmp_path: Path, what: str) -> None:
    place = tmp_path / "x.sock"
    if what == "file":
        place.write_text("precious")
    elif what == "directory":
        place.mkdir()
    elif what == "fifo":
        os.mkfifo(place)
    elif what == "link to a socket":
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(tmp_path / "dead.sock"))
        place.symlink_to("dead.sock")
    else:
        place.symlink_to("nothing")
    before = place.lstat()
    with pytest.raises(Occupied, match="no socket"):
        bound(wire, place)
    assert os.path.samestat(before, place.lstat())


def test_it_is_removed_only_while_it_is_ours(wire: socket.socket, tmp_path: Path) -> None:
    file = bound(wire, tmp_path / "x.sock")
    wire.close()
    (tmp_path / "x.sock").unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "x.sock"))
        file.remove()
        assert (tmp_path / "x.sock").is_socket()


def test_one_that_is_gone_already_is_no_fault(wire: socket.socket, tmp_path: Path) -> None:
    before = held()
    file = bound(wire, tmp_path / "x.sock")
    (tmp_path / "x.sock").unlink()
    file.remove()
    assert not opened_since(before)


def test_it_belongs_to_whom_it_is_given(wire: socket.socket, tmp_path: Path) -> None:
    """Only root can give files away; anybody can give one to a group of its own."""
    owner = Owner(65534, 65534) if os.geteuid() == 0 else Owner(None, os.getgroups()[-1] if os.getgroups() else os.getegid())
    file = bind(wire, str(tmp_path / "x.sock"), Access(owner, 0o660))
    found = (tmp_path / "x.sock").stat()
    assert found.st_gid == owner.group
    assert found.st_uid == (os.geteuid() if owner.user is None else owner.user)
    assert stat.S_IMODE(found.st_mode) == 0o660
    file.remove()


def test_nothing_is_left_where_it_cannot_be_given_away(
    wire: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **named: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "chown", refuse)
    with pytest.raises(PermissionError):
        bind(wire, str(tmp_path / "x.sock"), Access(Owner(None, 5), 0o660))
    assert not (tmp_path / "x.sock").exists()
