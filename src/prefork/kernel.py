"""The few calls to Linux that Python does not have: process titles, the parent-death signal, the child subreaper, turns, memory.

Runs in every process, also inside the application's interpreter: standard library only, Python 3.9+.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import functools
import mmap
import os
import resource
import select
import signal
import socket
import struct
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PR_SET_PDEATHSIG, PR_SET_NAME, PR_SET_CHILD_SUBREAPER = 1, 15, 36  # prctl(2)
ARG_START, ARG_END = 48, 49  # fields of /proc/PID/stat, counted from one: proc_pid_stat(5)
BYTES_ACKED = 120  # offset of tcpi_bytes_acked in struct tcp_info, linux/tcp.h
BYTES_RECEIVED = 128  # and of tcpi_bytes_received
LAST_RECEIVED = 52  # and of tcpi_last_data_recv, milliseconds
LEAST_RTT = 148  # and of tcpi_min_rtt, microseconds
UNACKED = 24  # and of tcpi_unacked: of a listener, what it has for accept(2), as in tcp_get_info of net/ipv4/tcp.c
ESTABLISHED, CLOSE_WAIT = 1, 8  # tcpi_state, which comes first: enum in net/tcp_states.h
OPEN = frozenset((ESTABLISHED, CLOSE_WAIT))  # our side has not ended
SIOCINQ = 0x541B  # tcp(7)
SIOCOUTQ = 0x5411  # tcp(7)
SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}  # the number of the system call, which older C libraries have no name for
SCHED_ATTR = struct.Struct("=IIQiIQQQ")  # size, policy, flags, nice, priority, runtime, deadline, period: sched_setattr(2)
MADV_DONTNEED = 4  # madvise(2)
MAP_FIXED = 0x10  # mmap(2)
MEMBARRIER = {"x86_64": 324, "aarch64": 283}  # the number of this system call: membarrier(2)
BARRIER, ACCEPT_BARRIERS = 2, 4  # MEMBARRIER_CMD_GLOBAL_EXPEDITED, and to register for it
EPOLL_CTL_ADD = 1
EPOLL_EVENT = struct.Struct(
    "<Iq" if os.uname().machine == "x86_64" else "=I4xq"
)  # packed there and nowhere else: linux/eventpoll.h
SO_BUF_LOCK = 72  # which sizes of buffers stay as they were set: linux/net.h, asm-generic/socket.h
NEAR = 200  # microseconds to and fro: a process of the same machine, or of one beside it
AHEAD = 1 << 18  # bytes that a near client may have to read; the kernel takes twice as many, for what it needs beside them
SHORT_TURN = 100_000  # nanoseconds, the least that the kernel grants
PADDING = "-" * 64  # an argument that leaves room for a title

STACKS = signal.SIGRTMIN + 7  # makes a worker write its stacks; USR1 and USR2 belong to applications

FILES = resource.getrlimit(resource.RLIMIT_NOFILE)[0]  # how many this process could open when it was started

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p


def open_up_to(files: int | None = None) -> None:
    """Have this process, and what it starts, open so many files at a time; None: as many as the system lets it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if files is None else files, hard))


def set_title(title: str) -> None:
    """Show `title` instead of the command line, cut to the room that the command line had."""
    libc.prctl(PR_SET_NAME, title.replace("prefork: ", "pf:").encode()[:15], 0, 0, 0)
    start, end = _room_of_title()
    if start < end:
        ctypes.memmove(start, title.encode()[: end - start - 1].ljust(end - start, b"\0"), end - start)


@functools.cache
def _room_of_title() -> tuple[int, int]:
    """Where the command line is in memory. A fork has it in the same place."""
    with open("/proc/self/stat", "rb") as stat:
        # The second field may hold spaces and brackets; what follows its last bracket is numbers only.
        numbers = stat.read().rpartition(b")")[2].split()
    return int(numbers[ARG_START - 3]), int(numbers[ARG_END - 3])


