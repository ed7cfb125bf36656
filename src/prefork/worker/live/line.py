"""What the threads of an application see of one WebSocket: all that they say happens later, in the loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.worker.live.limits import same_host, welcome
from prefork.worker.live.websocket import INNOCENT

if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Callable

    from prefork.messages import Request
    from prefork.worker.live.visit import Visit


class Line:
    """What the application's threads see of a visit."""

    __slots__ = ("foreign", "loop", "visit")

    def __init__(self, visit: Visit, foreign: str) -> None:
        self.visit = visit
        self.loop = visit.keeper.loop
        self.foreign = foreign

    def say(self, text: bytes) -> None:
        """Send a text."""
        self._later(lambda visit: visit.say(text))

    def end(self, code: int, reason: str) -> None:
        """Close the connection."""
        told = "" if code in INNOCENT else reason or "the application has closed it"
        self._later(lambda visit: visit.end(code, reason, told))

    def cut(self) -> None:
        """Close it without a word."""
        self._later(lambda visit: visit.drop())

    def wake(self) -> None:
        """Have a turn taken."""
        self._later(lambda visit: visit.wake())

    def _later(self, act: Callable[[Visit], None]) -> None:
        self.loop.call_soon_threadsafe(self.visit.keeper.guarded(self.visit, act), self.visit)


def foreign(request: Request, others: Collection[str]) -> str:
    """The origin of the page that a handshake comes from, where it is neither of the own host nor one of the `others`."""
    said = {name: value.decode("latin-1") for name, value in reversed(request.headers)}
    origin, host = said.get(b"origin"), said.get(b"host", "")
    return "" if origin is None or same_host(origin, host) or welcome(origin, host, request.scheme, others) else origin
