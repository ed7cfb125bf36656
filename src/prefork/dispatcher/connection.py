"""One client connection: reads requests, one at a time, and gets answers out. The state machine of the dispatcher.

The socket is shared with workers, so it is never made non-blocking: each call says MSG_DONTWAIT. It is watched edge-triggered, once
for its whole life: while a worker has the request nothing is read, and what arrives is only remembered (`unread`). A new one is not
watched before there is something to wait for: many a client sends one request, at once, and is gone when it is answered.

What may wait for a disk is a thread's errand, one at a time. While it is out nothing is read or sent here, and neither the socket
nor a file is closed under it.
"""

from __future__ import annotations

import select
import socket
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from prefork.dispatcher.download import Download
from prefork.dispatcher.exchange import Exchange
from prefork.dispatcher.inbound import BLOCK, TURN, Inbound
from prefork.dispatcher.lingering import Lingering
from prefork.dispatcher.replies import refusal
from prefork.dispatcher.states import (
    ANSWERING,
    BODY,
    CLOSED,
    ENDED,
    FLUSHING,
    HANDED,
    HEAD,
    IDLE,
    LEAVING,
    LINGERING,
    QUEUED,
    READING,
    SERVED,
    TRANSITIONS,
    UNSERVED,
    UNWATCHED,
    WATCHED,
    State,
)
from prefork.dispatcher.tally import Tally
from prefork.dispatcher.upload import Upload
from prefork.http.head import Refused
from prefork.kernel import half_closed, reset, unread
from prefork.messages import DONTWAIT, INLINE

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.dispatcher.disk import Disk, Errand
    from prefork.dispatcher.loan import Loan
    from prefork.dispatcher.outbox import Extent
    from prefork.dispatcher.traffic import Traffic
    from prefork.http.head import Head


class Loop(Protocol):
    """What a connection needs of the event loop."""

    def watch(self, connection: Connection, mask: int) -> None:
        """Be told of these things, instead of others if it is watched already."""

    def lent(self, connection: Connection) -> None:
        """A worker reads it: be told of nothing any more."""

    def home(self, connection: Connection) -> None:
        """It is read here again: be told as before."""

    def again(self, connection: Connection) -> None:
        """It has more to read than one turn allows."""

    def forget(self, connection: Connection) -> None:
        """The connection is closed; a thread may still hold its socket."""

    def dispose(self, connection: Connection) -> None:
        """Nobody holds the socket of a closed connection any more."""


