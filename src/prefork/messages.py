"""What dispatcher and worker tell each other about requests, and the framing of every message between processes.

Wires are AF_UNIX and message-preserving: *channels* (`channel.py`), and *pairs* between dispatcher and worker. On these a `Request`
goes to the worker in marshal format (a tenth of JSON's time; only the direction away from us, because marshal trusts its input),
what comes back from the application's process is a fixed struct. Standard library only, Python 3.9+: this runs inside the
application's interpreter.
"""

from __future__ import annotations

import array
import marshal
import os
import socket
import struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from typing import TypeAlias

    # A `Request`, which is one, or what it would be made of: to make one takes longer than to pack it.
    Fields: TypeAlias = """tuple[
        int, int, str, bytes, str, list[tuple[bytes, bytes]], bytes | None, int, tuple[str, int], tuple[str, int], str, bool, str,
        tuple[int, tuple[str, int]] | None, tuple[Any, ...] | None, dict[str, Any] | None,
    ]"""

LIMIT = 200_000  # bytes in one message: a pair takes 212,960 with the kernel's default buffer
# A body up to this size (bytes) travels in the message, a larger one as a descriptor; a rest in pieces of this size.
INLINE: Final = 1 << 16
DESCRIPTORS = 250  # the most that one message carries; the kernel allows 253
RIGHTS_SPACE = socket.CMSG_SPACE(DESCRIPTORS * 4)
ONE_RIGHT: Final = socket.CMSG_LEN(4)  # CMSG_SPACE would have room for two
# Plain numbers: the enumeration's `|` costs as much as a small system call.
SOL_SOCKET: Final = int(socket.SOL_SOCKET)
SCM_RIGHTS: Final = int(socket.SCM_RIGHTS)
NOSIGNAL: Final = int(socket.MSG_NOSIGNAL)
DONTWAIT: Final = int(socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
PEEK: Final = DONTWAIT | int(socket.MSG_PEEK)
DONTWAIT_MORE: Final = DONTWAIT | int(socket.MSG_MORE)  # what follows is sent with it, as far as there is room in a segment
CLOEXEC: Final = int(socket.MSG_CMSG_CLOEXEC)
CLOEXEC_DONTWAIT: Final = int(socket.MSG_CMSG_CLOEXEC | socket.MSG_DONTWAIT)
TRUNCATED: Final = int(socket.MSG_CTRUNC | socket.MSG_TRUNC)


class Truncated(Exception):
    """A message or its descriptors did not arrive whole: a fault of the sender, or no descriptor was left for us.

    `message` is what has arrived, without any descriptor.
    """

    def __init__(self, message: bytes) -> None:
        super().__init__("a message arrived without all its bytes or descriptors")
        self.message = message


class Request(NamedTuple):
    """A complete request as the worker gets it.

    `target` is the request target as sent, `headers` are (lower-case name, value) in order of arrival; `body` is None when the
    body travels as a descriptor behind the client's socket, and `length` is its size in bytes either way. `client` and `server`
    are (address, port); `scheme` and `client` already take trusted proxies into account. `keep` says whether the connection may
    take another request. `attempt` is 2 when a worker died with the first one. `request_id` is what the log calls it, and the value
    of its one X-Request-ID header. `loan`: the worker may keep the client's socket for a loan, under this key and with the address
    at its other end. `inflow`, as an `Inflow`: `body` is the beginning only, as it was sent, and the worker reads on. In `memo` its
    host keeps what it has made of the head: all requests with that head have the same one, where there are more; they differ in the
    headers at the places that are its `blanks`.
    """

    number: int
    attempt: int
    method: str
    target: bytes
    version: str
    headers: list[tuple[bytes, bytes]]
    body: bytes | None
    length: int
    client: tuple[str, int]
    server: tuple[str, int]
    scheme: str
    keep: bool
    request_id: str
    loan: tuple[int, tuple[str, int]] | None = None
    inflow: tuple[Any, ...] | None = None
    memo: dict[str, Any] | None = None


class Inflow(NamedTuple):
    """The rest of a body that is still to be read from the client's socket: exactly that, because another request may follow.

    `left` is how many bytes it has, None where it comes in chunks, of which all together may have `most`. `patience` is for how
    many seconds its client may send nothing. `expects`: it waits to be asked for the body (100 Continue).
    """

    left: int | None
    most: int
    patience: float
    expects: bool


def pack_request(request: Fields) -> bytes:
    """A request as one message. Format 2 of marshal is the same in every Python 3."""
    return marshal.dumps(tuple(request), 2)


def unpack_request(message: bytes) -> Request:
    """The request in a message of `pack_request`."""
    return Request._make(marshal.loads(message))  # noqa: S302 - it comes from the dispatcher, never from a client or worker


# What a connection that changes owner is: a WebSocket or a long poll of the bus, or a WebSocket or a lasting request of the
# application.
SUBSCRIPTION, POLL, CONVERSATION, STREAM = range(4)


class Handover(NamedTuple):
    """A request whose connection changes owner, what it is then, and the bytes that were read behind it."""

    request: Request
    kind: int
    early: bytes


def pack_handover(request: Fields, kind: int, early: bytes) -> bytes:
    """A handover as one message."""
    return marshal.dumps((tuple(request), kind, early), 2)


def unpack_handover(message: bytes) -> Handover:
    """What is in a message of `pack_handover`."""
    request, kind, early = marshal.loads(message)  # noqa: S302 - as in `unpack_request`
    return Handover(Request._make(request), kind, early)


def unpack_assignment(message: bytes) -> tuple[Request, bytes | None]:
    """What a place is given: a request, or a handover. Then there are bytes that were read behind it."""
    parts = marshal.loads(message)  # noqa: S302 - as in `unpack_request`
    if isinstance(parts[0], tuple):
        return Request._make(parts[0]), parts[2]
    return Request._make(parts), None


# In a request's place; no request begins with one of these letters.
LOG = b"log"  # a worker's log is another file, whose descriptor comes with it
GONE = b"gone"  # the client of a request that a worker with an event loop has, or had, has left; its number follows

END, REST, FILE, SPOOLED, TAKEN, FREE, MISSED = 1, 2, 3, 4, 5, 6, 7
ENDING: Final = struct.Struct("<BBHQQQIQ")
EXTENT = struct.Struct("<BQQ")
ACKNOWLEDGEMENT = struct.Struct("<BQ")
LONGEST_TAG: Final = 256  # bytes behind an ending
KEEP, WORN, BROKEN, BUSY, KEPT = 1, 2, 4, 8, 16  # flags of an ending


class Ending(NamedTuple):
    """A worker has finished a request and is idle.

    `sent` counts the bytes of the answer, `cpu` is in nanoseconds of the whole worker process, in threaded mode of the thread.
    `worn`: the worker asks to be replaced, and goes on until it is. `broken`: the answer ends in its middle, and its client must
    not take it for whole. `queries` and the nanoseconds they took in `sql` are those of a host that counts them, `tag` is what the
    application has said that the request is about. `busy`: the worker still works for it, and will say when it is idle. `kept`: it
    still has the client's socket, and can read the next request itself.
    """

    number: int
    status: int
    sent: int
    cpu: int
    keep: bool
    worn: bool
    broken: bool
    queries: int
    sql: int
    tag: str
    busy: bool = False
    kept: bool = False


def pack_ending(
    number: int, status: int, sent: int, cpu: int, flags: int, queries: int = 0, sql: int = 0, tag: bytes = b""
) -> bytes:
    """An ending as one message; `flags` from KEEP, WORN, BROKEN, BUSY and KEPT."""
    return ENDING.pack(END, flags, status, number, sent, cpu, queries, sql) + tag


def unpack_ending(message: bytes) -> Ending:
    """The ending in a message. Raises struct.error when it is not one."""
    if len(message) > ENDING.size + LONGEST_TAG:
        raise struct.error("more than a tag follows")
    _, flags, status, number, sent, cpu, queries, sql = ENDING.unpack_from(message)
    tag = message[ENDING.size :].decode(errors="replace") if len(message) > ENDING.size else ""
    keep, worn, broken = flags & KEEP != 0, flags & WORN != 0, flags & BROKEN != 0
    return Ending(number, status, sent, cpu, keep, worn, broken, queries, sql, tag, flags & BUSY != 0, flags & KEPT != 0)


def pack_rest(data: bytes) -> bytes:
    """Bytes of an answer that the client's socket did not take."""
    return bytes((REST,)) + data


def pack_extent(kind: int, offset: int, count: int) -> bytes:
    """Bytes of an answer that are in the file whose descriptor comes with the message.

    `kind` is FILE, or SPOOLED for a file that the worker has made for this answer and may go on writing behind these bytes.
    """
    return EXTENT.pack(kind, offset, count)


def unpack_extent(message: bytes) -> tuple[int, int]:
    """Offset and count of an extent. Raises struct.error when it is not one, or no file is so long."""
    _, offset, count = EXTENT.unpack(message)
    if offset + count >> 63:
        raise struct.error("an extent is beyond the end of any file")
    return offset, count


def pack_taken(number: int) -> bytes:
    """The connection of a request has another owner now."""
    return ACKNOWLEDGEMENT.pack(TAKEN, number)


def pack_free(number: int) -> bytes:
    """The worker has done what it still had to do for a request that it has answered."""
    return ACKNOWLEDGEMENT.pack(FREE, number)


def pack_gone(number: int) -> bytes:
    """The client of a request has left."""
    return GONE + number.to_bytes(8, "little")


def unpack_gone(message: bytes) -> int:
    """The request's number in a message of `pack_gone`."""
    return int.from_bytes(message[len(GONE) :], "little")


def pack_missed(number: int) -> bytes:
    """The worker has had no descriptor left to take a request with: it has seen nothing of it but this number."""
    return ACKNOWLEDGEMENT.pack(MISSED, number)


def unpack_number(message: bytes) -> int:
    """The number in an acknowledgement, or of what a worker is free of or has missed. Raises struct.error when there is none."""
    number: int = ACKNOWLEDGEMENT.unpack(message)[1]
    return number


def send(wire: socket.socket, message: bytes, descriptors: list[int] | tuple[int, ...] = (), flags: int = NOSIGNAL) -> None:
    """Send one message with descriptors. Raises OSError; BlockingIOError with DONTWAIT when the wire is full."""
    if descriptors:
        rights = (SOL_SOCKET, SCM_RIGHTS, array.array("i", descriptors))
        wire.sendmsg((message,), (rights,), flags)
    else:
        wire.send(message, flags)


def inbox() -> bytearray:
    """A buffer for `receive`. Made once: room for the longest message, made for each, costs more than all the rest."""
    return bytearray(LIMIT)


def receive(wire: socket.socket, buffer: bytearray, flags: int = CLOEXEC, space: int = RIGHTS_SPACE) -> tuple[bytes, list[int]]:
    """Receive one message with its descriptors; an empty message is the end of the wire, and has none.

    Raises Truncated (after closing what did arrive), OSError, BlockingIOError with CLOEXEC_DONTWAIT.
    """
    try:
        size, control, status, _ = wire.recvmsg_into((buffer,), space, flags)
    except ConnectionResetError:
        # The other side has ended without hearing all, which is told once, before anything that it has said itself.
        size, control, status, _ = wire.recvmsg_into((buffer,), space, flags)
    descriptors: list[int] = []
    for level, kind, data in control:
        if level == SOL_SOCKET and kind == SCM_RIGHTS:
            descriptors += memoryview(data).cast("i")  # whole numbers, also where some were cut off: scm_detach_fds()
    if status & TRUNCATED or (descriptors and not size):
        for descriptor in descriptors:
            os.close(descriptor)
        raise Truncated(bytes(memoryview(buffer)[:size]))
    return bytes(memoryview(buffer)[:size]), descriptors


def has_more(wire: socket.socket) -> bool:
    """Whether there is a message to receive."""
    try:
        return bool(wire.recv(1, PEEK))
    except ConnectionResetError:  # as above, and told by now
        return has_more(wire)
    except OSError:
        return False


def pair() -> tuple[socket.socket, socket.socket]:
    """A new wire between two processes. Its descriptors are not inherited by an exec."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
