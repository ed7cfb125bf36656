"""One long poll: a request that is answered when there is something to hear, or when it has waited long enough."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from prefork.http.framing import answer
from prefork.store.connection import Unavailable
from prefork.worker.live import speech
from prefork.worker.live.authority import Denied
from prefork.worker.live.wire import Wire

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from prefork.messages import Request
    from prefork.worker.live.hub import Message
    from prefork.worker.live.keeper import Keeper
    from prefork.worker.live.speech import Wish

LONGEST = 50.0  # seconds: less than proxies wait
READ_WITHIN = 5.0  # seconds that a client has to read its answer
JSON = b"application/json"
AGAIN = ((b"Retry-After", b"5"),)


class Poll:
    """`number` is what the dispatcher calls the request. `asked` while the application is to say what the client may hear,
    `dismissed` when the worker leaves.
    """

    __slots__ = (
        "answered",
        "asked",
        "client",
        "closing_at",
        "dismissed",
        "handover",
        "keeper",
        "number",
        "position",
        "timer",
        "wire",
    )

    def __init__(self, keeper: Keeper, descriptor: int, request: Request, handover: bytes) -> None:
        self.keeper = keeper
        self.handover = handover
        self.number = request.number
        self.client = (request.client[0], request.request_id)
        self.position = 0
        self.answered = self.asked = self.dismissed = False
        self.closing_at = float("inf")
        self.timer: asyncio.TimerHandle | None = None
        self.wire = Wire(keeper.loop, descriptor, keeper.guarded(self, self.receive))

    def begin(self, request: Request) -> None:
        """Look at what the client wishes, and ask the application whether it may."""
        self.wire.listen()
        if request.method != "POST":
            self.give(405, speech.said(error="a long poll is a POST with a JSON body"), ((b"Allow", b"POST"),))
            return
        try:
            wish = speech.read(request.body or b"", "channels")
        except speech.Nonsense as error:
            self.give(400, speech.said(error=str(error)))
            return
        if self.keeper.off:
            self.give(503, speech.said(error=self.keeper.off))
        else:
            self.asked = True
            future = self.keeper.authority.ask(self.handover, wish.channels)
            future.add_done_callback(self.keeper.guarded(self, partial(self.judged, wish)))

    def judged(self, wish: Wish, future: asyncio.Future[frozenset[str]]) -> None:
        """The application has said what the client may hear."""
        self.asked = False
        if self.answered:
            return
        try:
            self.position = self.keeper.hub.attach(self, future.result(), wish.last)
        except Denied as error:
            self.give(403, speech.said(error=str(error)))
        except Unavailable as error:
            self.give(503, speech.said(error=str(error)), AGAIN)
        else:
            self.timer = self.keeper.loop.call_later(0.0 if self.dismissed else LONGEST, self.deliver, ())

    def receive(self, data: bytes) -> None:
        """The client has left, or sends what nobody reads."""
        if not data:
            self.cut()

    def deliver(self, messages: Sequence[Message]) -> None:
        """Answer with what there is, if anything; of much with the beginning, for the next poll goes on from there."""
        first = next(speech.portions(messages))
        self.give(200, speech.polled(first, first[-1][0] if first else self.position))

    def look(self) -> None:
        """It ends by itself soon enough."""

    def dismiss(self) -> None:
        """The worker leaves: the client asks again, and another one answers. It has to know from where on."""
        self.dismissed = True
        if not self.asked:
            self.deliver(())
        else:
            self.keeper.loop.call_later(self.keeper.patience, self.keeper.guarded(self, Poll.give_up), self)

    def give_up(self) -> None:
        """The application has had its time."""
        self.give(503, speech.said(error="the worker leaves, and nobody has said in time whether this is allowed"), AGAIN)

    def give(self, status: int, body: bytes, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        """Answer, once, and end the connection: the next poll is parsed by the dispatcher, as any request."""
        if self.answered:
            return
        named = ((b"X-Request-ID", self.client[1].encode()), (b"Cache-Control", b"no-store"))
        text = answer(status, body + b"\n", JSON, keep=False, headers=(*headers, *named))
        self.wire.send(text)
        self.wire.end()
        self.finish(status, len(text))

    def finish(self, status: int, sent: int) -> None:
        """It is answered: nothing more is heard here."""
        self.answered = True
        self.closing_at = self.keeper.loop.time() + READ_WITHIN
        self.keeper.leaving[self] = None
        self.keeper.hub.detach(self)
        if self.timer:
            self.timer.cancel()
        self.keeper.ended(self.number, status, sent)

    def cut(self) -> None:
        """Close it now."""
        if not self.answered:
            self.finish(0, 0)
        self.wire.close()
        self.keeper.forget(self)
