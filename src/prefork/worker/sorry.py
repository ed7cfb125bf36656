"""The server's own page in place of an answer that the application has not given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.http.framing import reason
from prefork.http.pages import page

if TYPE_CHECKING:
    from prefork.worker.reply import Reply


def give_up(reply: Reply, status: int) -> None:
    """Answer with a page, or where the answer has begun, have its client see that it is not whole."""
    if reply.begun:
        reply.fail()
        return
    accept = next((value for name, value in reply.request.headers if name == b"accept"), b"")
    kind, text = page(status, reply.request.request_id, accept)
    reply.begin(f"{status} {reason(status)}", [("Content-Type", kind.decode())], len(text))
    reply.write(text)
    reply.finish()
