"""Odoo's WebSockets (16 and later) without its server: our loop has the frames, Odoo's own code does all else, a turn at a time.

Odoo serves a WebSocket by a loop of its own that waits for a socket. That loop is left as it is: what it waits with is ours, tells
it what has happened, and stops it where nothing has. So it needs neither a thread nor descriptors of its own for each connection.
"""

from __future__ import annotations

import importlib
import os
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from prefork.worker.hosts.odoo.waits import Idle, Selectors, Sockets, Wire

if TYPE_CHECKING:
    from typing import Callable

    from prefork.worker.hosts.odoo.bell import Bell
    from prefork.worker.hosts.odoo.waits import Ready
    from prefork.worker.live.assembly import Whole
    from prefork.worker.live.called import Answer, Caller

LATER = 1013


class Talk(Wire):
    """One WebSocket of Odoo's: fulfils `worker/live/called.py`, and stands where Odoo has the client's socket.

    `answered` has Odoo's application answer the handshake, given this.
    """

    def __init__(self, caller: Caller, bell: Bell, answered: Callable[[Talk], Answer]) -> None:
        self.caller = caller
        self.bell = bell
        self.answered = answered
        self.answer: Answer | None = None
        self.websocket: Any = None  # Odoo's own, from the handshake's end on
        self.serve: Callable[[], None] = lambda: None  # its loop
        self.messages: deque[Whole] = deque()
        self.rung = False

    # What is called for a connection.

    def shake(self) -> Answer:
        """Have Odoo answer the handshake."""
        self.answer = self.answered(self)
        return self.answer

    def begin(self) -> bool:
        """Odoo serves a WebSocket where other answers are closed."""
        assert self.answer
        self.answer.close()
        self.answer = None
        return self.turn()

    def hear(self, message: Whole) -> None:
        """Keep a message for Odoo's loop."""
        self.messages.append(message)

    def worn(self) -> bool:
        """Whether it has been open for as long as Odoo keeps one (websocket_keep_alive_timeout)."""
        return self.websocket is not None and bool(self.websocket._timeout_manager.has_timed_out())

    def turn(self) -> bool:
        """Let Odoo's loop go on until nothing more has happened."""
        try:
            self.serve()
        except Idle as idle:
            return idle.later
        return False

    def leave(self) -> None:
        """Have Odoo forget the connection."""
        if self.websocket is not None:
            self.websocket._terminate()

    def ring(self) -> None:
        """Something may have been published."""
        self.rung = True
        self.caller.wake()

    # What Odoo's loop does with a socket.

    def happened(self) -> list[Ready]:
        """What it is told: that a message is there, or that it is to look at the time. Raises Idle; what Odoo raises."""
        from psycopg2 import InterfaceError, OperationalError

        unserved = importlib.import_module("werkzeug.exceptions").ServiceUnavailable
        if self.websocket.state.name != "OPEN":
            raise Idle
        if self.rung:
            self.rung = False
            try:
                self.websocket._dispatch_bus_notifications()
            except (InterfaceError, OperationalError, unserved):
                self.rung = True  # the client stays, and hears of it when the database, or its session, is back
                raise Idle(later=True) from None
            return []
        if self.messages:
            return self.readable
        if self.worn():
            return []
        raise Idle

    def shutdown(self, how: int) -> None:  # noqa: ARG002 - a socket's
        """Odoo shuts a connection."""
        self.caller.cut()

    def settimeout(self, seconds: float) -> None:
        """Nobody waits here."""

    def recv(self, size: int) -> bytes:  # noqa: ARG002 - a socket's
        """What a client sends behind the end is nobody's business."""
        return b""

    def close(self) -> None:
        """It is shut already."""


