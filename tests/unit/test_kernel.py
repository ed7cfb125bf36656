"""What the kernel tells about a connection, which is less for unix sockets, and the turns and the memory that it gives."""

import contextlib
import ctypes
import mmap
import os
import select
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from prefork import kernel
from prefork.kernel import (
    AHEAD,
    LEAST_RTT,
    NEAR,
    SCHED_ATTR,
    SHORT_TURN,
    SO_BUF_LOCK,
    bytes_read,
    bytes_taken,
    half_closed,
    keep_close,
    let_ahead,
    libc,
    reset,
    return_memory,
    shared_memory,
    since_received,
    unaccepted,
    unread,
    watch_as,
)

SIZE = 16 << 20  # bytes
SCHED_GETATTR = {"x86_64": 315, "aarch64": 275}


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


@pytest.mark.parametrize("acknowledged", [False, True])
def test_the_end_of_our_side_is_no_byte(acknowledged: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        ours, _ = listener.accept()
        with ours:
            ours.send(b"x" * 100, socket.MSG_MORE)
            ours.shutdown(socket.SHUT_WR)
            if acknowledged:
                assert client.recv(200, socket.MSG_WAITALL) == b"x" * 100
            assert bytes_taken(ours) == 100
            client.close()
            assert bytes_taken(ours) == 100


def test_a_tcp_socket_tells_what_is_unread_and_whether_its_client_has_ended() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        ours, _ = listener.accept()
        with ours:
            assert not unread(ours)
            assert not half_closed(ours)
            client.sendall(b"x")
            select.select([ours], [], [])
            assert unread(ours)
            client.shutdown(socket.SHUT_WR)
            assert ours.recv(2, socket.MSG_WAITALL) == b"x"
            assert not unread(ours)
            assert half_closed(ours)


def test_the_socket_of_a_near_client_takes_less_ahead_of_it_until_it_is_let() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)  # the kernel gives one that reads slowly more and more
        client.connect(listener.getsockname())
        ours, _ = listener.accept()
        with ours:
            before = taken_unread(ours)
            client.recv(before, socket.MSG_WAITALL)
            keep_close(ours)
            bound = taken_unread(ours)
            assert bound < before
            most = int(Path("/proc/sys/net/core/wmem_max").read_text())
            assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 2 * min(AHEAD, most)
            let_ahead(ours)
            client.recv(bound, socket.MSG_WAITALL)
            assert taken_unread(ours) > bound


def taken_unread(ours: socket.socket) -> int:
    """How much a socket takes while nobody reads."""
    taken = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            taken += ours.send(bytes(SIZE), socket.MSG_DONTWAIT)
    return taken


@pytest.mark.parametrize("microseconds", [0, NEAR, 30_000, 0xFFFFFFFF])
def test_that_of_a_client_further_away_stays_as_it_is(microseconds: int) -> None:
    class Far(socket.socket):
        def getsockopt(self, level: int, name: int, room: int = 0) -> bytes:  # type: ignore[override]
            told = super().getsockopt(level, name, room)
            return told[:LEAST_RTT] + microseconds.to_bytes(4, sys.byteorder)

    with socket.create_server(("127.0.0.1", 0)) as listener, Far() as client:
        client.connect(listener.getsockname())
        keep_close(client)
        assert socket.socket.getsockopt(client, socket.SOL_SOCKET, SO_BUF_LOCK) == 0


def test_that_of_a_unix_socket_does_so_too() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        keep_close(ours)
        assert ours.getsockopt(socket.SOL_SOCKET, SO_BUF_LOCK) == 0


def test_a_listener_tells_how_many_wait_to_be_accepted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert unaccepted(listener) == 0
        with socket.create_connection(listener.getsockname()), socket.create_connection(listener.getsockname()):
            assert unaccepted(listener) == 2
            listener.accept()[0].close()
            assert unaccepted(listener) == 1


def test_a_unix_socket_does_not_tell_and_is_not_reset() -> None:
    ours, client = socket.socketpair()
    with ours, client:
        ours.sendall(b"x" * 1000)
        assert bytes_taken(ours) is None
        reset(ours)
        assert client.recv(2000) == b"x" * 1000


