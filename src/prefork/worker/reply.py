"""One answer on its way to the client: framing, and who may write to the socket.

The socket is shared with the dispatcher, so it is never made non-blocking: each send says MSG_DONTWAIT. After the first one that
the socket does not take whole, this process never writes to it again; the rest goes to the dispatcher (`rest.py`), so that a slow
reader holds no worker. So does a file, as its descriptor.
"""

from __future__ import annotations

import contextlib
import os
import time
from select import POLLOUT, poll  # now: what an application puts in their place later is not meant for us
from socket import SHUT_WR
from typing import TYPE_CHECKING, Any

from prefork.http.framing import BODILESS, LAST_CHUNK, chunk, date_line, head
from prefork.kernel import keep_close, let_ahead
from prefork.messages import DONTWAIT, DONTWAIT_MORE, INLINE
from prefork.scoreboard import DONE, REQUEST, SIZE, WRITING, pack_progress
from prefork.worker.heads import VALUE, frame
from prefork.worker.output import complain

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable

    from prefork.messages import Request
    from prefork.scoreboard import Slot
    from prefork.worker.rest import Rest

JOINED = 1 << 14  # bytes of a part up to which it takes less to join it to what frames it than to send both as they are
GATHERED = 1 << 18  # bytes that are sent at once, where so many come in the same moment
MOST_QUERIES = 2**32 - 1  # that an ending has room for


