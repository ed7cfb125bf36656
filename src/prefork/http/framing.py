"""The bytes of an answer: status line, headers, chunks. Used by the dispatcher's own answers and by the workers.

Runs inside the application's interpreter: standard library only, Python 3.9+.
"""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SERVER = b"Prefork"
REASONS = {status.value: status.phrase for status in HTTPStatus}  # as in http.client, which brings TLS and e-mail with it
BODILESS = frozenset((204, 304))  # RFC 9110: never a body, whatever the headers say

_date = (0, b"", b"")


def date() -> bytes:
    """The current time as a Date header's value (RFC 9110, 5.6.7), made once a second."""
    return _dated()[1]


def date_line() -> bytes:
    """The same as a header's line, with its end."""
    return _dated()[2]


def _dated() -> tuple[int, bytes, bytes]:
    global _date
    now = int(time.time())
    if _date[0] != now:
        text = date_of(now)
        _date = (now, text, b"Date: " + text + b"\r\n")
    return _date


def date_of(moment: int) -> bytes:
    """Seconds since 1970 as a header's value, of the same form."""
    days, months = "Mon Tue Wed Thu Fri Sat Sun".split(), "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
    t = time.gmtime(moment)
    return time.strftime(f"{days[t.tm_wday]}, %d {months[t.tm_mon - 1]} %Y %H:%M:%S GMT", t).encode()


def reason(status: int) -> str:
    """The standard phrase of a status, such as `Not Found`."""
    return REASONS.get(status, "Unknown")


def head(status: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Status line and headers of an answer, through the empty line. `status` is code and phrase."""
    lines = [b"HTTP/1.1 " + status]
    lines += [name + b": " + value for name, value in headers]
    lines.append(b"\r\n")
    return b"\r\n".join(lines)


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked answer; `data` must not be empty, which would end it."""
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"


def answer(status: int, body: bytes, kind: bytes, *, keep: bool, headers: Iterable[tuple[bytes, bytes]] = ()) -> bytes:
    """A whole answer with a body of content type `kind`."""
    lines = [
        (b"Server", SERVER),
        (b"Date", date()),
        (b"Content-Type", kind),
        (b"Content-Length", b"%d" % len(body)),
        (b"Connection", b"keep-alive" if keep else b"close"),
        *headers,
    ]
    return head(f"{status} {reason(status)}".encode(), lines) + body
