"""What an application of ASGI sends of an answer over HTTP, on its way to a connection that this worker owns alone.

The framing is that of every answer (`reply.py`); the connection ends with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefork.http.framing import reason
from prefork.worker.reply import Reply

if TYPE_CHECKING:
    from prefork.messages import Request
    from prefork.worker.asgi.lifespan import Message
    from prefork.worker.live.wire import Wire

EVENT_STREAM = "text/event-stream"


class Outlet:
    """Stands where a reply has its client's socket: what that does not take waits here, and not with the dispatcher."""

    __slots__ = ("wire",)

    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    def send(self, data: bytes, flags: int) -> int:  # noqa: ARG002 - a socket's
        """Take all of it."""
        self.wire.send(data)
        return len(data)


class Unseen:
    """Stands where a reply has its worker's slot: nobody follows one of thousands of answers there."""

    __slots__ = ("words",)

    def __init__(self) -> None:
        self.words: dict[int, int] = {}


class Answer:
    """`whole` when the application has sent all of it, `lasting` when it is a stream of events, which has no end of its own."""

    __slots__ = ("head", "lasting", "reply", "whole")

    def __init__(self, request: Request, wire: Wire) -> None:
        outlet: Any = Outlet(wire)
        slot: Any = Unseen()
        nothing: Any = None  # an outlet leaves no rest
        self.reply = Reply(request, outlet, nothing, slot)
        self.head: tuple[str, list[tuple[str, str]]] | None = None
        self.whole = self.lasting = False

    def start(self, event: Message) -> None:
        """Take status and headers. Raises ValueError for what may not be in a head, RuntimeError when there is one."""
        if self.head is not None:
            raise RuntimeError("the application started its answer a second time")
        status = event["status"]
        headers = [(bytes(name).decode("latin-1"), bytes(value).decode("latin-1")) for name, value in event.get("headers", ())]
        self.reply.begin(f"{status} {reason(status)}", headers)
        self.head = f"{status} {reason(status)}", headers
        self.lasting = any(name.lower() == "content-type" and value.startswith(EVENT_STREAM) for name, value in headers)
        if self.lasting:
            self.reply.write(b"")  # its first event may be far: until then the client would not know that it is heard

    def write(self, event: Message) -> None:
        """Send a part of the body. The head goes with the first one, as the specification has it. Raises RuntimeError."""
        if self.head is None or self.whole:
            raise RuntimeError(
                "the application sent a body " + ("behind the end of its answer" if self.whole else "without a head")
            )
        data, more = event.get("body", b""), event.get("more_body", False)
        if not more and not self.reply.begun:
            self.reply.begin(*self.head, len(data))
        self.reply.write(data)
        if not more:
            self.whole = True
            self.reply.finish()

    def give(self, status: int, kind: bytes, text: bytes) -> None:
        """Send an answer of our own in the place of what the application has not begun."""
        self.reply.begin(f"{status} {reason(status)}", [("Content-Type", kind.decode())], len(text))
        self.reply.write(text)
        self.reply.finish()
        self.whole = True

    @property
    def complete(self) -> bool:
        """Whether the client can take it for whole."""
        return self.whole and not self.reply.failed
