"""One WebSocket: its frames, its pings, and how it ends. What its client says is for those to understand who speak with it.

Framing is the library's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from prefork.worker.live import speech
from prefork.worker.live.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prefork.messages import Request
    from prefork.worker.live.guests import Guests

# Close codes: RFC 6455 and IANA's registry; those from 4000 on are a server's own.
NORMAL, GOING_AWAY, NOT_TEXT, ABNORMAL, NOT_UTF8, POLICY, FAULT, RESTART, LATER = (
    1000,
    1001,
    1003,
    1006,
    1007,
    1008,
    1011,
    1012,
    1013,
)
UNAUTHORIZED = 4001
INNOCENT = frozenset((NORMAL, GOING_AWAY, 1005, ABNORMAL, RESTART))  # clients come and go
ANSWER_WITHIN = 5.0  # seconds that a client has to answer a close frame and to read what is before it


class WebSocket(ABC):
    """A connection of the worker. Those who speak with the client say what follows from a frame (`take`) and from the end."""

    __slots__ = ("client", "closing_at", "heard", "keeper", "owed", "pinged", "protocol", "wire")

    def __init__(self, keeper: Guests, descriptor: int, request: Request) -> None:
        self.keeper = keeper
        self.client = (request.client[0], request.request_id)
        self.wire = Wire(keeper.loop, descriptor, keeper.guarded(self, self.receive))
        framing = keeper.framing
        self.protocol: Any = framing.protocol(framing.server, max_size=keeper.terms.message_max, logger=framing.logger)
        self.heard = self.pinged = False  # since the last look
        self.owed = 0  # bytes of what waits for the client that answer what it has sent, such as its pings
        self.closing_at = float("inf")  # when it is cut, whatever its client does

    @property
    def open(self) -> bool:
        """Whether messages go both ways."""
        return self.protocol.state is self.keeper.framing.opened

    @property
    def ending(self) -> bool:
        """Whether it is about to end."""
        return self.closing_at != float("inf")

    def accept(self, request: Request, extensions: Sequence[Any] = ()) -> Any:
        """The library's answer to a handshake: 101, or what is wrong with it. `extensions` are those that the client may have."""
        framing = self.keeper.framing
        names = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers]
        handshake = framing.request(request.target.decode("latin-1"), framing.headers(names))
        server = framing.handshake(logger=framing.logger, extensions=extensions)
        response = server.accept(handshake)
        self.protocol.extensions = server.extensions
        return self.named(response, request)

    def refuse(self, request: Request, status: int, why: str) -> Any:
        """An answer to a handshake that nothing is wrong with."""
        framing = self.keeper.framing
        return self.named(framing.handshake(logger=framing.logger).reject(HTTPStatus(status), why), request)

    def named(self, response: Any, request: Request) -> Any:
        """An answer with the request's id."""
        response.headers["X-Request-ID"] = request.request_id
        return response

    def turn_down(self, response: Any) -> None:
        """Send another answer than 101, and end."""
        self.wire.send(response.serialize())
        self.wire.end()
        self.closing()

    # From the client.

    def receive(self, data: bytes) -> None:
        """Something has arrived, or the end."""
        self.heard = True
        was_open, waiting = self.open, len(self.wire.waiting)
        if data:
            self.protocol.receive_data(data)
        else:
            self.protocol.receive_eof()
        for frame in self.protocol.events_received():
            if not self.ending:  # what came before a client's close frame counts
                self.take(frame)
        failed = self.protocol.close_sent
        if was_open and self.protocol.parser_exc and failed:
            self.keeper.note(self, failed.code, failed.reason)
        self.flush()
        self._owe(len(self.wire.waiting) - waiting)
        if not data:
            self.cut()

    def _owe(self, more: int) -> None:
        """So much more waits for the client because of what it has sent. Nobody asks without end who does not read the answers."""
        self.owed = min(self.owed + more, len(self.wire.waiting))
        if self.owed <= self.keeper.terms.send_queue:
            return
        if self.ending:
            self.cut()
        else:
            self.fail(POLICY, "it leaves too much of what it has asked for unread (websocket_send_queue)")

    @abstractmethod
    def take(self, frame: Any) -> None:
        """One frame. Pings have been answered."""

    # To the client.

    def flush(self) -> None:
        """Send what the library has framed."""
        for data in self.protocol.data_to_send():
            if data:
                self.wire.send(data)
            else:
                self.wire.end()
        if self.protocol.close_expected() or not self.open:
            self.closing()

    # The end.

    def look(self) -> None:
        """It is this one's turn to be looked at: ask whether the client is there, or let go of one that has not said so.

        A client that reads is there: it gets to the ping when it has read what is before it.
        """
        there = self.heard or self.wire.moved
        if self.pinged and not there:
            self.fail(FAULT, "no answer to a ping (websocket_ping)")
            self.cut()
            return
        self.pinged = not there
        self.heard = self.wire.moved = False
        if self.pinged and self.open:
            self.protocol.send_ping(b"")
            self.flush()

    def dismiss(self) -> None:
        """The worker leaves: have the client come back, to another one, when others do not."""
        self.end(RESTART, speech.hint(self.keeper.pause()), "the worker leaves")

    def end(self, code: int, reason: str, told: str) -> None:
        """Send a close frame and wait for the client's, but not for long. The log is `told` why, unless that is empty."""
        if not self.open:
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
        """It is about to end."""
        if not self.ending:
            self.closing_at = self.keeper.loop.time() + ANSWER_WITHIN
            self.keeper.leaving[self] = None
            self.left()

    @abstractmethod
    def left(self) -> None:
        """Nothing more is to be said to the client. Called once."""

    def cut(self) -> None:
        """Close it now."""
        self.closing()
        self.wire.close()
        self.keeper.forget(self)
