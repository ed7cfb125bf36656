"""One WebSocket of an application that is called in threads: it answers the handshake, and has a turn when something has happened.

Turns of one connection never overlap. A client that says more than the application takes is not read from.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from prefork.worker.live import direct, speech
from prefork.worker.live.admission import Admission
from prefork.worker.live.line import Line, foreign
from prefork.worker.live.websocket import FAULT, LATER
from prefork.worker.output import complain
from prefork.worker.sorry import give_up
from prefork.worker.traces import trace

if TYPE_CHECKING:
    import asyncio
    from typing import Callable

    from prefork.messages import Request
    from prefork.worker.live.assembly import Whole
    from prefork.worker.live.called import Answer, Called
    from prefork.worker.live.keeper import Keeper

MOST_UNREAD = 32  # messages that wait for the application
AGAIN = 1.0  # seconds after which a turn that could not be taken is tried again
HANDSHAKE = frozenset(("connection", "content-length", "content-type", "sec-websocket-accept", "upgrade"))  # the library's to say


class Visit(Admission):
    """`busy` while a thread is at it, `again` when it is to come back."""

    __slots__ = ("again", "answer", "begun", "busy", "called", "foreign", "gone", "talk", "unread")

    def __init__(self, keeper: Keeper, called: Called, descriptor: int, request: Request) -> None:
        super().__init__(keeper, descriptor, request)
        self.called = called
        self.answer: Answer | None = None  # to the handshake
        self.begun = self.busy = self.again = self.gone = False
        self.unread = 0  # messages that wait for the application
        self.foreign = foreign(request, keeper.terms.origins)
        self.talk = called.application.talk(request, Line(self, self.foreign))

    def begin(self, request: Request, early: bytes) -> None:
        """Ask the application about the handshake, if nothing is wrong with that."""
        response = self.accept(request)
        self.wire.listen()
        if response.status_code != 101:
            self.keeper.ended(request.number, response.status_code, 0)
            self.turn_down(response)
            return
        self.asked, self.early = True, early
        self.call(self.talk.shake, self.shaken)

    # The application.

    def call(self, function: Callable[[], Any], done: Callable[[asyncio.Future[Any]], None]) -> None:
        """Have a thread of the application do something; there is one at a time."""
        self.busy = True

        def returned(future: asyncio.Future[Any]) -> None:
            self.busy = False
            done(future)

        self.called.call(function, self.keeper.guarded(self, returned))

    def shaken(self, future: asyncio.Future[Answer]) -> None:
        """The application has answered the handshake."""
        if not self.asked:
            return  # nobody waits for it any more
        try:
            self.answer = answer = future.result()
        except Exception as error:  # noqa: BLE001 - whatever it raises ends one connection
            self.complain(error)
            self.refuse_with(500)
            return
        if answer.status.startswith("101"):
            self.welcome(answer)
        else:
            self.asked = False
            reply = direct.reply(self.request, self.wire, self.keeper.terms.send_queue)
            reply.begin(answer.status, list(answer.headers), len(answer.body))
            reply.write(answer.body)
            self.denied(reply.code, reply.sent)
            if self.foreign and reply.code == 403:
                self.keeper.note(self, 403, f"origin {self.foreign} is not the server's own, nor in websocket_origins")

    def welcome(self, answer: Answer) -> None:
        """The client may come in."""
        response = self.accept(self.request)
        for name, value in answer.headers:
            if name.lower() not in HANDSHAKE:
                response.headers[name] = value
        self.asked, self.accepted = False, True
        self.wire.send(response.serialize())
        self.keeper.ended(self.request.number, 101, 0)
        self.begun = True
        self.call(self.talk.begin, self.turned)
        self.catch_up()

    def wake(self) -> None:
        """Something has happened: let the application have a turn, once it has done what it is at."""
        if self.busy:
            self.again = True
        elif self.open:
            self.again = False
            self.unread = 0
            self.call(self.talk.turn, self.turned)

    def turned(self, future: asyncio.Future[bool | None]) -> None:
        """A turn has ended."""
        try:
            later = future.result()
        except Exception as error:  # noqa: BLE001 - as above
            self.complain(error)
            self.end(FAULT, "the application failed", "the application failed")
            later = False
        if self.gone:
            self.leave()
        elif self.again:
            self.wake()
        elif later:
            self.keeper.loop.call_later(AGAIN, self.keeper.guarded(self, Visit.wake), self)
        if self.paused and self.unread < MOST_UNREAD:
            self.paused = False
            self.heard = True  # for all that is known: nobody has listened
            self.wire.listen()

    def complain(self, error: BaseException) -> None:
        """What the application raises is told in its log."""
        path = ascii(self.request.target.decode("latin-1"))[1:-1]
        complain(f"prefork: websocket {path} ({self.client[1]}) raised in worker {os.getpid()}:\n{trace(error)}")

    # The client.

    def hear(self, whole: Whole) -> None:
        """One message."""
        self.talk.hear(whole)
        self.wake()
        self.unread += 1
        if self.unread >= MOST_UNREAD:
            self.paused = True
            self.wire.pause()

    def say(self, text: bytes) -> None:
        """Send a message. A client that has not read what came before can come back for it."""
        if not self.open:
            return
        if len(self.wire.waiting) > self.keeper.terms.send_queue:
            self.end(LATER, speech.hint(self.keeper.pause()), "it leaves too much unread (websocket_send_queue)")
            return
        self.protocol.send_text(text)
        self.flush()

    # The end.

    def drop(self) -> None:
        """Close it now, if it is not closed yet."""
        if not self.wire.closed:
            self.cut()

    def refuse_with(self, status: int) -> None:
        """Answer the handshake in the application's place."""
        self.asked = False
        reply = direct.reply(self.request, self.wire, self.keeper.terms.send_queue)
        give_up(reply, status)
        self.denied(reply.code, reply.sent)

    def denied(self, status: int, sent: int) -> None:
        """The handshake has another answer than 101."""
        self.keeper.ended(self.request.number, status, sent)
        self.wire.end()
        self.closing()

    def look(self) -> None:
        """Ask whether the client is there, as long as it is listened to, and the application whether it wants a turn."""
        if self.open and not self.paused:
            super().look()
        if self.open and self.begun and self.talk.worn():
            self.wake()

    def left(self) -> None:
        """Tell the application, once it has done what it is at, and the dispatcher if that does not know yet."""
        if self.asked:
            self.asked = False
            self.keeper.ended(self.request.number, 0, 0)
        self.gone = True
        if not self.busy:
            self.leave()

    def leave(self) -> None:
        """The client has gone, for good: who is dismissed comes back in a moment, which is no news for the application."""
        if self.begun and not self.dismissed:
            self.begun = False
            self.call(self.talk.leave, self.parted)

    def parted(self, future: asyncio.Future[None]) -> None:
        """The application knows."""
        if error := future.exception():
            self.complain(error)