def adapt(bell: Bell) -> None:
    """Have Odoo's code for WebSockets in this process speak with a `Talk` in place of a socket."""
    module: Any = importlib.import_module("odoo.addons.bus.websocket")
    bus: Any = importlib.import_module("odoo.addons.bus.models.bus")
    module.selectors, module.socket = Selectors, Sockets
    adapt_websocket(module, bell)
    adapt_handler(module.WebsocketConnectionHandler)
    adapt_request(module)

    def subscribe(channels: Any, last: int, db: str, websocket: Any) -> None:
        websocket.subscribe({bus.hashable(bus.channel_with_db(db, channel)) for channel in channels}, last)

    bus.dispatch.subscribe = subscribe
    bus.dispatch.unsubscribe = lambda websocket: bell.detach(websocket.talk)


def adapt_websocket(module: Any, bell: Bell) -> None:
    """Its frames go to the loop, its messages come from there, and who publishes wakes it there."""
    kind = module.Websocket
    made, subscribed, terminated = kind.__init__, kind.subscribe, kind._terminate

    def init(self: Any, talk: Talk, *rest: Any) -> None:
        self.talk, talk.websocket = talk, self
        made(self, talk, *rest)

    def subscribe(self: Any, channels: Any, last: int) -> None:
        bell.attach(self.talk, channels)
        subscribed(self, channels, last)

    def next_message(self: Any) -> Whole:
        self._limit_rate()
        message: Whole = self.talk.messages.popleft()
        return message

    def send_frame(self: Any, frame: Any) -> None:
        if frame.opcode in module.DATA_OP:
            self.talk.caller.say(text_of(module, frame.payload))
        elif frame.opcode is module.Opcode.CLOSE:
            close(self, frame.code, frame.reason)

    def close(self: Any, code: int, reason: str | None = None) -> None:
        self.state = module.ConnectionState.CLOSING
        self.talk.caller.end(int(code), reason or "")

    def terminate(self: Any) -> None:
        if self.state is not module.ConnectionState.CLOSED:
            terminated(self)

    kind.__init__ = init
    kind.subscribe = subscribe
    kind.trigger_notification_dispatching = lambda self: self.talk.ring()
    kind.close = close
    kind._process_next_message = next_message
    kind._send_frame = send_frame
    kind._terminate = terminate


def text_of(module: Any, payload: Any) -> bytes:
    """What a frame says, as Odoo would write it."""
    if isinstance(payload, (bytes, bytearray)):
        return bytes(payload)
    text: str = payload if isinstance(payload, str) else module.json.dumps(payload)
    return text.encode()


def adapt_handler(kind: Any) -> None:
    """It is asked for one turn at a time, and has no place for somebody's session on another one's page.

    Odoo itself lets any page connect and relies on the browser to keep the session's cookie back.
    """
    opened, served = kind.open_connection.__func__, kind._serve_forever.__func__

    def open_connection(cls: Any, request: Any, *rest: Any, **named: Any) -> Any:
        talk: Talk = request.httprequest._HTTPRequest__environ["socket"]
        if talk.caller.foreign and request.session.uid and not os.getenv("ODOO_BUS_PUBLIC_SAMESITE_WS"):
            raise importlib.import_module("werkzeug.exceptions").Forbidden("Pages of another origin may not connect here.")
        return opened(cls, request, *rest, **named)

    def serve_forever(cls: Any, websocket: Any, *rest: Any) -> None:
        websocket.talk.serve = partial(served, cls, websocket, *rest)

    kind.open_connection = classmethod(open_connection)
    kind._serve_forever = classmethod(serve_forever)


def adapt_request(module: Any) -> None:
    """Who cannot subscribe because the database or the sessions are away has to come again: Odoo itself would say nothing."""
    from psycopg2 import InterfaceError, OperationalError

    kind = module.WebsocketRequest
    served = kind.serve_websocket_message
    unserved = importlib.import_module("werkzeug.exceptions").ServiceUnavailable
    away = (module.InvalidDatabaseException, InterfaceError, OperationalError, unserved)

    def serve_websocket_message(self: Any, message: Whole) -> None:
        try:
            served(self, message)
        except away:
            self.ws.close(LATER)

    kind.serve_websocket_message = serve_websocket_message
