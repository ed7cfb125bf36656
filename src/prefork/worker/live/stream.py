"""One lasting request of an application of ASGI, such as a stream of events: answered for as long as both sides wish."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.worker.asgi.scope import http_scope
from prefork.worker.live import direct
from prefork.worker.live.wire import Wire
from prefork.worker.sorry import give_up

if TYPE_CHECKING:
    from prefork.messages import Request
    from prefork.worker.asgi.lifespan import Message
    from prefork.worker.live.keeper import Keeper

EVENT_STREAM = b"text/event-stream"
READ_WITHIN = 30.0  # seconds that a client has to read the end of its answer
END_WITHIN = 5.0  # seconds that the application has to end it when the worker leaves


class Stream:
    """`body` is the descriptor of a large body, -1 for none; `told` when the dispatcher has heard that it is answered."""

    __slots__ = ("call", "client", "closing_at", "keeper", "lasting", "request", "told", "wire")

    def __init__(self, keeper: Keeper, descriptor: int, request: Request, body: int) -> None:
        self.keeper = keeper
        self.request = request
        self.client = (request.client[0], request.request_id)
        self.closing_at = float("inf")
        self.lasting = False  # it is a stream of events, which has no end of its own
        self.told = False
        self.wire = Wire(keeper.loop, descriptor, keeper.guarded(self, self.receive))
        self.call = direct.call(request, body, self.wire, keeper.terms.send_queue, self.end)

    @property
    def ending(self) -> bool:
        """Whether it is about to end."""
        return self.wire.closed or self.closing_at != float("inf")

    def begin(self) -> None:
        """Have the application answer."""
        self.wire.listen()
        hosted = self.keeper.hosted
        assert hosted
        scope = http_scope(self.request, hosted.state, self.call.reply.tag)
        # Up to 2.3 frameworks watch for the client to leave; later only `send` tells them, and a stream may have nothing to say.
        scope["asgi"]["spec_version"] = "2.3"
        scope["extensions"] = {}
        hosted.serve(self, scope, self.keeper.guarded(self, self.finished))

    # The application.

    async def next_event(self) -> Message:
        """A part of the body, and behind its end that the client has gone."""
        return await self.call.receive()

    async def obey(self, event: Message) -> None:
        """Send the head, or a part of the body. Raises what `Call.send` does."""
        await self.call.send(event)
        if event["type"] == "http.response.start":
            self.lasting = any(
                name.lower() == b"content-type" and value.startswith(EVENT_STREAM) for name, value in event.get("headers", ())
            )
            if self.lasting:
                # Its first event may be far, and until then the client would not know that it is heard.
                await self.call.send({"type": "http.response.body", "body": b"", "more_body": True})

    def finished(self, failed: bool) -> None:
        """The application has returned, or has failed."""
        complete = self.call.complete
        self.call.close()
        if complete:
            return
        if self.call.left or self.wire.closed:
            self.cut()
            return
        if not failed and not self.call.reply.begun:
            self.keeper.complain_of(*self.client, 500, "the application returned without an answer")
        give_up(self.call.reply, 500)
        self.end()

    # The client.

    def receive(self, data: bytes) -> None:
        """The client has left, or sends what nobody reads."""
        if not data:
            self.cut()

    def look(self) -> None:
        """It lasts as long as it lasts."""

    def dismiss(self) -> None:
        """The worker leaves: a stream of events ends now, its client comes back to another one. What has an end may reach it."""
        self.closing(END_WITHIN)
        if self.lasting:
            self.call.leave()

    def end(self) -> None:
        """The answer is whole, or will never be."""
        self.tell()
        if self.call.reply.failed:
            self.cut()
        else:
            self.wire.end()
            self.closing(READ_WITHIN)

    def tell(self) -> None:
        """Tell the dispatcher, once, what is to be said of it in the access log."""
        if not self.told:
            self.told = True
            self.keeper.ended(self.request.number, self.call.reply.code, self.call.reply.sent)

    def closing(self, within: float) -> None:
        """It is cut in so many seconds, whatever the client and the application do."""
        if not self.wire.closed:
            self.closing_at = self.keeper.loop.time() + within
            self.keeper.leaving[self] = None

    def cut(self) -> None:
        """Close it now. Whoever takes the end of the connection for that of the answer is to see where it is not."""
        self.tell()
        self.call.leave()
        if self.request.version == "1.0" and not self._may_end():
            self.wire.reset()
        self.wire.close()
        self.keeper.forget(self)

    def _may_end(self) -> bool:
        """Whether the client has all of the answer, or no reason to expect that."""
        reply = self.call.reply
        return self.lasting or (reply.left == 0 and not (reply.failed or self.wire.waiting))
