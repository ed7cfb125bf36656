"""The loop of a websocket worker: takes connections over, and lets them go when it has to leave.

The slot says how many there are. The worker counts as busy while it has any, so that nobody takes it for stuck while it says
good-bye.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from typing import TYPE_CHECKING, Any

from prefork.messages import (
    CLOEXEC_DONTWAIT,
    CONVERSATION,
    DONTWAIT,
    LOG,
    POLL,
    STREAM,
    SUBSCRIPTION,
    Truncated,
    inbox,
    pack_ending,
    pack_taken,
    receive,
    send,
    unpack_handover,
)
from prefork.scoreboard import DONE, OPEN, RECEIVED, REQUEST, REQUESTS, pack_progress
from prefork.worker.asgi.pulse import Pulse
from prefork.worker.live import speech
from prefork.worker.live.conversation import Conversation
from prefork.worker.live.guests import Guests
from prefork.worker.live.inquiry import Inquiry
from prefork.worker.live.poll import Poll
from prefork.worker.live.stream import Stream
from prefork.worker.live.subscription import Subscription
from prefork.worker.live.visit import Visit

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Callable

    from prefork.scoreboard import Slot
    from prefork.worker.live.authority import Authority
    from prefork.worker.live.called import Called
    from prefork.worker.live.guests import Terms
    from prefork.worker.live.hosted import Hosted
    from prefork.worker.live.hub import Hub, Message
    from prefork.worker.live.lent import Framing
    from prefork.worker.output import Output

TAKES = 16  # connections taken over before others have their turn
TWO_RIGHTS = socket.CMSG_LEN(8)  # the client's socket, and the file of a large body


class Keeper(Guests):
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
        super().__init__(loop, terms, framing, tell, hosted)
        self.pair = pair
        self.slot = slot
        self.output = output
        self.authority = authority
        self.hub = hub
        self.off = off
        self.called = called
        self.buffer = inbox()
        self.unsaid: deque[bytes] = deque()  # what the pair has not taken yet
        self.framed_last: tuple[Sequence[Message], list[bytes]] = ((), [])
        self.taken = 0
        self.left = loop.create_future()

    async def run(self) -> None:
        """Look after connections until the dispatcher closes the pair and all have left."""
        looking = self.loop.create_task(self._look())
        self.loop.add_reader(self.pair.fileno(), self.hear)
        pulse = Pulse(self.loop, self.slot, lambda _: None) if self.hosted else None
        if pulse:
            pulse.beat()
        await self.left
        await self.farewell()
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        if self.hosted:
            await self.hosted.stop()
        if pulse:
            pulse.stop()

    # The dispatcher.

    def hear(self) -> None:
        """The dispatcher hands connections over, or closes the pair."""
        for _ in range(TAKES):
            try:
                message, descriptors = receive(self.pair, self.buffer, CLOEXEC_DONTWAIT, TWO_RIGHTS)
            except BlockingIOError:
                return
            except Truncated as lost:
                self.miss(lost.message)
                continue
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
        why = self.obstacle(framed=kind in {SUBSCRIPTION, CONVERSATION})
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

    def miss(self, message: bytes) -> None:
        """A connection has come for which no descriptor was left: the dispatcher still has it, and answers."""
        if message != LOG:  # which goes on in the file that it was
            self.ended(unpack_handover(message).request.number, 503, 0)

    def framed(self, messages: Sequence[Message]) -> list[bytes]:
        """Messages as frames. What is published is mostly for many, who are given the same list, and are sent the same bytes."""
        known, frames = self.framed_last
        if messages is not known:
            frame, text = self.framing.frame, self.framing.text
            frames = [frame(text, speech.told(each)).serialize(mask=False) for each in speech.portions(messages)]
            self.framed_last = messages, frames
        return frames

    def ended(self, number: int, status: int, sent: int) -> None:
        """A request is answered, as far as the access log is concerned."""
        self.say(pack_ending(number, status, sent, 0, 0))

    def show(self) -> None:
        """Say in the slot how many there are."""
        self.slot[OPEN] = len(self.guests)
        self.slot[REQUESTS] = self.taken
        self.slot[REQUEST] = pack_progress(self.taken, RECEIVED if self.guests else DONE)
