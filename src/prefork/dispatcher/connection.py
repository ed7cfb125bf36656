"""One client connection: reads requests, one at a time, and gets answers out. The state machine of the dispatcher.

The socket is shared with workers, so it is never made non-blocking: each call says MSG_DONTWAIT. It is watched edge-triggered, once
for its whole life: while a worker has the request nothing is read, and what arrives is only remembered (`unread`).
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections import deque
from enum import Enum, auto
from typing import TYPE_CHECKING

from prefork.dispatcher.exchange import Exchange
from prefork.dispatcher.intake import Intake
from prefork.dispatcher.replies import refusal
from prefork.http.head import END_OF_HEAD, Refused
from prefork.kernel import bytes_taken
from prefork.messages import DONTWAIT

if TYPE_CHECKING:
    from prefork.dispatcher.traffic import Traffic
    from prefork.http.head import Head

WATCHED = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET
ENDED = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
BLOCK = 65536  # bytes read at once
TURN = 16  # blocks read before others have their turn
LINGER = 2.0  # seconds in which a refused client may read why before the connection is reset
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class State(Enum):
    """What a connection waits for."""

    IDLE = auto()  # the first byte of a request
    HEAD = auto()  # the rest of a head
    BODY = auto()  # the rest of a body
    QUEUED = auto()  # an idle worker
    SERVED = auto()  # the worker that has its request
    FLUSHING = auto()  # the client to read its answer
    LINGERING = auto()  # the client to notice that it was refused
    CLOSED = auto()


S = State
READING = frozenset((S.IDLE, S.HEAD, S.BODY))
TRANSITIONS: dict[State, frozenset[State]] = {
    S.IDLE: frozenset((S.HEAD, S.CLOSED)),
    S.HEAD: frozenset((S.BODY, S.QUEUED, S.SERVED, S.IDLE, S.FLUSHING, S.LINGERING, S.CLOSED)),
    S.BODY: frozenset((S.QUEUED, S.SERVED, S.IDLE, S.FLUSHING, S.LINGERING, S.CLOSED)),
    S.QUEUED: frozenset((S.SERVED, S.IDLE, S.FLUSHING, S.LINGERING, S.CLOSED)),
    S.SERVED: frozenset((S.QUEUED, S.SERVED, S.IDLE, S.FLUSHING, S.LINGERING, S.CLOSED)),
    S.FLUSHING: frozenset((S.IDLE, S.LINGERING, S.CLOSED)),
    S.LINGERING: frozenset((S.CLOSED,)),
    S.CLOSED: frozenset(),
}


class Rest:
    """Bytes of an answer in an anonymous file, read by offset because the position is shared with its writer."""

    __slots__ = ("descriptor", "offset", "size")

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.offset = 0
        self.size = os.fstat(descriptor).st_size

    def discard(self) -> None:
        """Let go of the file."""
        os.close(self.descriptor)


class Connection:
    """A client's connection. `deadline` (monotonic seconds) is when its state has lasted too long."""

    __slots__ = (
        "buffer", "deadline", "descriptor", "exchange", "head", "intake", "keep", "local", "outbox", "peer", "refused", "scanned",
        "socket", "state", "traffic", "unread", "waiting_bytes", "written",
    )  # fmt: skip

    def __init__(self, traffic: Traffic, client: socket.socket, peer: tuple[str, int], local: tuple[str, int]) -> None:
        self.traffic = traffic
        self.socket = client
        self.descriptor = client.fileno()
        self.peer = peer
        self.local = local
        self.state = S.IDLE
        self.deadline = time.monotonic() + traffic.options.header_timeout
        self.buffer = b""
        self.scanned = 0  # bytes of the buffer that are known to hold no end of a head
        self.unread = False
        self.keep = False
        self.refused = False  # what arrives is a request that nobody will read
        self.head: Head | None = None
        self.intake: Intake | None = None
        self.exchange: Exchange | None = None
        self.outbox: deque[bytes | Rest] = deque()
        self.waiting_bytes = 0  # in the outbox
        self.written = 0  # bytes that the socket has taken from anybody, before the request that a worker has now

    def to(self, state: State, deadline: float = float("inf")) -> None:
        """Change the state; anything that the table does not have is a fault."""
        if state not in TRANSITIONS[self.state]:
            raise RuntimeError(f"a connection cannot go from {self.state.name} to {state.name}")
        self.state = state
        self.deadline = deadline

    # What the loop reports.

    def ready(self, mask: int) -> None:
        """Something happened to the socket."""
        if mask & select.EPOLLOUT and self.outbox:
            self.flush()
        if self.state in READING or self.state is S.LINGERING:
            self.read(ended=bool(mask & ENDED))
        elif mask & (select.EPOLLIN | ENDED):
            self.unread = True
            if mask & ENDED and self.state is S.QUEUED and self.exchange:
                self.traffic.withdraw(self.exchange)
                self.close()

    def overdue(self) -> None:
        """The deadline has passed."""
        if self.state in {S.HEAD, S.BODY}:
            self.refuse(Refused(408, "the request did not arrive in time"))
        else:
            self.close()

    def abandon(self) -> None:
        """A fault of ours was contained: this connection is given up, no other."""
        if self.state is S.QUEUED and self.exchange:
            self.traffic.withdraw(self.exchange)
        self.close()

    # Reading.

    def read(self, *, ended: bool) -> None:
        """Take what has arrived. `ended`: the client's side is closed, so read on to its end; there will be no further edge."""
        for _ in range(TURN):
            try:
                data = self.socket.recv(BLOCK, DONTWAIT)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self.close()
                return
            if self.state is S.LINGERING:
                continue
            self.take(data)
            if self.state not in READING:
                self.unread = ended or len(data) == BLOCK
                return
            if len(data) < BLOCK and not ended:
                return
        self.traffic.again(self)

    def take(self, data: bytes) -> None:
        """Add received bytes and go on as far as they reach."""
        if self.state is S.BODY:
            self._take_body(data)
        else:
            self.buffer = self.buffer + data if self.buffer else data
        self.advance()

    def advance(self) -> None:
        """Go through the buffer; several requests may be in it, and those that are answered here are answered in turn."""
        while self.buffer and (self.state is S.IDLE or self.state is S.HEAD):
            try:
                if not self._head():
                    return
            except Refused as refused:
                self.refuse(refused)

    def _head(self) -> bool:
        """Read one head; False when it is not complete."""
        if self.state is S.IDLE:
            self.buffer = self.buffer.lstrip(b"\r\n")  # RFC 9112, 2.2: empty lines before a request
            if not self.buffer:
                return False
            self.to(S.HEAD, time.monotonic() + self.traffic.options.header_timeout)
            self.scanned = 0
        buffer = self.buffer
        end = buffer.find(END_OF_HEAD, self.scanned) + 4
        if end > self.traffic.options.max_header_size or (end < 4 and len(buffer) > self.traffic.options.max_header_size):
            raise Refused(431, "the head is too large (max_header_size)")
        if end < 4:
            self.scanned = max(0, len(buffer) - 3)
            return False
        self.buffer = b""  # whatever is wrong with this head, what follows it is not read as another
        head = self.traffic.reader.read(buffer[:end])
        self.buffer = buffer[end:]
        if head.length == 0:
            self._complete(head, b"", 0)
        else:
            self._await_body(head)
        return True

    def _await_body(self, head: Head) -> None:
        self.head = head
        self.intake = Intake(head.length, self.traffic.options.max_body_size)
        self.to(S.BODY)
        if head.expects and not self.buffer:
            self.outbox.append(CONTINUE)
            self.flush()
        data, self.buffer = self.buffer, b""
        self._take_body(data)

    def _take_body(self, data: bytes) -> None:
        assert self.intake
        assert self.head
        self.deadline = time.monotonic() + self.traffic.options.body_timeout
        try:
            self.buffer = self.intake.feed(data)
        except Refused as refused:
            self.refuse(refused)
            return
        if self.intake.complete():
            intake, head, self.intake, self.head = self.intake, self.head, None, None
            self._complete(head, intake.take(), intake.size)

    def _complete(self, head: Head, body: bytes | int, length: int) -> None:
        self.exchange = Exchange(self, head, self.traffic.origin(self.peer, head.headers), body, length, time.monotonic())
        self.traffic.submit(self.exchange)

    # Answering.

    def refuse(self, refused: Refused) -> None:
        """Answer a request that cannot be read, and end the connection: what follows cannot be told from it."""
        self.traffic.refused(self, refused)
        self.refused = True
        self.outbox.append(refusal(refused))
        self.answered(keep=False)

    def answer(self, data: bytes, keep: bool) -> None:
        """Send a whole answer of the dispatcher's own."""
        self.outbox.append(data)
        self.answered(keep)

    def answered(self, keep: bool) -> None:
        """Every byte of the answer is with the kernel or in the outbox: on to the next request, or to the end."""
        if self.state is S.CLOSED:
            return
        self.exchange = None
        self.keep = keep
        self.to(S.FLUSHING, time.monotonic() + self.traffic.options.body_timeout)
        self.flush()

    def out(self) -> int:
        """How many bytes of the present answer the socket has taken from its worker."""
        return bytes_taken(self.socket) - self.written

    def proceed(self) -> None:
        """Go on with what arrived while the last request was answered."""
        self.advance()
        if self.unread and self.state in READING:
            self.unread = False
            self.read(ended=True)

    def hand_on(self, data: bytes | Rest) -> None:
        """Take bytes that a worker could not send."""
        self.outbox.append(data)
        self.waiting_bytes += data.size if isinstance(data, Rest) else len(data)
        self.traffic.watch(self, WATCHED | select.EPOLLOUT)

    def flush(self) -> None:
        """Send what the socket takes."""
        while self.outbox:
            first = self.outbox[0]
            data = os.pread(first.descriptor, BLOCK * 4, first.offset) if isinstance(first, Rest) else first
            try:
                taken = self.socket.send(data, DONTWAIT)
            except BlockingIOError:
                self.traffic.watch(self, WATCHED | select.EPOLLOUT)
                return
            except OSError:
                self.close()
                return
            self._sent(first, taken)
        if self.state is S.FLUSHING:
            self._flushed()

    def _sent(self, first: bytes | Rest, taken: int) -> None:
        self.waiting_bytes = max(0, self.waiting_bytes - taken)
        if self.state is not S.SERVED:  # what is handed on is a part of the worker's answer and counted with it
            self.written += taken
        if isinstance(first, Rest):
            first.offset += taken
            if first.offset >= first.size:
                first.discard()
                self.outbox.popleft()
        elif taken < len(first):
            self.outbox[0] = first[taken:]
        else:
            self.outbox.popleft()
        if self.state is S.FLUSHING:
            self.deadline = time.monotonic() + self.traffic.options.body_timeout
        self.traffic.relieved(self)

    def _flushed(self) -> None:
        if self.keep and not self.traffic.closing:
            self.to(S.IDLE, time.monotonic() + self.traffic.options.keepalive_timeout)
        elif self.refused or self.buffer or self.unread:
            # Closing now would answer unread bytes with a reset, which can overtake the answer.
            self.shut(socket.SHUT_WR)
            self.to(S.LINGERING, time.monotonic() + LINGER)
        else:
            self.close()

    def shut(self, how: int) -> None:
        """End the connection for all who share it: an application's own fork may hold a copy of the socket."""
        try:
            self.socket.shutdown(how)
        except OSError:
            pass

    def close(self) -> None:
        """End the connection and forget everything about it. An exchange that a worker has is left to its worker."""
        if self.state is S.CLOSED:
            return
        self.to(S.CLOSED)
        self.shut(socket.SHUT_RDWR)
        if self.intake:
            self.intake.discard()
        for part in self.outbox:
            if isinstance(part, Rest):
                part.discard()
        self.outbox.clear()
        self.waiting_bytes = 0
        self.buffer = b""
        self.traffic.relieved(self)
        self.traffic.forget(self)
