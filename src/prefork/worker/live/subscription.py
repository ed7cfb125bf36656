"""A WebSocket of the bus: who may connect, what its client subscribes to, what it hears."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from prefork.store.connection import Unavailable
from prefork.worker.live import speech
from prefork.worker.live.authority import Denied
from prefork.worker.live.limits import Pace, welcome
from prefork.worker.live.websocket import LATER, NOT_TEXT, POLICY, UNAUTHORIZED, WebSocket

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from prefork.messages import Request
    from prefork.worker.live.hub import Message
    from prefork.worker.live.keeper import Keeper
    from prefork.worker.live.speech import Wish


class Subscription(WebSocket):
    """`handover` is the message that it came with, from which the application is told about the handshake."""

    __slots__ = ("asked", "handover", "pace", "parts")
    keeper: Keeper

    def __init__(self, keeper: Keeper, descriptor: int, request: Request, handover: bytes) -> None:
        super().__init__(keeper, descriptor, request)
        self.handover = handover
        self.pace = Pace()
        self.parts: list[bytes] = []  # of a message that comes in fragments
        self.asked = False  # the application is to say what it may hear

    def begin(self, request: Request, early: bytes) -> int:
        """Answer the handshake; returns the status."""
        response = self.respond(request)
        self.wire.listen()
        if response.status_code != 101:
            self.turn_down(response)
        else:
            self.wire.send(response.serialize())
            if early:
                self.receive(early)
        status: int = response.status_code
        return status

    def respond(self, request: Request) -> Any:
        """The answer to the handshake."""
        said = {name: value.decode("latin-1") for name, value in reversed(request.headers)}
        origin, host = said.get(b"origin"), said.get(b"host", "")
        if welcome(origin, host, request.scheme, self.keeper.terms.origins):
            return self.accept(request)
        self.keeper.note(self, 403, f"origin {origin} is not {host}'s own, nor in websocket_origins")
        return self.refuse(request, 403, "Pages of another origin may not connect here.\n")

    # From the client.

    def take(self, frame: Any) -> None:
        """One frame. Pings have been answered, and count as messages do."""
        if not self.pace.allows(self.keeper.terms.rate, self.keeper.loop.time()):
            self.fail(POLICY, "too many messages (websocket_rate)")
        elif frame.opcode is self.keeper.framing.binary:
            self.fail(NOT_TEXT, "messages are text here")
        elif frame.opcode in {self.keeper.framing.text, self.keeper.framing.continuation}:
            self.parts.append(bytes(frame.data))
            if frame.fin:
                text, self.parts = b"".join(self.parts), []
                self.understand(text)

    def understand(self, text: bytes) -> None:
        """A whole message."""
        try:
            wish = speech.read(text, "subscribe")
        except speech.Nonsense as error:
            self.say(speech.said(error=str(error)))
            return
        if self.asked:
            self.say(speech.said(error="wait for the answer before you subscribe again"))
        elif self.keeper.off:
            self.say(speech.said(error=self.keeper.off))
        else:
            self.ask(wish)

    def ask(self, wish: Wish) -> None:
        """Ask the application whether the client may hear what it wishes."""
        self.asked = True
        self.keeper.authority.ask(self.handover, wish.channels).add_done_callback(
            self.keeper.guarded(self, partial(self.judged, wish))
        )

    def judged(self, wish: Wish, future: asyncio.Future[frozenset[str]]) -> None:
        """The application has said what the client may hear."""
        self.asked = False
        if not self.open:
            return
        try:
            channels = future.result()
            position = self.keeper.hub.attach(self, channels, wish.last)
        except Denied as error:
            self.say(speech.said(error=str(error)))
            self.end(UNAUTHORIZED, "not allowed", str(error))
        except Unavailable as error:
            self.say(speech.said(error=str(error)))
            self.end(LATER, speech.hint(self.keeper.pause()), "")  # the hub has told of it, once
        else:
            self.say(speech.subscribed(channels, position))

    # To the client.

    def deliver(self, messages: Sequence[Message]) -> None:
        """Send what has been published. A client that is too slow for it can come back with its last position."""
        if not self.open:
            return
        for frame in self.keeper.framed(messages):
            self.wire.send(frame)
            if len(self.wire.waiting) > self.keeper.terms.send_queue:
                self.end(LATER, speech.hint(self.keeper.pause()), "it leaves too much unread (websocket_send_queue)")
                return

    def say(self, text: bytes) -> None:
        """Send a message, unless the connection is about to end."""
        if self.open:
            self.protocol.send_text(text)
            self.flush()

    def left(self) -> None:
        """Nothing more is published here."""
        self.keeper.hub.detach(self)
