"""One answer on its way to the client: framing, and who may write to the socket.

The socket is shared with the dispatcher, so it is never made non-blocking: each send says MSG_DONTWAIT. After the first one that
the socket does not take whole, this process never writes to it again; the rest goes to the dispatcher (`rest.py`), so that a slow
reader holds no worker. So does a file, as its descriptor.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from prefork.http.framing import BODILESS, LAST_CHUNK, SERVER, chunk, date, head
from prefork.messages import DONTWAIT, INLINE
from prefork.scoreboard import DONE, REQUEST, SIZE, WRITING, pack_progress

if TYPE_CHECKING:
    import socket

    from prefork.messages import Request
    from prefork.scoreboard import Slot
    from prefork.worker.rest import Rest

HOP_BY_HOP = frozenset((b"connection", b"keep-alive", b"proxy-authenticate", b"te", b"trailer", b"transfer-encoding", b"upgrade"))
NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
NAMES: dict[str, tuple[bytes, bytes]] = {}  # an application uses few, and uses them again
MOST_NAMES = 1000
MOST_QUERIES = 2**32 - 1  # that an ending has room for
VALUE = re.compile(rb"[\t -~\x80-\xff]*\Z")
STATUS = re.compile(rb"[2-9][0-9][0-9] [\t -~\x80-\xff]*\Z")  # 1xx is no answer: the client would go on waiting for one
LENGTH = re.compile(rb"[0-9]+\Z")


def known(name: str) -> tuple[bytes, bytes]:
    """A header name as bytes, and in lower case. Raises ValueError for what is none."""
    key = name.encode("latin-1")
    if not NAME.match(key):
        raise ValueError(f"{name!r} is not the name of a header")
    if len(NAMES) < MOST_NAMES:
        NAMES[name] = key, key.lower()
    return key, key.lower()


class Reply:
    """Begin it once, write any number of times, finish it.

    `begun` tells whether the head has been sent, `gone` that the client has left: further writing is pointless but harmless.
    """

    __slots__ = (
        "begun", "chunked", "client", "code", "failed", "gone", "keep", "left", "queries", "request", "rest", "sent", "slot",
        "spilled", "sql", "start", "words",
    )  # fmt: skip

    def __init__(self, request: Request, client: socket.SocketType, rest: Rest, slot: Slot) -> None:
        self.request = request
        self.client = client
        self.rest = rest
        self.slot = slot
        self.keep = request.keep
        self.begun = self.chunked = self.failed = self.gone = self.spilled = False
        self.code = 0
        self.sent = 0  # bytes, head and body
        self.left: int | None = None  # of the announced body, where a length is announced
        self.start = b""
        self.queries = self.sql = 0  # nanoseconds
        self.words = b""  # what the application says that it is about

    def begin(self, status: str, headers: list[tuple[str, str]], length: int | None = None) -> None:
        """Take status and headers; they are sent with the first part of the body. May be called again before that.

        `length` is the body's size where the caller knows it and the headers don't say. Raises ValueError for what may not be
        in a head, such as a line break.
        """
        line = status.encode("latin-1")
        if not STATUS.match(line):
            raise ValueError(f"the status must be a number from 200 to 999, a space and a phrase, not {status!r}")
        self.code = int(line[:3])
        self.keep = self.request.keep
        announced, lines = self._lines(headers)
        if self.code in BODILESS or self.request.method == "HEAD":
            self.left, self.chunked = 0, False
            # No body for HEAD says nothing about the length of the one for GET.
            if announced is None and length and self.code not in BODILESS:
                lines.append((b"Content-Length", b"%d" % length))
        elif announced is not None:
            self.left, self.chunked = announced, False
        elif length is not None:
            self.left, self.chunked = length, False
            lines.append((b"Content-Length", b"%d" % length))
        else:
            self.left, self.chunked = None, self.request.version == "1.1"
            if self.chunked:
                lines.append((b"Transfer-Encoding", b"chunked"))
            else:
                self.keep = False  # the end of the connection is the end of the body
        if not self.keep:
            lines.append((b"Connection", b"close"))
        elif self.request.version == "1.0":
            lines.append((b"Connection", b"keep-alive"))
        self.start = head(line, lines)

    def _lines(self, headers: list[tuple[str, str]]) -> tuple[int | None, list[tuple[bytes, bytes]]]:
        """The application's headers as bytes without those that are ours to set, and the length they announce."""
        announced = None
        lines = []
        seen = set()
        for name, value in headers:
            key, low = NAMES.get(name) or known(name)
            data = value.encode("latin-1")
            if not value.isprintable() and not VALUE.match(data):
                raise ValueError(f"the value of the header {name}, {value!r}, has characters that would end or forge a header")
            seen.add(low)
            if low == b"content-length":
                if not LENGTH.match(data) or announced not in {None, int(data)}:
                    raise ValueError(f"Content-Length must be one number, not {value!r}")
                again, announced = announced is not None, int(data)
                if again or self.code in BODILESS:
                    continue  # said twice, it is sent once: some clients refuse two
            if low == b"connection" and data.lower() == b"close":
                self.keep = False
            if low not in HOP_BY_HOP:
                lines.append((key, data))
        if b"date" not in seen:
            lines.append((b"Date", date()))
        if b"server" not in seen:
            lines.append((b"Server", SERVER))
        if b"x-request-id" not in seen:
            lines.append((b"X-Request-ID", self.request.request_id.encode()))
        return announced, lines

    def hint(self, links: list[bytes]) -> None:
        """Send these Link headers ahead of the answer (RFC 8297), where the client can know what that is.

        Raises ValueError for what may not be in a head.
        """
        for link in links:
            if not VALUE.match(link):
                raise ValueError(f"the link {link!r} has characters that would end or forge a header")
        if links and not self.begun and self.request.version == "1.1":
            self.slot.words[REQUEST] = pack_progress(self.request.number, WRITING)
            self._send(head(b"103 Early Hints", [(b"Link", link) for link in links]))

    def write(self, data: bytes) -> None:
        """Send a part of the body, with the head before the first one. More than was announced is cut off."""
        if self.left is not None:
            data = data[: self.left] if len(data) > self.left else data
            self.left -= len(data)
        if not self.begun:
            data = self.start + (chunk(data) if data and self.chunked else data)
            self._begun(len(data))
            self._send(data)
        elif data:
            self._send(chunk(data) if self.chunked else data)

    def write_file(self, descriptor: int, offset: int, count: int) -> None:
        """Send `count` bytes of a regular file as a part of the body whose length has been announced. The descriptor stays ours."""
        assert self.left is not None
        count = min(count, self.left)
        if count <= INLINE:
            self.write(os.pread(descriptor, count, offset))
            return
        self.left -= count
        if not self.begun:
            self._begun(len(self.start) + count)
            self.spilled = True
            self.rest.hand_on(memoryview(self.start))
            self.sent += len(self.start)
        if not self._has_left():
            self.rest.hand_on_file(descriptor, offset, count)
            self.spilled = True
            self.sent += count

    def _begun(self, size: int) -> None:
        """Say that the head and what comes with it, `size` bytes in all, are about to be sent."""
        self.begun = True  # not before: whoever gives us no bytes gets an error page
        whole = self.left == 0 and not self.chunked
        self.slot.words[SIZE] = self.sent + size
        self.slot.words[REQUEST] = pack_progress(self.request.number, WRITING, self.code, self.keep, whole)

    def finish(self) -> None:
        """The body is complete."""
        if not self.begun:
            self.write(b"")
        if self.chunked:
            self._send(LAST_CHUNK)
        if self.left and self.request.method != "HEAD":
            self.fail()  # the client waits for what was announced: only a cut connection tells it

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

    def _send(self, data: bytes) -> None:
        if self.gone or (self.spilled and self._has_left()):
            return
        taken = 0
        if not self.spilled:
            try:
                taken = self.client.send(data, DONTWAIT)
            except BlockingIOError:
                pass
            except OSError:
                self.gone = True
                return
        self.sent += len(data)
        if taken < len(data):
            self.spilled = True
            self.rest.hand_on(memoryview(data)[taken:])

    def _has_left(self) -> bool:
        """Whether the dispatcher has ended the connection. Sending nothing writes nothing, and tells."""
        try:
            self.client.send(b"", DONTWAIT)
        except BlockingIOError:
            pass
        except OSError:
            self.gone = True
        return self.gone
