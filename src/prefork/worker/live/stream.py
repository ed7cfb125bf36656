"""One lasting request of an application of ASGI, such as a stream of events: answered for as long as both sides wish."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from prefork.http.pages import page
from prefork.messages import INLINE
from prefork.worker.asgi.scope import http
from prefork.worker.live.answer import Answer
from prefork.worker.live.hosted import Gone
from prefork.worker.live.wire import Wire

if TYPE_CHECKING:
    from prefork.messages import Request
    from prefork.worker.asgi.lifespan import Message
    from prefork.worker.live.keeper import Keeper

READ_WITHIN = 30.0  # seconds that a client has to read the end of its answer
END_WITHIN = 5.0  # seconds that the application has to end it when the worker leaves


class Stream:
    """`body` is the descriptor of a large body, which `finished` closes."""

    __slots__ = ("answer", "body", "client", "closing_at", "gone", "keeper", "offset", "request", "wire")

    def __init__(self, keeper: Keeper, descriptor: int, request: Request, body: int | None) -> None:
        self.keeper = keeper
        self.request = request
        self.client = (request.client[0], request.request_id)
        self.body = body
        self.offset = 0
        self.gone = keeper.loop.create_future()  # the client, as far as the application is concerned
        self.closing_at = float("inf")
        self.wire = Wire(keeper.loop, descriptor, keeper.guarded(self, self.receive))
        self.answer = Answer(request, self.wire)

    def begin(self) -> None:
        """Have the application answer."""
        self.wire.listen()
        hosted = self.keeper.hosted
        assert hosted
        hosted.serve(self, http(self.request, hosted.state), self.keeper.guarded(self, self.finished))

    # The application.

    async def next_event(self) -> Message:
        """A part of the body, and behind its end that the client has gone."""
        if self.offset <= self.request.length:
            return self._part()
        await asyncio.wait((self.gone,))  # several may wait: none of them may cancel it
        return {"type": "http.disconnect"}

    def _part(self) -> Message:
        data = self.request.body or b"" if self.body is None else os.pread(self.body, INLINE, self.offset)
        self.offset += len(data)
        more = self.offset < self.request.length and bool(data)
        if not more:
            self.offset = self.request.length + 1  # said to the end
        return {"type": "http.request", "body": data, "more_body": more}

    async def obey(self, event: Message) -> None:
        """Send the head, or a part of the body. Raises Gone, RuntimeError, ValueError."""
        if self.gone.done() and not self.answer.whole:
            raise Gone("the client has left")
        if event["type"] == "http.response.start":
            self.answer.start(event)
        elif event["type"] == "http.response.body":
            self.answer.write(event)
            await self.wire.taken(self.keeper.terms.send_queue)
            if self.answer.whole:
                self.end()
        else:
            raise RuntimeError(f"the application sent {event['type']}, which is no part of an answer here")

    def finished(self, failed: bool) -> None:
        """The application has returned, or has failed."""
        if self.body is not None:
            os.close(self.body)
            self.body = None
        if self.gone.done():
            if not self.answer.whole:
                self.cut()
        elif self.answer.reply.begun:
            self.cut()  # it has not sent all: the client must not take it for whole
        else:
            if not failed:
                self.keeper.complain_of(*self.client, 500, "the application returned without an answer")
            accept = next((value for name, value in self.request.headers if name == b"accept"), b"")
            self.answer.give(500, *page(500, self.request.request_id, accept))
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
        if not self.gone.done():
            self.closing(END_WITHIN)
            if self.answer.lasting:
                self.gone.set_result(None)

    def end(self) -> None:
        """The answer is whole, or cannot become so."""
        if not self.gone.done():
            self.gone.set_result(None)
            self.keeper.ended(self.request.number, self.answer.reply.code, self.answer.reply.sent)
        if not self.answer.complete:
            self.cut()
            return
        self.wire.end()
        self.closing(READ_WITHIN)

    def closing(self, within: float) -> None:
        """It is cut in so many seconds, whatever the client and the application do."""
        self.closing_at = self.keeper.loop.time() + within
        self.keeper.leaving[self] = None

    def cut(self) -> None:
        """Close it now."""
        if not self.gone.done():
            self.gone.set_result(None)
            self.keeper.ended(self.request.number, self.answer.reply.code, self.answer.reply.sent)
        self.wire.close()
        self.keeper.forget(self)