def die_with(parent: int) -> None:
    """Have the kernel kill this process when `parent` dies; leave at once if it is dead already."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def take_short_turns() -> None:
    """Ask for the processor in short turns, which the kernel grants sooner (Linux 6.12; older ones take no notice).

    It changes neither our share of the processor nor the turns of a process that is not scheduled as most are.
    """
    number, policy = SCHED_SETATTR.get(os.uname().machine), os.sched_getscheduler(0)
    if number is None or policy != os.SCHED_OTHER:
        return
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    libc.syscall(number, 0, SCHED_ATTR.pack(SCHED_ATTR.size, policy, 0, nice, 0, SHORT_TURN, 0, 0), 0)


def return_memory() -> None:
    """Give back what this process has freed, and the pages of mapped files that it has not changed: they come again when it looks.

    For a process that has loaded much and does little: a fork inherits the heap, but finds the pages of files for itself.
    """
    with contextlib.suppress(AttributeError):  # other C libraries than glibc keep less
        libc.malloc_trim(0)
    for start, end in _files_unchanged():
        libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), MADV_DONTNEED)


def _files_unchanged() -> Iterator[tuple[int, int]]:
    """Where files are mapped that can't be written to there and have not been, as by relocations: proc_pid_smaps(5)."""
    bounds = None
    with open("/proc/self/smaps", "rb") as maps:
        for line in maps:
            first, _, rest = line.partition(b" ")
            if b"-" in first:
                start, end = (int(bound, 16) for bound in first.split(b"-"))
                bounds = (start, end) if rest.startswith(b"r") and b"w" not in rest[:4] and b"/" in rest else None
            elif bounds and first == b"Anonymous:" and int(rest.split()[0]) == 0:
                yield bounds


def bytes_taken(connection: socket.SocketType) -> int | None:
    """All bytes that a TCP connection's socket has ever taken for sending, from whichever process. Raises OSError.

    None for a unix socket: the kernel counts there what the other side has not read, in memory, and nothing else.
    """
    if connection.family == socket.AF_UNIX:
        return None
    while True:
        # Acknowledged plus waiting; an acknowledgement between the two readings would be counted twice or not at all.
        acknowledged = _sent(connection)
        waiting = int.from_bytes(fcntl.ioctl(connection, SIOCOUTQ, bytes(4)), sys.byteorder)
        if acknowledged == _sent(connection):
            return max(0, acknowledged + waiting)


def _sent(connection: socket.SocketType) -> int:
    """The bytes acknowledged, less the end of our side, which the kernel counts as one, also while it waits.

    Of a connection that has been reset nobody can tell: there it may be one less.
    """
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, BYTES_ACKED + 8)
    return int.from_bytes(info[BYTES_ACKED:], sys.byteorder) - (info[0] not in OPEN)


def bytes_read(connection: socket.SocketType) -> int:
    """All bytes that anybody has ever read from a TCP connection's socket that our side has not ended. Raises OSError."""
    before = bytes_received(connection)
    while True:
        left = unread(connection)
        received = bytes_received(connection)
        if received == before:
            return received - left
        before = received  # what has come meanwhile is in one of the two figures


def bytes_received(connection: socket.SocketType) -> int:
    """All bytes that a TCP connection's client has sent and that have come. Raises OSError."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, BYTES_RECEIVED + 8)
    # The end of the client's side counts as one byte received, and as none that is unread.
    return int.from_bytes(info[BYTES_RECEIVED:], sys.byteorder) - (info[0] == CLOSE_WAIT)


def unread(connection: socket.SocketType) -> int:
    """How many bytes a connection has that nobody has read. Raises OSError."""
    return int.from_bytes(fcntl.ioctl(connection, SIOCINQ, bytes(4)), sys.byteorder)


def unheard(wire: socket.socket) -> float:
    """Which part of its room is taken by what a unix socket has sent and the other side has not received. Raises OSError."""
    waiting = int.from_bytes(fcntl.ioctl(wire, SIOCOUTQ, bytes(4)), sys.byteorder)
    return waiting / wire.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)


def unaccepted(listener: socket.socket) -> int:
    """How many connections of a TCP listener nobody has accepted yet. Raises OSError."""
    info = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, UNACKED + 4)
    return int.from_bytes(info[UNACKED:], sys.byteorder)


def await_bytes(connection: socket.SocketType, count: int) -> bool:
    """Have a TCP connection tell of nothing before so many bytes are there, and have room for them. False where it gets none.

    What bytes take of that room depends on the segments that they come in: it is made for twice as many. Raises OSError.
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 2 * count)
    roomy = connection.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT) == 2 * count
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count if roomy else 1)
    return roomy