def test_short_turns_are_asked_for_and_nothing_else_changes() -> None:
    waits = "import prefork.kernel; prefork.kernel.take_short_turns(); print('asked', flush=True); input()"
    command = ["nice", "-n", "3", sys.executable, "-c", waits]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"asked\n"
        _, policy, _, nice, _, turn, _, _ = attributes(process.pid)
        assert (policy, nice) == (os.SCHED_OTHER, min(19, 3 + os.getpriority(os.PRIO_PROCESS, 0)))
        assert turn == (SHORT_TURN if attributes(0)[5] else 0), "a kernel before 6.12 knows no turns"
        process.communicate(b"\n")


def test_pages_of_files_are_returned_unless_they_have_been_changed(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * SIZE)
    with file.open("r+b") as opened:
        read = mmap.mmap(opened.fileno(), SIZE, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
        changed = mmap.mmap(opened.fileno(), SIZE, flags=mmap.MAP_PRIVATE)
        assert read[:] == changed[:]
        changed[:5] = b"ours\n"  # a relocation is such a change: the dynamic linker makes it, then forbids to write there
        held = (ctypes.c_char * SIZE).from_buffer(changed)
        libc.mprotect(ctypes.c_void_p(ctypes.addressof(held)), ctypes.c_size_t(SIZE), mmap.PROT_READ)
        before = resident()
        return_memory()
        assert resident() < before - SIZE // 2
        assert changed[:5] == b"ours\n"
        assert read[:] == b"x" * SIZE


def resident() -> int:
    """Bytes of files that this process has mapped and in memory."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssFile:"))
    return int(line.split()[1]) * 1024


def attributes(pid: int) -> tuple[int, ...]:
    """What sched_getattr(2) says of a process."""
    told = ctypes.create_string_buffer(SCHED_ATTR.size)
    asked = ctypes.CDLL(None, use_errno=True).syscall(SCHED_GETATTR[os.uname().machine], pid, told, SCHED_ATTR.size, 0)
    assert asked == 0, os.strerror(ctypes.get_errno())
    return SCHED_ATTR.unpack(told.raw)


def test_a_tcp_socket_tells_how_many_bytes_were_read_and_how_long_ago_the_last_ones_came() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        ours, _ = listener.accept()
        with ours:
            client.sendall(b"x" * 300)
            assert ours.recv(100, socket.MSG_WAITALL) == b"x" * 100
            assert bytes_read(ours) == 100
            assert ours.recv(200, socket.MSG_WAITALL) == b"x" * 200
            assert bytes_read(ours) == 300
            client.shutdown(socket.SHUT_WR)
            assert ours.recv(1) == b""
            assert bytes_read(ours) == 300, "the end is none of them"
            assert 0 <= since_received(ours) < 60_000_000_000


def test_what_comes_while_it_is_asked_counts_as_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a worker would seem to have read less than it has, and its requests would be lost with it, or more."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        ours, _ = listener.accept()
        coming = [b"x" * 1000, b"y" * 20]

        def unread_then(connection: socket.socket) -> int:
            if coming:
                before = unread(connection)
                client.sendall(part := coming.pop())
                await_unread(connection, before + len(part))
            return unread(connection)

        monkeypatch.setattr(kernel, "unread", unread_then)
        with ours:
            client.sendall(b"x" * 300)
            assert ours.recv(100, socket.MSG_WAITALL) == b"x" * 100
            assert bytes_read(ours) == 100
            assert unread(ours) == 1220


def await_unread(ours: socket.socket, count: int) -> None:
    """Wait until so many bytes have come."""
    while len(ours.recv(count, socket.MSG_PEEK | socket.MSG_WAITALL)) < count:
        pass


def test_an_epoll_tells_of_a_descriptor_under_another_key() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, select.epoll() as epoll:
        watch_as(epoll.fileno(), ours.fileno(), -1)
        theirs.send(b"x")
        assert epoll.poll(5) == [(-1, select.EPOLLIN)]
        with pytest.raises(OSError, match="epoll_ctl"):
            watch_as(epoll.fileno(), ours.fileno(), -1)


def test_nobody_can_take_away_memory_that_another_process_looks_at() -> None:
    descriptor = shared_memory("test", 4096)
    with mmap.mmap(descriptor, 4096) as memory:
        for size in (0, 8192):
            with pytest.raises(PermissionError):
                os.ftruncate(descriptor, size)
        os.pwrite(descriptor, b"x", 4095)
        assert memory[:] == bytes(4095) + b"x"
    os.close(descriptor)
