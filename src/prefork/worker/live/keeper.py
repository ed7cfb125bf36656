"""The loop of a websocket worker: takes connections over, looks after them, and lets them go in waves when it has to leave.

The slot says how many there are. The worker counts as busy while it has any, so that nobody takes it for stuck while it says
good-bye. A fault in one connection ends that connection.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple, Union

from prefork.http.framing import answer
from prefork.http.pages import page
from prefork.messages import (
    CLOEXEC_DONTWAIT,
    CONVERSATION,
    DONTWAIT,
    LOG,
    POLL,
    STREAM,
    SUBSCRIPTION,
    inbox,
    pack_ending,
    pack_taken,
    receive,
    send,
    unpack_handover,
)
from prefork.scoreboard import DONE, OPEN, RECEIVED, REQUEST, REQUESTS, pack_progress
from prefork.worker.asgi.pulse import Pulse
from prefork.worker.live.conversation import Conversation
from prefork.worker.live.inquiry import Inquiry
from prefork.worker.live.limits import PAUSE, wave
from prefork.worker.live.poll import Poll
from prefork.worker.live.stream import Stream
from prefork.worker.live.subscription import Subscription
from prefork.worker.live.visit import Visit
from prefork.worker.live.websocket import INNOCENT, WebSocket
from prefork.worker.live.wire import Wire
from prefork.worker.output import complain
from prefork.worker.traces import trace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Callable

    from prefork.messages import Request
    from prefork.scoreboard import Slot
    from prefork.worker.live.authority import Authority
    from prefork.worker.live.called import Called
    from prefork.worker.live.hosted import Hosted
    from prefork.worker.live.hub import Hub
    from prefork.worker.live.lent import Framing
    from prefork.worker.output import Output

Guest = Union[WebSocket, Poll, Inquiry, Stream]

TAKES = 16  # connections taken over before others have their turn
LOOK_EVERY = 1.0  # seconds
SOONEST, LATEST = 0.5, 3.0  # seconds after which a client is told to come back, at random
TWO_RIGHTS = socket.CMSG_LEN(8)  # the client's socket, and the file of a large body
TOLD_AT_ONCE = 20  # endings that are told of in a second; the others are counted
AGAIN = 1.0  # seconds after which a hub that failed is started again


class Terms(NamedTuple):
    """What a client may do: the options of the same names, in bytes, messages a second, and seconds."""

    connections: int
    origins: Sequence[str]
    message_max: int
    send_queue: int
    rate: float
    ping: float
    farewell: float


class Keeper:
    """`off` is why nobody can subscribe, empty where anybody can; `tell(kind, **fields)` reports to the master. `framing` is None
    where there is no library for WebSockets; long polls do without it. `hosted` is the application where it speaks for itself in
    the loop, `called` where it does so in threads.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        pair: socket.socket,
        slot: Slot,
        output: Output,
        terms: Terms,
        framing: Framing | None,
        authority: Authority,
        hub: Hub,
        off: str,
        tell: Callable[..., Any],
        hosted: Hosted | None = None,
        called: Called | None = None,
    ) -> None:
        self.loop = loop
        self.pair = pair
        self.slot = slot
        self.output = output
        self.terms = terms
        self.framing: Any = framing
        self.authority = authority
        self.hub = hub
        self.off = off
        self.tell = tell
        self.hosted = hosted
        self.called = called
        self.buffer = inbox()
        self.unsaid: deque[bytes] = deque()  # what the pair has not taken yet
        self.guests: dict[Guest, int] = {}  # and when it is looked at: a place in `turns`
        self.leaving: dict[Guest, None] = {}  # those that are cut unless they leave by themselves, in that order
        self.turns: list[set[Guest]] = [set() for _ in range(max(1, round(terms.ping / LOOK_EVERY)))]
        self.taken = self.looks = 0
        self.told = self.untold = 0
        self.left = loop.create_future()
        self.emptied: asyncio.Future[None] | None = None  # when the last one has gone, once they are told to

    async def run(self) -> None:
        """Look after connections until the dispatcher closes the pair and all have left."""
        tasks = [self.loop.create_task(self._listen_to_hub()), self.loop.create_task(self._look())]
        self.loop.add_reader(self.pair.fileno(), self.hear)
        pulse = Pulse(self.loop, self.slot, lambda _: None) if self.hosted else None
        if pulse:
            pulse.beat()
        await self.left
        await self.farewell()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self.hosted:
            await self.hosted.stop()
        if pulse:
            pulse.stop()

    async def _listen_to_hub(self) -> None:
        while True:
            try:
                await self.hub.run()
                return
            except Exception as error:  # noqa: BLE001 - connections outlive what they hear of
                complain(f"prefork: the bus failed in worker {os.getpid()}:\n{trace(error)}")
            await asyncio.sleep(AGAIN)

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

    # The dispatcher.

    def hear(self) -> None:
        """The dispatcher hands connections over, or closes the pair."""
        for _ in range(TAKES):
            try:
                message, descriptors = receive(self.pair, self.buffer, CLOEXEC_DONTWAIT, TWO_RIGHTS)
            except BlockingIOError:
                return
            except ConnectionError:
                message = b""
            if not message:
                self.loop.remove_reader(self.pair.fileno())
                self.left.set_result(None)
                return
            if message == LOG:
                self.output.switch(descriptors[0])
            else:
                self.take(message, *descriptors)

    def say(self, message: bytes) -> None:
        """Tell the dispatcher something."""
        self.unsaid.append(message)
        if len(self.unsaid) == 1:
            self._say()

    def _say(self) -> None:
        while self.unsaid:
            try:
                send(self.pair, self.unsaid[0], (), DONTWAIT)
            except BlockingIOError:
                self.loop.add_writer(self.pair.fileno(), self._say)
                return
            except OSError:
                pass  # nobody is left to hear it
            self.unsaid.popleft()
        self.loop.remove_writer(self.pair.fileno())

    def take(self, message: bytes, descriptor: int, body: int = -1) -> None:
        """A connection is ours. A large `body` of its request has a descriptor."""
        request, kind, early = unpack_handover(message)
        self.taken += 1
        self.say(pack_taken(request.number))
        why = self.obstacle(kind)
        if why:
            if body >= 0:
                os.close(body)
            self.turn_away(request, descriptor, why)
        elif self.called and kind == POLL:
            self.admit(Inquiry(self, self.called, descriptor, request)).begin()
        elif self.called:
            self.admit(Visit(self, self.called, descriptor, request)).begin(request, early)
        elif kind == POLL:
            self.admit(Poll(self, descriptor, request, message)).begin(request)
        elif kind == STREAM:
            self.admit(Stream(self, descriptor, request, body)).begin()
        elif kind == CONVERSATION:
            self.admit(Conversation(self, descriptor, request)).begin(request, early)
        else:
            status = self.admit(Subscription(self, descriptor, request, message)).begin(request, early)
            self.ended(request.number, status, 0)

    def obstacle(self, kind: int) -> str:
        """Why a connection cannot be taken."""
        if len(self.guests) >= self.terms.connections:
            return "it has as many connections as it may (websocket_connections)"
        if kind in {SUBSCRIPTION, CONVERSATION} and self.framing is None:
            return "it lacks a library for WebSockets"
        return ""

    def admit(self, guest: Any) -> Any:
        """Look after a connection from now on."""
        # At random, so that those who have come at once are not looked at in the same second.
        self.guests[guest] = turn = random.randrange(len(self.turns))  # noqa: S311
        self.turns[turn].add(guest)
        self.show()
        return guest

    def turn_away(self, request: Request, descriptor: int, why: str) -> None:
        """There is no place for a client."""
        wire = Wire(self.loop, descriptor, lambda _: None)
        accept = next((value for name, value in request.headers if name == b"accept"), b"")
        kind, text = page(503, request.request_id, accept)
        wire.send(answer(503, text, kind, keep=False, headers=((b"Retry-After", b"5"),)))
        wire.close()
        self.ended(request.number, 503, len(text))
        self.complain_of(request.client[0], request.request_id, 503, f"this worker takes no connection: {why}")

    def ended(self, number: int, status: int, sent: int) -> None:
        """A request is answered, as far as the access log is concerned."""
        self.say(pack_ending(number, status, sent, 0, 0))

    def forget(self, guest: Guest) -> None:
        """A connection is closed."""
        turn = self.guests.pop(guest, None)
        if turn is not None:
            self.turns[turn].discard(guest)
        self.leaving.pop(guest, None)
        self.show()
        if self.emptied and not self.guests:
            self.emptied.set_result(None)

    def show(self) -> None:
        """Say in the slot how many there are."""
        self.slot[OPEN] = len(self.guests)
        self.slot[REQUESTS] = self.taken
        self.slot[REQUEST] = pack_progress(self.taken, RECEIVED if self.guests else DONE)

    # Telling.

    def note(self, guest: WebSocket, code: int, reason: str) -> None:
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
        self.emptied = self.loop.create_future()
        if self.guests:
            await self.emptied