def await_any(connection: socket.SocketType) -> None:
    """Have it tell of each byte again. Raises OSError."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)


def keep_close(connection: socket.SocketType) -> None:
    """Have the socket of a near client take less ahead of it, from now on: what it reads is in the processor's cache by then.

    As far as it goes by itself, some megabytes, most of an answer has left that before it is read. So much is enough where
    acknowledgements come at once; the socket of a client further away stays as it is.
    """
    with contextlib.suppress(OSError):  # a unix socket, which takes little anyway
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, LEAST_RTT + 4)
        if 0 < int.from_bytes(info[LEAST_RTT:], sys.byteorder) < NEAR:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, AHEAD)


def let_ahead(connection: socket.SocketType) -> None:
    """Have a socket take again as much ahead of its client as it does by itself."""
    with contextlib.suppress(OSError):  # Linux before 5.15 knows no way back
        connection.setsockopt(socket.SOL_SOCKET, SO_BUF_LOCK, 0)


def half_closed(connection: socket.SocketType) -> bool:
    """Whether the other side of a TCP connection has ended it, or at least its own direction. Raises OSError."""
    state: int = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    return state != ESTABLISHED


def since_received(connection: socket.SocketType) -> int:
    """The nanoseconds since a TCP connection's last bytes have arrived, in steps of some milliseconds. Raises OSError."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, LAST_RECEIVED + 4)
    return int.from_bytes(info[LAST_RECEIVED:], sys.byteorder) * 1_000_000


def shared_memory(name: str, size: int) -> int:
    """A descriptor of so many bytes of memory without a name in any file system, zeroed; what is not used yet takes none.

    It stays as long as it is, whoever has it: of what had been cut off a process that looks there would die. Raises OSError.
    """
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(descriptor, size)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def make_private(memory: mmap.mmap) -> None:
    """Put zeroed memory of this process alone in the place of what it shares. Raises OSError."""
    first = ctypes.c_char.from_buffer(memory)
    place = ctypes.c_void_p(ctypes.addressof(first))
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_FIXED
    nowhere = ctypes.c_void_p(-1).value
    if libc.mmap(place, ctypes.c_size_t(len(memory)), mmap.PROT_READ | mmap.PROT_WRITE, flags, -1, ctypes.c_long(0)) == nowhere:
        raise OSError(ctypes.get_errno(), "mmap")


def accept_barriers() -> None:
    """Have `barrier` in another process count for this one. Raises OSError where the kernel does not know it."""
    _membarrier(ACCEPT_BARRIERS)


def barrier() -> None:
    """See all that processes which accept barriers have stored by now; and what we have stored they see from now on."""
    _membarrier(BARRIER)


def _membarrier(command: int) -> None:
    number = MEMBARRIER.get(os.uname().machine)
    if number is None or libc.syscall(number, command, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "membarrier")


def reset(connection: socket.SocketType) -> None:
    """End a TCP connection by a reset, for all who share its socket: connect(2) to no address dissolves it.

    A unix socket refuses that and has no reset; its other side sees the end, as after shutdown(2).
    """
    libc.connect(connection.fileno(), bytes(16), 16)  # sixteen zeros: a struct sockaddr of the family AF_UNSPEC


def watch_as(epoll: int, descriptor: int, key: int) -> None:
    """Have an epoll tell when a descriptor can be read, under this key instead of its number. Raises OSError."""
    event = EPOLL_EVENT.pack(select.EPOLLIN, key)
    if libc.epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, event) != 0:
        raise OSError(ctypes.get_errno(), "epoll_ctl")


def is_journald(descriptor: int) -> bool:
    """Whether systemd has connected this very descriptor to its journal, which reads a priority at the start of each line."""
    status = os.fstat(descriptor)
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"  # systemd.exec(5)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies. Raises OSError."""
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")
