"""An application's answer over HTTP to a connection that this worker owns alone: what a reply, or a call of ASGI, needs around it.

Framing is that of every answer (`reply.py`), the events are those of every call (`asgi/call.py`). What the client does not take
waits here, up to a bound, and not with the dispatcher; the connection ends with the answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefork.worker.asgi.call import Call
from prefork.worker.reply import Reply

if TYPE_CHECKING:
    from typing import Callable

    from prefork.messages import Request
    from prefork.worker.live.wire import Wire


class Direct(Reply):
    """A reply whose bytes go to the wire, which takes all of them."""

    __slots__ = ("wire",)

    def __init__(self, request: Request, wire: Wire, rest: Any, slot: Any) -> None:
        super().__init__(request, wire.socket, rest, slot)
        self.wire = wire

    def _send(self, *parts: bytes) -> None:
        if self.wire.closed:
            self.gone = True
            return
        data = b"".join(parts)
        self.wire.send(data)
        self.sent += len(data)


class DirectCall(Call):
    """A call without a dispatcher behind it that would send files: its scope does not offer that."""

    __slots__ = ()

    async def _write_file(self, path: str) -> None:  # noqa: ARG002 - as any call
        raise RuntimeError("the application sent http.response.pathsend, which the extensions of this scope do not offer")


class Unread:
    """Stands where a call has what is on its way through the dispatcher: the application waits while there is more than `most`."""

    __slots__ = ("most", "whole", "wire")

    def __init__(self, wire: Wire, most: int) -> None:
        self.wire = wire
        self.most = most
        self.whole = False

    @property
    def unsaid(self) -> bool:
        """Whether there is more than that."""
        return len(self.wire.waiting) > self.most

    async def drained(self) -> None:
        """Wait until there is no more than that, or the connection is closed."""
        await self.wire.taken(self.most)


class Unseen:
    """Stands where a reply has its worker's slot: nobody follows one of thousands of answers there."""

    __slots__ = ("words",)

    def __init__(self) -> None:
        self.words: dict[int, int] = {}

    def set_tag(self, number: int, text: str) -> bytes:  # noqa: ARG002 - a slot's
        """What the application says that it is about, for the access log only."""
        return text.encode()


def reply(request: Request, wire: Wire, most: int) -> Reply:
    """A reply that goes to the wire, of which the client may leave `most` bytes unread."""
    return Direct(request, wire, Unread(wire, most), Unseen())


def call(request: Request, file: int, wire: Wire, most: int, answered: Callable[[], None]) -> DirectCall:
    """A call whose answer goes that way; the rest is as in `Call`."""
    made = reply(request, wire, most)
    unread: Any = made.rest
    return DirectCall(request, file, made, unread, answered)
