"""One WebSocket: its handshake, what its client says, what it hears, and how it ends. Framing is the library's."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from prefork.store.connection import Unavailable
from prefork.worker.live import speech
from prefork.worker.live.authority import Denied
from prefork.worker.live.limits import Pace, welcome
from prefork.worker.live.wire import Wire

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from prefork.messages import Request
    from prefork.worker.live.hub import Message
    from prefork.worker.live.keeper import Keeper
    from prefork.worker.live.speech import Wish

# Close codes: RFC 6455 and IANA's registry; those from 4000 on are a server's own.
GOING_AWAY, NOT_TEXT, POLICY, FAULT, RESTART, LATER = 1001, 1003, 1008, 1011, 1012, 1013
UNAUTHORIZED = 4001
INNOCENT = frozenset((1000, 1001, 1005, 1006, RESTART))  # clients come and go
ANSWER_WITHIN = 5.0  # seconds that a client has to answer a close frame and to read what is before it


class WebSocket:
    """`handover` is the message that it came with, from which the application is told about the handshake."""

    __slots__ = ("asked", "client", "closing_at", "handover", "heard", "keeper", "pace", "parts", "pinged", "protocol", "wire")

    def __init__(self, keeper: Keeper, descriptor: int, request: Request, handover: bytes) -> None:
        self.keeper = keeper
        self.handover = handover
        self.client = (request.client[0], request.request_id)
        self.wire = Wire(keeper.loop, descriptor, keeper.guarded(self, self.receive))
        framing = keeper.framing
        self.protocol: Any = framing.protocol(framing.server, max_size=keeper.terms.message_max, logger=framing.logger)
        self.pace = Pace()
        self.parts: list[bytes] = []  # of a message that comes in fragments
        self.asked = False  # the application is to say what it may hear
        self.heard = self.pinged = False  # since the last look
        self.closing_at = float("inf")  # when it is cut, whatever its client does

    def open(self, request: Request, early: bytes) -> int:
        """Answer the handshake; returns the status."""
        response = self.respond(request)
        self.wire.listen()
        self.wire.send(response.serialize())
        if response.status_code != 101:
            self.wire.end()
            self.closing()
        elif early:
            self.receive(early)
        status: int = response.status_code
        return status

    def respond(self, request: Request) -> Any:
        """The answer to the handshake."""
        framing, terms = self.keeper.framing, self.keeper.terms
        handshake = framing.handshake(logger=framing.logger)
        names = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers]
        said = dict(reversed(names))
        if welcome(said.get("origin"), said.get("host", ""), request.scheme, terms.origins):
            response = handshake.accept(framing.request(request.target.decode("latin-1"), framing.headers(names)))
        else:
            self.keeper.note(self, 403, f"origin {said['origin']} is not {said.get('host')}'s own, nor in websocket_origins")
            response = handshake.reject(403, "Pages of another origin may not connect here.\n")
        response.headers["X-Request-ID"] = request.request_id
        return response

    # From the client.

    def receive(self, data: bytes) -> None:
        """Something has arrived, or the end."""
        self.heard = True
        was_open = self.protocol.state is self.keeper.framing.opened
        if data:
            self.protocol.receive_data(data)
        else:
            self.protocol.receive_eof()
        for frame in self.protocol.events_received():
            if self.protocol.state is self.keeper.framing.opened:
                self.take(frame)
        failed = self.protocol.close_sent
        if was_open and self.protocol.parser_exc and failed:
            self.keeper.note(self, failed.code, failed.reason)
        self.flush()
        if not data:
            self.cut()

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
        if self.protocol.state is not self.keeper.framing.opened:
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
        self.say(speech.told(messages))
        if len(self.wire.waiting) > self.keeper.terms.send_queue:
            self.end(LATER, speech.hint(self.keeper.pause()), "it leaves too much unread (websocket_send_queue)")

    def say(self, text: bytes) -> None:
        """Send a message, unless the connection is about to end."""
        if self.protocol.state is self.keeper.framing.opened:
            self.protocol.send_text(text)
            self.flush()

    def flush(self) -> None:
        """Send what the library has framed."""
        for data in self.protocol.data_to_send():
            if data:
                self.wire.send(data)
            else:
                self.wire.end()
        if self.protocol.close_expected() or self.protocol.state is not self.keeper.framing.opened:
            self.closing()

    # The end.

    def look(self) -> None:
        """It is this one's turn to be looked at: ask whether the client is there, or let go of one that has not said so."""
        if self.pinged and not self.heard:
            self.fail(FAULT, "no answer to a ping (websocket_ping)")
            self.cut()
            return
        self.pinged = not self.heard
        self.heard = False
        if self.pinged and self.protocol.state is self.keeper.framing.opened:
            self.protocol.send_ping(b"")
            self.flush()

    def dismiss(self) -> None:
        """The worker leaves: have the client come back, to another one, when others do not."""
        self.end(RESTART, speech.hint(self.keeper.pause()), "the worker leaves")

    def end(self, code: int, reason: str, told: str) -> None:
        """Send a close frame and wait for the client's, but not for long. The log is `told` why, unless that is empty."""
        if self.protocol.state is not self.keeper.framing.opened:
            return
        if told:
            self.keeper.note(self, code, told)
        self.protocol.send_close(code, reason)
        self.flush()

    def fail(self, code: int, reason: str) -> None:
        """Send a close frame and read nothing more of what the client sends."""
        self.keeper.note(self, code, reason)
        self.protocol.fail(code, reason)
        self.flush()

    def closing(self) -> None:
        """It is about to end: nothing more is published here."""
        if self.closing_at == float("inf"):
            self.closing_at = self.keeper.loop.time() + ANSWER_WITHIN
            self.keeper.hub.detach(self)
            self.keeper.leaving[self] = None

    def cut(self) -> None:
        """Close it now."""
        self.closing()
        self.wire.close()
        self.keeper.forget(self)
