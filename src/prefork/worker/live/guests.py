"""Connections that a worker's loop has made its own: looked after, told of when they end badly, let go in waves when it leaves.

Where they come from and who hears of their answers is their host's. A fault in one connection ends that connection.
"""

from __future__ import annotations

import asyncio
import os
import random
import resource
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from prefork.http.framing import answer
from prefork.http.pages import page
from prefork.kernel import open_up_to
from prefork.worker.live.limits import PAUSE, wave
from prefork.worker.live.websocket import INNOCENT
from prefork.worker.live.wire import Wire
from prefork.worker.output import complain
from prefork.worker.traces import trace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Callable

    from prefork.messages import Request
    from prefork.worker.live.hosted import Hosted
    from prefork.worker.live.lent import Framing

LOOK_EVERY = 1.0  # seconds
SOONEST, LATEST = 0.5, 3.0  # seconds after which a client is told to come back, at random
RESERVE = 128  # descriptors for what is no client's connection
TOLD_AT_ONCE = 20  # endings that are told of in a second; the others are counted


class Terms(NamedTuple):
    """What a client may do: the options of the same names, in bytes, messages a second, and seconds."""

    connections: int
    origins: Sequence[str]
    message_max: int
    send_queue: int
    rate: float
    ping: float
    farewell: float
    compression: bool = False


def bounded(terms: Terms) -> Terms:
    """The same with no more connections than there are descriptors for, of as many as this process may have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    open_up_to()
    return terms._replace(connections=min(terms.connections, max(1, hard - RESERVE)))


class Guest(Protocol):
    """One connection. `closing_at` is when it is cut, whatever its client does."""

    client: tuple[str, str]
    closing_at: float
    wire: Wire

    def look(self) -> None:
        """It is this one's turn to be looked at."""

    def dismiss(self) -> None:
        """The worker leaves."""

    def cut(self) -> None:
        """Close it now."""


class Guests(ABC):
    """`tell(kind, **fields)` reports to the master. `framing` is None where there is no library for WebSockets. `hosted` is the
    application where it speaks for itself, `patience` the seconds that it has for a handshake when the worker leaves (0: any).
    """

    patience = 10.0  # hardly a client waits longer, nor does a stop

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        terms: Terms,
        framing: Framing | None,
        tell: Callable[..., Any],
        hosted: Hosted | None,
    ) -> None:
        self.loop = loop
        self.terms = terms
        self.framing: Any = framing
        self.tell = tell
        self.hosted = hosted
        self.guests: dict[Guest, int] = {}  # and when it is looked at: a place in `turns`
        self.leaving: dict[Guest, None] = {}  # those that are cut unless they leave by themselves, in that order
        self.turns: list[set[Guest]] = [set() for _ in range(max(1, round(terms.ping / LOOK_EVERY)))]
        self.looks = 0
        self.told = self.untold = 0
        self.emptied: asyncio.Future[None] | None = None  # when the last one has gone, once they are told to

    def guarded(self, guest: Guest, callback: Callable[[Any], None]) -> Callable[[Any], None]:
        """A callback whose faults end one connection."""

        def call(what: Any) -> None:
            try:
                callback(what)
            except Exception as error:  # noqa: BLE001 - the others go on
                complain(
                    f"prefork: a fault with connection {guest.client[1]} in worker {os.getpid()}; please report it:\n{trace(error)}"
                )
                guest.cut()

        return call

    # Coming and going.

    def obstacle(self, *, framed: bool) -> str:
        """Why a connection cannot be taken; `framed`: it is to be a WebSocket."""
        if len(self.guests) >= self.terms.connections:
            return "it has as many connections as it may (websocket_connections)"
        if framed and self.framing is None:
            return "it lacks a library for WebSockets"
        return ""

    def admit(self, guest: Any) -> Any:
        """Look after a connection from now on."""
        # At random, so that those who have come at once are not looked at in the same second.
        self.guests[guest] = turn = random.randrange(len(self.turns))  # noqa: S311
        self.turns[turn].add(guest)
        self.show()
        return guest

    def descriptors(self) -> list[int]:
        """Those of all connections."""
        return [guest.wire.socket.fileno() for guest in self.guests]

    def turn_away(self, request: Request, descriptor: int, why: str) -> None:
        """There is no place for a client."""
        wire = Wire(self.loop, descriptor, lambda _: None)
        accept = next((value for name, value in request.headers if name == b"accept"), b"")
        kind, text = page(503, request.request_id, accept)
        wire.send(answer(503, text, kind, keep=False, headers=((b"Retry-After", b"5"),)))
        wire.close()
        self.ended(request.number, 503, len(text))
        self.complain_of(request.client[0], request.request_id, 503, f"this worker takes no connection: {why}")

    @abstractmethod
    def ended(self, number: int, status: int, sent: int) -> None:
        """A request is answered, as far as the access log is concerned."""

    def forget(self, guest: Guest) -> None:
        """A connection is closed."""
        turn = self.guests.pop(guest, None)
        if turn is not None:
            self.turns[turn].discard(guest)
        self.leaving.pop(guest, None)
        self.show()
        if self.emptied and not self.emptied.done() and not self.guests:
            self.emptied.set_result(None)

    @abstractmethod
    def show(self) -> None:
        """Say in the slot how many there are."""

    # Telling.

    def note(self, guest: Guest, code: int, reason: str) -> None:
        """A connection ends with this code."""
        if code not in INNOCENT:
            self.complain_of(*guest.client, code, reason)

    def complain_of(self, client: str, request_id: str, code: int, reason: str) -> None:
        """Tell the master, unless there is too much to tell: then the next one that is told of brings the number of the others."""
        if self.told >= TOLD_AT_ONCE:
            self.untold += 1
            return
        self.told += 1
        others, self.untold = self.untold, 0
        self.tell("websocket_ended", client=client or "unix:", request_id=request_id, code=code, reason=reason, others=others)

    # Time.

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            self.told = 0
            self.looks += 1
            for guest in list(self.turns[self.looks % len(self.turns)]):
                self.guarded(guest, type(guest).look)(guest)
            self._cut_late()

    def _cut_late(self) -> None:
        now = self.loop.time()
        for guest in [guest for guest in self.leaving if guest.closing_at <= now]:
            guest.cut()

    def pause(self) -> float:
        """Seconds after which a client is told to come back: not when all others do."""
        return random.uniform(SOONEST, LATEST)  # noqa: S311 - not a secret

    async def farewell(self) -> None:
        """Let everybody go, a wave at a time: those who are told to come back are others' load."""
        left = list(self.guests)
        size = wave(len(left), self.terms.farewell)
        while left:
            now, left = left[:size], left[size:]
            for guest in now:
                self.guarded(guest, type(guest).dismiss)(guest)
            await asyncio.sleep(PAUSE)
        await self.parted()

    async def parted(self) -> None:
        """Wait until nobody is left."""
        self.emptied = self.loop.create_future()
        if self.guests:
            await self.emptied
