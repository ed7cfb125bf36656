"""A WebSocket whose handshake the application answers: until it does, a little of what the client sends already waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.worker.live.assembly import Assembly
from prefork.worker.live.websocket import WebSocket

if TYPE_CHECKING:
    from prefork.messages import Request
    from prefork.worker.live.guests import Guests

MOST_EARLY = 16384  # bytes that a client may send before its handshake is answered


class Admission(WebSocket):
    """`asked` while the application is to answer the handshake, `accepted` once it has let the client in, `paused` while nothing is
    read because too much waits for the application.
    """

    __slots__ = ("accepted", "asked", "assembly", "early", "paused", "request")

    def __init__(self, keeper: Guests, descriptor: int, request: Request) -> None:
        super().__init__(keeper, descriptor, request)
        self.request = request
        self.asked = self.accepted = self.paused = False
        self.early = b""
        self.assembly = Assembly(keeper.framing)

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

    def catch_up(self) -> None:
        """The client has been let in: take what it has sent before."""
        self.wire.listen()  # it may have sent too much too early
        early, self.early = self.early, b""
        if early:
            self.receive(early)
