"""Connections that change owner: which ones do, which websocket worker gets them, and what it says of them.

A worker acknowledges a connection, and from then on the dispatcher has none of it but the request, until that has ended for the
access log. One that its worker has not acknowledged before it died goes to another one.
"""

from __future__ import annotations

import secrets
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from prefork.dispatcher.paths import Paths
from prefork.dispatcher.states import State
from prefork.dispatcher.workers import BEGIN_WITHIN, Sentence, Worker
from prefork.messages import pack_handover
from prefork.scoreboard import OPEN

if TYPE_CHECKING:
    from prefork.dispatcher.answers import Answers
    from prefork.dispatcher.exchange import Exchange
    from prefork.dispatcher.options import Options
    from prefork.dispatcher.traffic import Loop
    from prefork.messages import Ending

UNDER_WAY = 32  # connections on their way to one worker: what its pair surely has room for
MOST_EARLY = 16384  # bytes that a client may send before its handshake is answered
MOST_DELIVERIES = 2  # after so many deaths a connection is no accident any more


class Keeper(Worker):
    """A websocket worker. `given` are the requests on their way to it, `kept` those that it has and has not answered yet."""

    __slots__ = ("given", "kept")

    def __init__(self, *place: Any) -> None:
        super().__init__(*place)
        self.given: dict[int, Exchange] = {}
        self.kept: dict[int, Exchange] = {}

    @property
    def load(self) -> int:
        """How many connections it has, or is about to have."""
        return self.slot[OPEN] + len(self.given)

    def is_given(self, number: int) -> bool:
        """Whether the connection that it says it has taken is on its way to it."""
        return number in self.given

    def has(self, ending: Ending) -> bool:
        """Whether it has the request that it says it has answered."""
        return ending.number in self.kept

    def stuck(self, now: float) -> bool:
        """Whether it has not acknowledged a connection in time."""
        return any(now - exchange.assigned > BEGIN_WITHIN for exchange in self.given.values())


