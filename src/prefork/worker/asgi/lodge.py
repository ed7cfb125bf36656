"""WebSockets of an application of ASGI in its HTTP worker, where there are no websocket workers: it shares memory with requests.

A handshake comes as a request, to one of the worker's places. When it is answered the place is free, and the connection stays here
until it ends, or until the worker leaves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefork.scoreboard import OPEN
from prefork.worker.live.conversation import Conversation
from prefork.worker.live.guests import Guests, Terms, bounded
from prefork.worker.live.lent import Missing, framing

if TYPE_CHECKING:
    import asyncio
    from typing import Callable

    from prefork.messages import Request
    from prefork.scoreboard import Slot
    from prefork.worker.live.hosted import Hosted

    Answered = Callable[[int, int], None]  # with its status and the bytes of its answer

LEFT = 499  # the client has gone before its handshake was answered: nginx's word for that
TOO_LONG = 504


class Lodge(Guests):
    """`slot` is where the worker says how many connections it has; `orders` are those of websocket workers."""

    hosted: Hosted
    patience = 0.0  # a handshake is a request here, and has a request's limits

    def __init__(
        self, loop: asyncio.AbstractEventLoop, orders: dict[str, Any], slot: Slot, tell: Callable[..., Any], hosted: Hosted
    ) -> None:
        try:
            library = framing(orders["lent"])
        except Missing as error:
            library = None
            tell("websockets_missing", reason=str(error))
        super().__init__(loop, bounded(Terms(**orders["terms"])), library, tell, hosted)
        self.slot = slot
        self.answered: dict[int, Answered] = {}  # who is to be told of a handshake, by its request's number
        self.waiting: dict[int, Conversation] = {}  # whose handshake the application has not answered yet
        self.looking = loop.create_task(self._look())
        self.departure: asyncio.Task[None] | None = None

    def take(self, request: Request, early: bytes, descriptor: int, answered: Answered) -> None:
        """A connection is ours; `answered` is called once."""
        self.answered[request.number] = answered
        if why := self.obstacle(framed=True):
            self.turn_away(request, descriptor, why)
            return
        guest = self.waiting[request.number] = self.admit(Conversation(self, descriptor, request))
        guest.begin(request, early)
        if self.departure:
            guest.dismiss()  # it has come to a place that was still open

    def ended(self, number: int, status: int, sent: int) -> None:
        """A handshake is answered, or its client has left before."""
        self.waiting.pop(number, None)
        self.answered.pop(number)(status or LEFT, sent)

    def expire(self, number: int) -> asyncio.Task[None] | None:
        """The application has not answered a handshake in time: do so in its place. Returns its task, to be cancelled."""
        guest = self.waiting[number]
        task = self.hosted.tasks.get(guest)
        guest.refuse_with(TOO_LONG)
        return task

    def show(self) -> None:
        """Say in the slot how many there are."""
        self.slot[OPEN] = len(self.guests)

    # The end.

    def leave(self) -> None:
        """Begin to let everybody go: the worker leaves. Handshakes are answered first, as all its requests are."""
        if self.departure is None:
            self.departure = self.loop.create_task(self.farewell())

    async def gone(self) -> None:
        """When no handshake can come any more, wait until all have left, and the application's calls for them have returned."""
        self.leave()
        assert self.departure
        await self.departure
        await self.parted()
        await self.hosted.outlast()
        self.looking.cancel()
