"""One WebSocket of an application of ASGI: it answers the handshake, and both sides speak as long as they wish.

Who does not take what is said makes the other one wait: the application in its `send`, the client by not being read.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from prefork.worker.asgi.call import ClientGone
from prefork.worker.asgi.scope import websocket_scope
from prefork.worker.heads import checked
from prefork.worker.live import direct
from prefork.worker.live.admission import Admission
from prefork.worker.live.websocket import ABNORMAL, FAULT, NORMAL
from prefork.worker.sorry import give_up

if TYPE_CHECKING:
    from prefork.messages import Request
    from prefork.worker.asgi.call import Call
    from prefork.worker.asgi.lifespan import Message
    from prefork.worker.live.assembly import Whole
    from prefork.worker.live.guests import Guests

DENIAL = "websocket.http.response"
MOST_UNREAD = 32  # messages that wait for the application


class Conversation(Admission):
    """`response` is the library's answer to the handshake, `denial` what the application says instead."""

    __slots__ = ("denial", "events", "response", "told", "turn", "unread")

    def __init__(self, keeper: Guests, descriptor: int, request: Request) -> None:
        super().__init__(keeper, descriptor, request)
        self.response: Any = None
        self.told = False  # the dispatcher has heard what has come of the handshake
        self.denial: Call | None = None
        self.events: asyncio.Queue[Message] = asyncio.Queue()
        self.turn = 0  # messages that the application got since others had their turn
        self.unread = 0  # bytes of messages that wait for it

    def begin(self, request: Request, early: bytes) -> None:
        """Ask the application about the handshake, if nothing is wrong with that."""
        response = self.accept(request, [self.keeper.framing.deflate] if self.keeper.terms.compression else [])
        self.wire.listen()
        if response.status_code != 101:
            self.tell(response.status_code, 0)
            self.turn_down(response)
            return
        self.response, self.asked, self.early = response, True, early
        self.events.put_nowait({"type": "websocket.connect"})
        hosted = self.keeper.hosted
        assert hosted
        hosted.serve(self, websocket_scope(request, hosted.state), self.keeper.guarded(self, self.finished))

    # The client.

    def receive(self, data: bytes) -> None:
        """Something has arrived, or the end."""
        super().receive(data)
        if self._full() and not self.paused and not self.ending:
            self.paused = True
            self.wire.pause()

    def _full(self) -> bool:
        return self.events.qsize() >= MOST_UNREAD or self.unread > self.keeper.terms.message_max

    def hear(self, whole: Whole) -> None:
        """One message."""
        self.unread += len(whole)
        self.events.put_nowait({"type": "websocket.receive", "text" if isinstance(whole, str) else "bytes": whole})

    # The application.

    async def next_event(self) -> Message:
        """What the client has said; that it has gone is said as often as it is asked."""
        self.turn += 1
        if self.turn > MOST_UNREAD:
            self.turn = 0
            await asyncio.sleep(0)  # many small ones come at once, and to take them waits for nothing
        event = await self.events.get()
        if event["type"] == "websocket.disconnect":
            self.events.put_nowait(event)
        self.unread -= len(event.get("text") or event.get("bytes") or "")
        if self.paused and not self._full():
            self.paused = False
            self.heard = True  # for all that is known: nobody has listened
            self.wire.listen()
        return event

    async def obey(self, event: Message) -> None:
        """Accept, deny, speak or hang up. Raises ClientGone, RuntimeError, or what the library says of a wrong code."""
        kind = event["type"]
        if kind == "websocket.send" and not self.asked:
            await self.speak(event)
        elif kind == "websocket.close":
            self.hang_up(event)
        elif kind == "websocket.accept" and self.asked:
            self.welcome(event)
        elif kind.startswith(DENIAL) and (self.asked or self.denial):
            await self.deny(event)
        else:
            raise RuntimeError(f"the application sent {kind} " + ("before websocket.accept" if self.asked else "too late"))

    def welcome(self, event: Message) -> None:
        """The handshake is accepted, with the application's headers."""
        if self.ending:
            raise ClientGone
        headers = self.response.headers
        if (subprotocol := event.get("subprotocol")) is not None:
            headers["Sec-WebSocket-Protocol"] = checked("Sec-WebSocket-Protocol", subprotocol)[1].decode("latin-1")
        for name, value in event.get("headers", ()):
            key, data = checked(bytes(name), bytes(value))
            headers[key.decode()] = data.decode("latin-1")
        self.wire.send(self.response.serialize())
        self.asked, self.accepted = False, True
        self.tell(101, 0)
        self.catch_up()

    async def speak(self, event: Message) -> None:
        """Send a message, and wait while the client leaves too much unread."""
        if not self.open:
            raise ClientGone
        text = event.get("text")
        if text is None:
            self.protocol.send_binary(event["bytes"])
        else:
            self.protocol.send_text(text.encode())
        self.flush()
        await self.wire.taken(self.keeper.terms.send_queue)

    def hang_up(self, event: Message) -> None:
        """End the connection; before it is accepted that is a denial."""
        if self.asked:
            self.refuse_with(403)
        else:
            code = event.get("code")
            self.end(NORMAL if code is None else code, event.get("reason") or "", "")

    async def deny(self, event: Message) -> None:
        """Answer the handshake as any request."""
        await self._denial().send({**event, "type": event["type"].replace(DENIAL, "http.response", 1)})
        self.asked = not self._denial().reply.begun

    def _denial(self) -> Call:
        if self.denial is None:
            self.denial = direct.call(self.request, -1, self.wire, self.keeper.terms.send_queue, self.denied)
        return self.denial

    def refuse_with(self, status: int) -> None:
        """Answer the handshake in the application's place."""
        self.asked = False
        give_up(self._denial().reply, status)
        self._denial().close()
        self.denied()

    def denied(self) -> None:
        """The answer to the handshake is another one than 101, and is whole or will never be."""
        assert self.denial
        reply = self.denial.reply
        self.tell(reply.code, reply.sent)
        if reply.failed:
            self.cut()
        else:
            self.wire.end()
            self.closing()

    def finished(self, failed: bool) -> None:
        """The application has returned, or has failed."""
        if self.asked and not self.ending:
            if not failed:
                self.keeper.complain_of(*self.client, 500, "the application returned without an answer to the handshake")
            self.refuse_with(500)
        elif self.denial and not self.denial.complete:
            self.cut()
        elif failed:
            self.end(FAULT, "the application failed", "the application failed")
        else:
            self.end(NORMAL, "", "")

    # The end.

    def look(self) -> None:
        """Ask whether the client is there, as long as it is listened to."""
        if self.open and not self.paused:
            super().look()

    def tell(self, status: int, sent: int) -> None:
        """Tell the dispatcher, once, what has come of the handshake; 0 where the client has not waited for that."""
        if not self.told:
            self.told = True
            self.keeper.ended(self.request.number, status, sent)

    def left(self) -> None:
        """Tell the application, and the dispatcher if that does not know yet. The client's close frame is waited for."""
        self.tell(0, 0)
        self.wire.listen()
        received, sent = self.protocol.close_rcvd, self.protocol.close_sent
        close = received or sent
        code, reason = (close.code, close.reason) if close else (ABNORMAL, "")
        self.events.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
