"""What the dispatcher answers itself: refusals, failures, the heads of static files. No sockets here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.http.conditions import described
from prefork.http.framing import BODILESS, SERVER, answer, date, reason
from prefork.http.framing import head as framed
from prefork.http.pages import page

if TYPE_CHECKING:
    from prefork.dispatcher.static import Found
    from prefork.http.head import Head, Refused

MORE = {405: (b"Allow", b"GET, HEAD"), 503: (b"Retry-After", b"5")}  # what some answers have to say besides


def refusal(refused: Refused, request_id: str) -> bytes:
    """The answer to a request that could not be read."""
    text = f"{refused.status} {reason(refused.status)}: {refused.reason}\n".encode()
    return answer(refused.status, text, b"text/plain; charset=utf-8", keep=False, headers=[named(request_id)])


def failure(status: int, head: Head, request_id: str, incident: str, *, keep: bool) -> bytes:
    """The answer to a request that the application did not answer. `incident` is the name of one, if there was one."""
    kind, body = page(status, request_id, head.header(b"accept") or b"", incident=incident)
    headers = [(b"Cache-Control", b"no-store"), named(request_id)]
    if status in MORE:
        headers.append(MORE[status])
    return whole(status, body, kind, head, keep, headers)


def file_head(found: Found, request_id: str, more: list[tuple[bytes, bytes]], *, keep: bool) -> bytes:
    """The head of an answer whose body is a part of a static file; `more` is said besides."""
    status = found.part.status
    lines = [(b"Server", SERVER), (b"Date", date()), (b"Connection", b"keep-alive" if keep else b"close"), named(request_id)]
    lines += [*described(found.about, found.part), *more]
    if status in {200, 206}:
        lines += [(b"Content-Type", found.kind), (b"X-Content-Type-Options", b"nosniff")]
    if status not in BODILESS:
        lines.append((b"Content-Length", b"%d" % found.part.length))
    return framed(f"{status} {reason(status)}".encode(), lines)


def named(request_id: str) -> tuple[bytes, bytes]:
    """The header that tells a client what its request is called in the log."""
    return b"X-Request-ID", request_id.encode()


def whole(status: int, body: bytes, kind: bytes, head: Head, keep: bool, headers: list[tuple[bytes, bytes]]) -> bytes:
    """An answer with its body, or without where the method wants none."""
    made = answer(status, body, kind, keep=keep, headers=headers)
    return made[: -len(body)] if head.method == "HEAD" and body else made