class Live:
    """`keepers` by slot; `waiting` are connections that none of them can be given now."""

    def __init__(self, loop: Loop, options: Options, answers: Answers) -> None:
        self.loop = loop
        self.answers = answers
        self.keepers: dict[int, Keeper] = {}
        self.waiting: deque[Exchange] = deque()
        self.ending = ""  # why no connection will be given to a worker any more
        self.apply(options)

    def apply(self, options: Options) -> None:
        """Use these settings from now on."""
        self.options = options
        on = options.websocket_workers > 0
        self.sockets = Paths([options.websocket_paths] if on and options.websocket_paths else [])
        self.polls = Paths([options.longpolling_paths] if on and options.longpolling_paths else [])

    # Which connections.

    def wants(self, exchange: Exchange) -> bool:
        """Whether a request is for a websocket worker. At its own port that is also who has forgotten to ask for the upgrade."""
        target = exchange.head.target
        if self.polls.find(target) is not None:
            return True
        return self.sockets.find(target) is not None and (upgrades(exchange) or self.alone(exchange))

    def alone(self, exchange: Exchange) -> bool:
        """Whether nothing else is served where a request has come in."""
        options = self.options
        own = exchange.connection.local[1] == options.websocket_port != options.http_port
        return not options.http_enable or (own and options.websocket_workers > 0)

    def hand_over(self, exchange: Exchange) -> None:
        """Give a connection to a worker, or have it wait for one."""
        if not isinstance(exchange.body, bytes) or len(exchange.connection.inbound.buffer) > MOST_EARLY:
            self.answers.fail(exchange, 413, "", worker="-")
        elif self.ending or len(self.waiting) >= self.options.queue_size:
            self.answers.fail(exchange, 503, self.ending or "too many connections wait for a websocket worker", worker="-")
        else:
            exchange.connection.to(State.HANDED)
            self.waiting.append(exchange)
            self._serve()

    # To and from workers.

    def add(self, keeper: Keeper) -> None:
        """A worker is ready."""
        self.keepers[keeper.number] = keeper
        self._serve()

    def _serve(self) -> None:
        while self.waiting and (keeper := self._idlest()):
            exchange = self.waiting.popleft()
            if exchange.connection.state is State.HANDED and not self._give(exchange, keeper):
                self.waiting.appendleft(exchange)

    def _idlest(self) -> Keeper | None:
        """Who has the fewest connections of those that can be given one."""
        able = [each for each in self.keepers.values() if not (each.retiring or each.condemned) and len(each.given) < UNDER_WAY]
        return min(able, key=lambda keeper: keeper.load, default=None)

    def _give(self, exchange: Exchange, keeper: Keeper) -> bool:
        poll = self.polls.find(exchange.head.target) is not None
        message = pack_handover(exchange.request(keep=False), poll, exchange.connection.inbound.buffer)
        try:
            keeper.give(message, exchange.descriptors())
        except OSError as error:
            keeper.retiring = True  # it is dead, which its pidfd will say too, or its pair is of no use any more
            if not isinstance(error, ConnectionError):
                self.loop.tell_master("faulty", keeper)
            return False
        exchange.deliveries += 1
        exchange.assigned = time.monotonic()
        exchange.worker = keeper
        keeper.given[exchange.number] = exchange
        return True

    def taken(self, keeper: Keeper, number: int) -> None:
        """A worker owns a connection: close our copy."""
        exchange = keeper.kept[number] = keeper.given.pop(number)
        if exchange.connection.state is State.HANDED:
            exchange.connection.hand_off()
        self._part_if_done(keeper)
        self._serve()

    def ended(self, keeper: Keeper, ending: Ending) -> None:
        """A handshake or a long poll is answered, or its client has left before."""
        exchange = keeper.kept.pop(ending.number)
        if ending.status:
            self.answers.account(exchange, ending.status, ending.sent, keeper.name, ending)

    def retire(self, keeper: Keeper) -> None:
        """Give a worker no further connection, and let it go when those on their way have arrived."""
        keeper.retiring = True
        self._part_if_done(keeper)
        if keeper.number in self.keepers:
            self.loop.tell_master("withdrawn", keeper)

    def _part_if_done(self, keeper: Keeper) -> None:
        if keeper.retiring and not keeper.given and keeper.number in self.keepers:
            self.loop.part(keeper)

    def forget(self, keeper: Keeper) -> None:
        """A worker's pair is about to be closed. It answers its long polls, but nobody hears of it."""
        self.keepers.pop(keeper.number, None)
        for exchange in keeper.kept.values():
            self.answers.account(exchange, 200, 0, keeper.name)
        keeper.kept.clear()

    def condemn(self, keeper: Keeper, sentence: Sentence) -> bool:
        """A worker is to be killed, with all its connections: it gets nothing more."""
        keeper.condemned = sentence
        return True

    def bury(self, keeper: Keeper) -> dict[str, Any]:
        """A worker is dead, and with it its connections. Those that it has not acknowledged go to another one."""
        self.keepers.pop(keeper.number, None)
        for exchange in keeper.kept.values():
            self.answers.account(exchange, 502, 0, keeper.name)
        for exchange in reversed(keeper.given.values()):
            if exchange.connection.state is not State.HANDED:
                continue
            if exchange.deliveries < MOST_DELIVERIES:
                self.waiting.appendleft(exchange)
            else:
                self.answers.fail(exchange, 502, "the worker died", worker=keeper.name, incident=secrets.token_hex(4))
        keeper.given.clear()
        self._serve()
        return {"incident": keeper.condemned.incident} if keeper.condemned else {}

    # In between.

    def tick(self, now: float) -> None:
        """Look at what has waited too long."""
        for keeper in self.keepers.values():
            if keeper.stuck(now):
                self.loop.tell_master("stuck", keeper)
        while self.waiting and now - self.waiting[0].arrived > self.options.queue_timeout:
            self._fail(self.waiting.popleft(), "it waited too long for a websocket worker (queue_timeout)")

    def give_up(self, reason: str) -> None:
        """Answer everything that waits for a worker, now and from now on: there will be none."""
        self.ending = reason
        while self.waiting:
            self._fail(self.waiting.popleft(), reason)

    def _fail(self, exchange: Exchange, reason: str) -> None:
        if exchange.connection.state is State.HANDED:
            self.answers.fail(exchange, 503, reason, worker="-")
            exchange.connection.proceed()


def upgrades(exchange: Exchange) -> bool:
    """Whether a request asks for a WebSocket (RFC 6455, 4.2.1)."""
    head = exchange.head
    asked = (head.header(b"upgrade") or b"").lower()
    return head.method == "GET" and head.version == "1.1" and b"websocket" in [word.strip() for word in asked.split(b",")]