class Reply:
    """Begin it once, write any number of times, finish it.

    `begun` tells whether the head has been sent, `gone` that nothing may follow what has been sent: the client has left, or nobody
    knows how much of it is out. Further writing is pointless but harmless. Where it `gathers`, large parts behind the first one are
    `held` back for more of them, or until `push`. `unread`: the client's socket may still have some of the request's body, and
    nobody could read the next request behind that.
    """

    __slots__ = (
        "begun", "chunked", "client", "code", "exceeded", "failed", "gathers", "gone", "held", "keep", "left", "queries", "request",
        "rest", "sent", "slot", "spilled", "sql", "start", "unread", "words",
    )  # fmt: skip

    def __init__(self, request: Request, client: socket.SocketType, rest: Rest, slot: Slot) -> None:
        self.request = request
        self.client = client
        self.rest = rest
        self.slot = slot
        self.keep = request.keep
        self.begun = self.chunked = self.exceeded = self.failed = self.gathers = self.gone = self.spilled = self.unread = False
        self.held: list[bytes] = []
        self.code = 0
        self.sent = 0  # bytes, head and body
        self.left: int | None = None  # of the announced body, where a length is announced
        self.start = b""
        self.queries = self.sql = 0  # nanoseconds
        self.words = b""  # what the application says that it is about

    def begin(self, status: str | int, headers: Iterable[tuple[Any, Any]], length: int | None = None) -> None:
        """Take status and headers; they are sent with the first part of the body. May be called again before that.

        Headers are text with a status of code and phrase, or bytes with a code. `length` is the body's size where the caller
        knows it and the headers don't say. Raises ValueError for what may not be in a head, such as a line break.
        """
        asked = self.request
        said = tuple(headers)
        try:
            head = frame(status, said, length, asked.method, asked.version, asked.keep)
        except TypeError:  # a list where PEP 3333 wants a tuple has no hash
            head = frame(status, tuple(map(tuple, said)), length, asked.method, asked.version, asked.keep)
        self.code, self.left, self.chunked, self.keep, start, dated, named = head
        date = b"" if dated else date_line()
        end = b"\r\n" if named else b"X-Request-ID: %b\r\n\r\n" % asked.request_id.encode()
        self.start = start + date + end

    def hint(self, links: list[bytes]) -> None:
        """Send these Link headers ahead of the answer (RFC 8297), where the client can know what that is.

        Raises ValueError for what may not be in a head.
        """
        for link in links:
            if not VALUE.match(link):
                raise ValueError(f"the link {link!r} has characters that would end or forge a header")
        if links and not self.begun and self.request.version == "1.1":
            hints = head(b"103 Early Hints", [(b"Link", link) for link in links])
            self._note(len(hints), whole=False)
            self._send(hints)

    def invite(self) -> None:
        """Ask for the body, of a client that waits for that before it sends any."""
        if not self.begun:
            self._send(head(b"100 Continue", []))

    def end_connection(self) -> None:
        """Take no further request from this connection, and say so where the answer has not begun."""
        self.keep = False
        self.request = self.request._replace(keep=False)

    def write(self, data: bytes) -> None:
        """Send a part of the body, with the head before the first one. More than was announced is cut off."""
        if self.left is not None:
            if len(data) > self.left:
                self._exceed()
                data = data[: self.left]
            self.left -= len(data)
        pieces = self._pieces(data)
        if not self.begun:
            self._begun(sum(map(len, pieces)))
        elif self.gathers and len(data) > JOINED and self.left != 0 and not self.spilled:
            self.held += pieces
            if sum(map(len, self.held)) < GATHERED:
                return
            pieces = ()
        elif self.left == 0 and pieces:
            self._note(sum(map(len, (*self.held, *pieces))), whole=True)
        if pieces or self.held:
            self._send(*pieces)

    def push(self) -> None:
        """Send what is held back, if anything is."""
        if self.held:
            with contextlib.suppress(OSError):  # the dispatcher has gone: its end of the pair will say so
                self._send()

    def write_file(self, descriptor: int, offset: int, count: int) -> None:
        """Send `count` bytes of a regular file as a part of the body whose length has been announced. The descriptor stays ours."""
        assert self.left is not None
        count = min(count, self.left)
        if count <= INLINE:
            self.write(os.pread(descriptor, count, offset))
            return
        self.left -= count
        if self.held:
            self._send()
        if not self.begun:
            self._begun(len(self.start) + count)
            self.spilled = True
            self._hand_on(memoryview(self.start))
            self.sent += len(self.start)
        elif self.left == 0:
            self._note(count, whole=True)
        if not self._has_left():
            try:
                self.rest.hand_on_file(descriptor, offset, count)
            except BaseException:
                self._lose()
                raise
            self.spilled = True
            self.sent += count

    def _pieces(self, data: bytes) -> tuple[bytes, ...]:
        """What is sent of a part of the body."""
        start = b"" if self.begun else self.start
        if len(data) <= JOINED or self.spilled:
            whole = start + (chunk(data) if data and self.chunked else data)
            return (whole,) if whole else ()
        if self.chunked:
            return start + b"%x\r\n" % len(data), data, b"\r\n"
        return (start, data) if start else (data,)

    def _begun(self, size: int) -> None:
        """Say that the head and what comes with it, `size` bytes in all, are about to be sent."""
        self.begun = True  # not before: whoever gives us no bytes gets an error page
        self._note(size, self.left == 0)

    def _note(self, size: int, whole: bool) -> None:
        """Say in the slot that so many bytes are about to be sent, and whether the answer is `whole` with them: then nothing has
        happened to its client where this process ends behind them, whatever the application still does.
        """
        words, keep = self.slot.words, self.keep and not self.unread
        words[SIZE] = self.sent + size
        words[REQUEST] = pack_progress(self.request.number, WRITING, self.code, keep, whole)

    def finish(self) -> None:
        """The body is complete."""
        if not self.begun:
            self.write(b"")
        if self.chunked:
            self._note(sum(map(len, self.held)) + len(LAST_CHUNK), whole=True)
            self._send(LAST_CHUNK)
        elif self.held:
            self._send()
        if self.left and self.request.method != "HEAD":
            if not self.gone:
                self._complain(f"the answer has {self.left} bytes less than the application has announced")
            self.fail()  # the client waits for what was announced: only a cut connection tells it
        self.left, self.chunked = 0, False  # an application that goes on writing would write into the next answer

    def _exceed(self) -> None:
        """The application has more than it has announced. Its client has an answer that is whole by all that it can know, and a
        connection that is in step; so only the log can tell, once. Of a body that is never sent nothing is announced.
        """
        if self.exceeded or self.request.method == "HEAD" or self.code in BODILESS:
            return
        self.exceeded = True
        self._complain("the answer has more bytes than the application has announced; those are dropped")

    def _complain(self, what: str) -> None:
        """Say what is cut, and why: the access log does not tell."""
        asked = self.request
        target = ascii(asked.target.decode("latin-1"))[1:-1]
        complain(f"prefork: {asked.method} {target} ({asked.request_id}) is cut in worker {os.getpid()}: {what}\n")

    def fail(self) -> None:
        """Give the answer up in its middle: the connection is cut, so that the client does not take it for whole.

        One that is whole stays so: its client would lose it by the reset.
        """
        if self.left != 0 or self.chunked:
            self.failed = True
            self.keep = False

    def tag(self, text: str) -> None:
        """Say what this request is about, for whoever finds this worker dead."""
        self.words = self.slot.set_tag(self.request.number, text)

    def asked(self, queries: int, seconds: float) -> None:
        """Note how many queries a database was asked for it, and how long they took."""
        self.queries, self.sql = min(queries, MOST_QUERIES), int(seconds * 1e9)

    def close(self) -> None:
        """Mark the request as done, for whoever finds this worker dead. To be called before its ending is sent."""
        self.keep = self.keep and not self.gone
        self.slot.words[REQUEST] = pack_progress(self.request.number, DONE, self.code, self.keep)

    def _send(self, *parts: bytes) -> None:
        if self.held:
            parts, self.held = (*self.held, *parts), []
        if self.gone or (self.spilled and self._has_left()):
            return
        taken, size = 0, sum(map(len, parts))
        self.gone = True  # until it is known how much is out: an application's signal may raise something out of each call
        if not self.spilled:
            try:
                taken = self._push(parts, size)
            except BlockingIOError:
                pass
            except OSError:
                return
        self._pushed(parts, taken, size)
        self.gone = False

    def take_up(self, status: str, headers: Iterable[tuple[str, str]], length: int) -> None:
        """An answer has begun of which all is or was to be sent at once. Nothing may follow it unless it goes on."""
        self.begin(status, headers, length)
        self.begun, self.left, self.gone = True, 0, True

    def go_on(self, parts: tuple[bytes, ...], taken: int) -> None:
        """Of these parts, which are all of an answer that was taken up, so many bytes are sent: send the others."""
        size = sum(map(len, parts))
        try:
            if patience := self.rest.patience(size - taken):
                taken = self._push_on(parts, taken, size, DONTWAIT, patience)
        except OSError:
            return
        self._pushed(parts, taken, size)
        self.gone = False

    def _pushed(self, parts: tuple[bytes, ...], taken: int, size: int) -> None:
        """The socket has taken so much of these parts, which have `size` bytes; the rest is the dispatcher's."""
        self.sent += size
        if taken < size:
            self.spilled = True
            left = behind(parts, taken)
            if len(parts) > 2:  # chunks, with what frames them
                left = [memoryview(b"".join(left))]
            for part in left:
                self._hand_on(part)

    def _hand_on(self, part: memoryview) -> None:
        """Give the dispatcher what the socket did not take."""
        try:
            self.rest.hand_on(part)
        except BaseException:
            self._lose()
            raise

    def _lose(self) -> None:
        """A part of the answer does not get out: nothing may follow it, and nobody take the rest for whole."""
        self.gone = self.failed = True
        self.keep = False

    def _push(self, parts: tuple[bytes, ...], size: int) -> int:
        """Send what the socket takes, and behind the last byte of a connection its end, in the same segment."""
        last = self.begun and self.left == 0 and not (self.keep or self.chunked)
        flags = DONTWAIT_MORE if last else DONTWAIT
        taken = self.client.send(parts[0], flags) if len(parts) == 1 else self.client.sendmsg(parts, (), flags)
        if taken < size and (patience := self.rest.patience(size - taken)):
            taken = self._push_on(parts, taken, size, flags, patience)
        if last and taken == size:
            with contextlib.suppress(OSError):  # a client that has all of it may be gone
                self.client.shutdown(SHUT_WR)
        return taken

    def _push_on(self, parts: tuple[bytes, ...], taken: int, size: int, flags: int, patience: float) -> int:
        """Go on as long as the client reads, for so many seconds at the most; returns how many bytes are taken by then."""
        keep_close(self.client)
        until = time.monotonic() + patience
        room = poll()
        room.register(self.client, POLLOUT)
        while taken < size and (left := until - time.monotonic()) > 0 and room.poll(left * 1000):
            try:
                taken += self.client.sendmsg(behind(parts, taken), (), flags)
            except BlockingIOError:
                break
        if taken < size:
            let_ahead(self.client)
        return taken

    def _has_left(self) -> bool:
        """Whether the dispatcher has ended the connection. Sending nothing writes nothing, and tells."""
        try:
            self.client.send(b"", DONTWAIT)
        except BlockingIOError:
            pass
        except OSError:
            self.gone = True
        return self.gone


def behind(parts: tuple[bytes, ...], taken: int) -> list[memoryview]:
    """What is left of parts when so many bytes are taken."""
    left = []
    for part in parts:
        if taken < len(part):
            left.append(memoryview(part)[taken:])
        taken = max(0, taken - len(part))
    return left