class Connection:
    """A client's connection. `deadline` (monotonic seconds) is when its state has lasted too long."""

    __slots__ = (
        "broken", "deadline", "descriptor", "download", "ended", "errand", "exchange", "inbound", "keep", "lingering", "loan",
        "local", "loop", "new", "peer", "refused", "socket", "state", "tally", "traffic", "unread", "upload", "watched",
    )  # fmt: skip

    def __init__(
        self, loop: Loop, traffic: Traffic, client: socket.SocketType, peer: tuple[str, int], local: tuple[str, int]
    ) -> None:
        self.loop = loop
        self.traffic = traffic
        self.socket = client
        self.descriptor = client.fileno()
        self.peer = peer
        self.local = local
        self.state = IDLE
        self.watched = False  # the loop's to say
        self.deadline = time.monotonic() + traffic.options.header_timeout
        self.inbound = Inbound()
        self.new = True  # nobody has read anything of it
        self.unread = False
        self.ended = False  # the client's side is closed: no further edge will tell
        self.keep = False
        self.broken = False
        self.refused = False  # what arrives is a request that nobody will read
        self.upload: Upload | None = None  # a body that is awaited
        self.exchange: Exchange | None = None
        self.download: Download | None = None  # what the client has yet to read of an answer
        self.errand: Errand | None = None
        self.tally = Tally(client)
        self.loan: Loan | None = None  # while a worker reads it
        self.lingering: Lingering | None = None

    @property
    def unix(self) -> bool:
        """Whether its client has no address."""
        return not self.peer[0]

    @property
    def open(self) -> bool:
        """Whether it can still be answered."""
        return self.state is not CLOSED

    @property
    def held(self) -> int:
        """The bytes in memory that wait for the client to read them."""
        return self.download.outbox.held if self.download else 0

    def to(self, state: State, deadline: float = float("inf")) -> None:
        """Change the state; anything that the table does not have is a fault."""
        if state not in TRANSITIONS[self.state]:
            raise RuntimeError(f"a connection cannot go from {self.state.name} to {state.name}")
        self.state = state
        self.deadline = deadline

    # What the loop reports.

    def greet(self) -> None:
        """It is new: read what has come with it."""
        if self.state in READING:
            self.read()
        if self.state not in UNWATCHED:
            self.watch()

    def watch(self) -> None:
        """Be told of what happens to the socket from now on."""
        if not self.watched:
            self.loop.watch(self, WATCHED)

    def deserted(self) -> bool:
        """Whether the client of a request that waits has left, where nobody has been told because it is not watched."""
        return not self.watched and half_closed(self.socket)

    def ready(self, mask: int) -> None:
        """Something happened to the socket."""
        self.ended = self.ended or bool(mask & ENDED)
        if mask & select.EPOLLOUT and self.download:
            self.download.flush()
            self.proceed()
        if self.state in READING and not self.errand:
            self.read()
        elif self.lingering:
            self.lingering.ignore()
        elif mask & (select.EPOLLIN | ENDED):
            self.unread = True
            if self.ended and self.state is QUEUED:
                self.abandon()
            elif self.ended and self.state is SERVED and self.exchange:
                self.traffic.left(self.exchange)
            elif self.ended and self.state is HANDED and self.exchange and self.traffic.live.withdraw(self.exchange):
                self.traffic.abandoned()
                self.close()

    def overdue(self) -> None:
        """The deadline has passed."""
        if self.loan:
            self.loan.overdue()
        elif self.upload and self.upload.held:
            self.upload.read_on()
            self.read()
        elif self.state in {HEAD, BODY} and not self.errand:
            self.refuse(Refused(408, "the request did not arrive in time"))
        else:
            self.end()

    def abandon(self) -> None:
        """Give this connection up, and no other: its client has left, or a fault of ours was contained."""
        if self.state is QUEUED and self.exchange:
            self.traffic.withdraw(self.exchange)
        self.end()

    def end(self) -> None:
        """Close it so that nobody takes the beginning of an answer for all of it."""
        if self.state in ANSWERING:
            self.cut()
        else:
            self.close()

    def send_on_errand(self, disk: Disk, job: Callable[[], Any], then: Callable[[Any], None], place: str = "") -> None:
        """Have a thread do something for this connection; `then` gets its result or exception."""
        self.errand = disk.do(job, partial(self._back, then), place)

    def _back(self, then: Callable[[Any], None], outcome: Any) -> None:
        """The errand is done. We may have been closed meanwhile."""
        self.errand = None
        closed = self.state is CLOSED
        then(outcome)
        if closed:
            self._let_go()

    # Reading.

    def read(self) -> None:
        """Take what has arrived. Where the client's side is closed, read on to its end; there will be no further edge."""
        if self.upload and self.upload.held and self.upload.leaves():
            return
        if self.new and self.lendable() and self.traffic.lender.newcomers.lend(self):
            self.new = False
            return
        for _ in range(TURN):
            try:
                data = self.socket.recv(BLOCK, DONTWAIT)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            if not data:
                self.close()
                return
            self.take(data)
            if self.upload and self.upload.held:
                return
            if len(data) == BLOCK and self.upload and not self.errand:
                self.upload.draw()  # it comes fast
            if self.state not in READING or self.errand:
                self.unread = self.ended or len(data) == BLOCK
                return
            if len(data) < BLOCK and not self.ended:
                break
        else:
            self.loop.again(self)
        if self.upload:
            self.upload.relieve()

    def take(self, data: bytes) -> None:
        """Add received bytes and go on as far as they reach."""
        self.new = False
        if self.upload:
            self.upload.take(data)
        else:
            self.inbound.add(data)
        self.advance()

    def advance(self) -> None:
        """Go through what has arrived; several requests may be in it, and those that are answered here are answered in turn."""
        while self.inbound.buffer and (self.state is IDLE or self.state is HEAD):
            try:
                if not self._head():
                    return
            except Refused as refused:
                self.refuse(refused)

    def _head(self) -> bool:
        """Read one head; False when it is not complete."""
        options = self.traffic.options
        if self.state is IDLE and not self.inbound.begins():
            return False
        head = self.inbound.head(self.traffic.reader, options.max_header_size)
        if head is None:
            if self.state is IDLE:
                self.to(HEAD, time.monotonic() + options.header_timeout)
            return False
        if head.length is not None and head.length <= min(len(self.inbound.buffer), options.max_body_size, INLINE):
            self.complete(head, self.inbound.cut(head.length), head.length)
        else:
            self.to(BODY)
            self.upload = Upload(self, head)
            self.upload.begin()
        return True

    def complete(self, head: Head, body: bytes | int, length: int) -> None:
        """A whole request is here, its body as bytes or as the descriptor of a file."""
        self.submit(Exchange(self, head, self.traffic.origin(self.peer, head.headers), body, length, time.monotonic()))

    def submit(self, exchange: Exchange) -> None:
        """A request is here, or the rest of its body in the socket."""
        self.upload = None
        self.exchange = exchange
        self.traffic.submit(exchange)
        if self.ended and self.state is QUEUED:
            self.abandon()  # it would wait for an answer that nobody reads

    def streamed(self, exchange: Exchange) -> None:
        """A worker has a request, and reads the rest of its body."""
        self.exchange = exchange
        self._drop_upload()
        self.loop.watch(self, LEAVING)

    # Answering.

    def refuse(self, refused: Refused) -> None:
        """Answer a request that cannot be read, and end the connection: what follows cannot be told from it."""
        request_id = self.traffic.refused(self, refused)
        self.refused = True
        self._drop_upload()
        self.answer(refusal(refused, request_id), keep=False)

    def answer(self, *parts: bytes | Extent, keep: bool) -> None:
        """Send a whole answer of the dispatcher's own."""
        download = self.download = self.download or Download(self)
        for part in parts:
            download.outbox.add(part)
        self.answered(sum(map(len, parts)), keep=keep)

    def answered(self, size: int, *, keep: bool, broken: bool = False) -> None:
        """All `size` bytes of the answer are with the kernel or in a download: on to the next request, or to the end.

        A `broken` answer ends by a reset: where the end of the connection is the end of the body, it would look whole.
        """
        self.broken = broken
        self.tally.end(size)
        if self.state is CLOSED:
            return
        if self.exchange and self.exchange.inflow:
            self.unread = True  # whatever is behind what its worker has read
            self.loop.watch(self, WATCHED)
        self.exchange = None
        self.keep = keep
        if self.download:
            self.to(FLUSHING)
            self.download.wait()
            self.download.flush()
        else:
            self.flushed()

    def proceed(self) -> None:
        """Go on with what arrived while the last request was answered."""
        self.advance()
        self.catch_up()
        if self.traffic.answers.closing:
            self.dismiss()

    def catch_up(self) -> None:
        """Read what has arrived while nothing was read."""
        if self.unread and self.state in READING:
            self.unread = False
            self.read()

    def dismiss(self) -> None:
        """Close it unless a request has arrived: the client could not know that its last answer was the last."""
        if self.state is IDLE:
            self.read()
        if self.state is IDLE:
            self.close()

    def hand_on(self, part: bytes | Extent) -> None:
        """Take a part of an answer that its worker does not send itself."""
        self.tally.hand_on(len(part))
        if self.download:
            self.download.outbox.add(part)
            return
        self.download = Download(self)
        self.download.outbox.add(part)
        self.download.wait()
        self.download.flush()

    def take_back(self) -> None:
        """Let go of what a worker has handed on, of which the client has seen nothing: another answer takes its place."""
        self._drop_download()
        self.tally.take_back()

    def read_up(self) -> None:
        """The client has read all that waited for it."""
        self.download = None
        if self.state is FLUSHING:
            self.flushed()

    def flushed(self) -> None:
        """All of an answer is with the kernel: on to the next request, or to the end."""
        if self.broken:
            self.cut()
        elif self.keep:
            self.to(IDLE, time.monotonic() + self.traffic.options.keepalive_timeout)
            self.watch()
        elif self.refused or self.inbound.buffer or self.unread or (not self.watched and unread(self.socket)):
            self._linger()
        else:
            self.close()

    def _linger(self) -> None:
        """Wait for the client to close."""
        self.inbound.take()
        self.to(LINGERING)
        self.lingering = Lingering(self)
        self.lingering.begin()

    def lendable(self) -> bool:
        """Whether a worker may read what comes next: nothing of that has been read here.

        It may have arrived: many a client asks again before we have heard that it is answered.
        """
        return self.state is IDLE and not (self.inbound.buffer or self.ended or self.errand)

    def shut(self, how: int) -> None:
        """End the connection for all who share it: an application's own fork may hold a copy of the socket."""
        try:
            self.socket.shutdown(how)
        except OSError:
            pass

    def cut(self) -> None:
        """End the connection in the middle of an answer."""
        if self.state is not CLOSED:
            reset(self.socket)
            self.close()

    def close(self) -> None:
        """End the connection and forget everything about it. An exchange that a worker has is left to its worker."""
        if self.state is CLOSED:
            return
        if self.state in UNSERVED:
            self.traffic.abandoned()
        if self.loan:
            self.traffic.lender.drop(self.loan)
        self.to(CLOSED)
        self.shut(socket.SHUT_RDWR)
        if self.exchange:
            self.traffic.left(self.exchange)
        self.inbound.take()
        self.traffic.relieved(self)
        self.loop.forget(self)
        if not self.errand or self.errand.withdraw():
            self._let_go()

    def hand_off(self) -> None:
        """Somebody else owns it by now: forget it, without a word to the client."""
        self.to(CLOSED)
        self.inbound.take()
        self.loop.forget(self)
        self._let_go()

    def _let_go(self) -> None:
        """Close the socket and every file."""
        self.lingering = None
        self._drop_upload()
        self._drop_download()
        self.loop.dispose(self)

    def _drop_upload(self) -> None:
        if self.upload:
            self.upload.discard()
            self.upload = None

    def _drop_download(self) -> None:
        if self.download:
            self.download.outbox.clear()
            self.download = None
