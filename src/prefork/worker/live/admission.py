"""A WebSocket whose handshake the application answers: until it does, a little of what the client sends already waits.

When the worker leaves, such a handshake is answered first, as a request is: nobody is refused because of a reload.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from prefork.worker.live.assembly import Assembly
from prefork.worker.live.limits import Pace
from prefork.worker.live.websocket import NOT_UTF8, POLICY, WebSocket

if TYPE_CHECKING:
    from typing import Any

    from prefork.messages import Request
    from prefork.worker.live.assembly import Whole
    from prefork.worker.live.guests import Guests

MOST_EARLY = 16384  # bytes that a client may send before its handshake is answered
CONTROL = 8  # opcodes from here on are those of control frames (RFC 6455, 5.2)
CRUMB = 64  # bytes of a fragment from which on it is worth its frame


class Admission(WebSocket):
    """`asked` while the application is to answer the handshake, `accepted` once it has let the client in, `paused` while nothing is
    read because too much waits for the application, `dismissed` when the worker leaves.
    """

    __slots__ = ("accepted", "asked", "assembly", "dismissed", "early", "pace", "paused", "request")

    def __init__(self, keeper: Guests, descriptor: int, request: Request) -> None:
        super().__init__(keeper, descriptor, request)
        self.request = request
        self.asked = self.accepted = self.paused = self.dismissed = False
        self.early = b""
        self.assembly = Assembly(keeper.framing)
        self.pace = Pace()

    @property
    def open(self) -> bool:
        """Whether messages go both ways: not before the application has accepted."""
        return self.accepted and super().open

    def receive(self, data: bytes) -> None:
        """Something has arrived, or the end."""
        if self.accepted:
            super().receive(data)
        elif not data:
            self.cut()
        else:
            self.early += data
            if len(self.early) > MOST_EARLY:
                self.wire.pause()

    def take(self, frame: Any) -> None:
        """One frame. Pings have been answered.

        Who sends messages faster than the application takes them is not read from. Of pings, and of crumbs that end no message, the
        application never hears, so they are counted, as messages to the bus are.
        """
        counts = frame.opcode >= CONTROL or not (frame.fin or len(frame.data) >= CRUMB)
        if counts and not self.pace.allows(self.keeper.terms.rate, self.keeper.loop.time()):
            self.fail(POLICY, "too many frames without a message (websocket_rate)")
            return
        try:
            whole = self.assembly.add(frame)
        except UnicodeDecodeError:
            self.fail(NOT_UTF8, "a text that is not UTF-8")
            return
        if whole is not None:
            self.hear(whole)

    @abstractmethod
    def hear(self, whole: Whole) -> None:
        """One message."""

    def catch_up(self) -> None:
        """The client has been let in: take what it has sent before."""
        self.wire.listen()  # it may have sent too much too early
        early, self.early = self.early, b""
        if early:
            self.receive(early)
        if self.dismissed:
            super().dismiss()

    def dismiss(self) -> None:
        """The worker leaves: have the client come back, once it has come in; one that is being denied may read that to its end."""
        self.dismissed = True
        if not self.asked and not self.accepted:
            self.closing()
        elif not self.asked or self.ending:
            super().dismiss()
        elif self.keeper.patience:
            self.keeper.loop.call_later(self.keeper.patience, self.keeper.guarded(self, Admission.give_up), self)

    def give_up(self) -> None:
        """The application has had its time."""
        if self.asked and not self.ending:
            self.refuse_with(503)

    @abstractmethod
    def refuse_with(self, status: int) -> None:
        """Answer the handshake in the application's place."""
