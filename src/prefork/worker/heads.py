"""The head of an answer, from what the application says of it: pure, and checked.

An application says the same again and again, so the last heads are kept: making one takes ten times as long as finding it. What
differs from answer to answer, its date and its id, is added to a kept one.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, NamedTuple

from prefork.http.framing import BODILESS, SERVER, reason

if TYPE_CHECKING:
    from typing import Any

KEPT = 256
HOP_BY_HOP = frozenset((b"connection", b"keep-alive", b"proxy-authenticate", b"te", b"trailer", b"transfer-encoding", b"upgrade"))
CLOSE = b"connection: close"
NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
VALUE = re.compile(rb"[\t -~\x80-\xff]*\Z")
STATUS = re.compile(rb"[2-9][0-9][0-9] [\t -~\x80-\xff]*\Z")  # 1xx is no answer: the client would go on waiting for one


class Head(NamedTuple):
    """`left` is the length of the body where that is announced, `keep` whether the connection may take another request.

    `start` are the lines so far. `dated` and `named`: Date and X-Request-ID are among them, because the application has said them.
    """

    code: int
    left: int | None
    chunked: bool
    keep: bool
    start: bytes
    dated: bool
    named: bool


@functools.lru_cache(KEPT)
def frame(
    status: str | int, headers: tuple[tuple[Any, Any], ...], length: int | None, method: str, version: str, keep: bool
) -> Head:
    """The head of an answer. `headers` are all text or all bytes; `length` is the body's size where they may not say it.

    Raises ValueError for what may not be in a head, such as a line break.
    """
    line = status_line(status)
    code = int(line[:3])
    announced, lines, seen = read(headers, code)
    keep = keep and CLOSE not in seen
    left, chunked = (length if announced is None else announced), False
    if code in BODILESS or method == "HEAD":
        # No body for HEAD says nothing about the length of the one for GET.
        if announced is None and length and code not in BODILESS:
            lines.append(b"Content-Length: %d" % length)
        left = 0
    elif left is None:
        chunked = version == "1.1"
        if chunked:
            lines.append(b"Transfer-Encoding: chunked")
        else:
            keep = False  # the end of the connection is the end of the body
    elif announced is None:
        lines.append(b"Content-Length: %d" % left)
    if not keep:
        lines.append(b"Connection: close")
    elif version == "1.0":
        lines.append(b"Connection: keep-alive")
    if b"server" not in seen:
        lines.append(b"Server: " + SERVER)
    start = b"".join(each + b"\r\n" for each in (b"HTTP/1.1 " + line, *lines))
    return Head(code, left, chunked, keep, start, b"date" in seen, b"x-request-id" in seen)


def status_line(status: str | int) -> bytes:
    """Code and phrase; the standard one where it is not said. Raises ValueError for what is no answer."""
    line = (f"{status} {reason(status)}" if isinstance(status, int) else status).encode("latin-1")
    if not STATUS.match(line):
        raise ValueError(f"the status must be a number from 200 to 999, a space and a phrase, not {status!r}")
    return line


def read(headers: tuple[tuple[Any, Any], ...], code: int) -> tuple[int | None, list[bytes], set[bytes]]:
    """The length that headers announce, those that are not ours to set as lines, and all their names.

    CLOSE is among these where the connection is not to be kept. Raises ValueError.
    """
    announced, lines, seen = None, [], set()
    for name, value in headers:
        key, data = checked(name, value)
        low = key.lower()
        seen.add(low)
        if low == b"content-length":
            if not data.isdigit() or announced not in {None, int(data)}:
                raise ValueError(f"Content-Length must be one number, not {value!r}")
            again, announced = announced is not None, int(data)
            if again or code in BODILESS:
                continue  # said twice, it is sent once: some clients refuse two
        if low == b"connection" and data.lower() == b"close":
            seen.add(CLOSE)
        if low not in HOP_BY_HOP:
            lines.append(key + b": " + data)
    return announced, lines, seen


def checked(name: str | bytes, value: str | bytes) -> tuple[bytes, bytes]:
    """A header's name and value in bytes. Raises ValueError for a name that is none, and a value that would end the header."""
    key, data = (text.encode("latin-1") if isinstance(text, str) else text for text in (name, value))
    if not NAME.match(key):
        raise ValueError(f"{name!r} is not the name of a header")
    if not VALUE.match(data):
        raise ValueError(f"the value of the header {key.decode()}, {value!r}, has characters that would end or forge a header")
    return key, data
