"""An application's answer over HTTP to a connection that this worker owns alone: what a reply, or a call of ASGI, needs around it.

Framing is that of every answer (`reply.py`), the events are those of every call (`asgi/call.py`). What the client does not take
waits here, up to a bound, and not with the dispatcher; the connection ends with the answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefork.worker.asgi.call import Call
from prefork.worker.reply import Reply

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Callable

    from prefork.messages import Request
    from prefork.worker.live.wire import Wire


class Outlet:
    """Stands where a reply has its client's socket."""

    __slots__ = ("wire",)

    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    def send(self, data: bytes, flags: int) -> int:  # noqa: ARG002 - a socket's
        """Take all of it. Raises BrokenPipeError when the connection is closed."""
        if self.wire.closed:
            raise BrokenPipeError
        self.wire.send(data)
        return len(data)

    def sendmsg(self, parts: Iterable[bytes], ancillary: object, flags: int) -> int:  # noqa: ARG002 - a socket's
        """The same of several."""
        return self.send(b"".join(parts), flags)

    def shutdown(self, how: int) -> None:
        """Nothing yet: the wire is closed when it has been sent all."""


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
    outlet: Any = Outlet(wire)
    slot: Any = Unseen()
    unread: Any = Unread(wire, most)
    return Reply(request, outlet, unread, slot)


def call(request: Request, file: int, wire: Wire, most: int, answered: Callable[[], None]) -> Call:
    """A call whose answer goes that way; the rest is as in `Call`."""
    made = reply(request, wire, most)
    unread: Any = made.rest
    return Call(request, file, made, unread, answered)
