"""What the dispatcher answers itself: refusals, failures, and the health of the server. No sockets here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from prefork.http.framing import answer, reason
from prefork.http.pages import page

if TYPE_CHECKING:
    from prefork.dispatcher.traffic import Traffic
    from prefork.http.head import Head, Refused

HEALTH = b"/_prefork/"


def refusal(refused: Refused) -> bytes:
    """The answer to a request that could not be read."""
    text = f"{refused.status} {reason(refused.status)}: {refused.reason}\n".encode()
    return answer(refused.status, text, b"text/plain; charset=utf-8", keep=False)


def failure(status: int, head: Head, reference: str, *, keep: bool, retry_after: int | None = None) -> bytes:
    """The answer to a request that the application did not answer."""
    kind, body = page(status, reference, head.header(b"accept") or b"")
    headers = [(b"Cache-Control", b"no-store")]
    if retry_after is not None:
        headers.append((b"Retry-After", b"%d" % retry_after))
    return whole(status, body, kind, head, keep, headers)


def health(traffic: Traffic, head: Head, *, keep: bool) -> tuple[int, bytes]:
    """Status and answer for a path below /_prefork/, asked by a trusted peer."""
    status: int
    said: dict[str, object]
    path = head.target.partition(b"?")[0]
    status, said = 404, {"status": "not found"}
    if path == b"/_prefork/live":
        status, said = 200, {"status": "live"}
    elif path == b"/_prefork/ready":
        status, said = traffic.readiness()
    elif path == b"/_prefork/saturation":
        status, said = traffic.saturation()
    return status, whole(
        status, json.dumps(said).encode() + b"\n", b"application/json", head, keep, [(b"Cache-Control", b"no-store")]
    )


def whole(status: int, body: bytes, kind: bytes, head: Head, keep: bool, headers: list[tuple[bytes, bytes]]) -> bytes:
    """An answer with its body, or without where the method wants none."""
    made = answer(status, body, kind, keep=keep, headers=headers)
    return made[: -len(body)] if head.method == "HEAD" and body else made
