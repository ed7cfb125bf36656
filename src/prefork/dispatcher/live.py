"""Connections that change owner: which ones do, which websocket worker gets them, and what it says of them.

A worker acknowledges a connection, and from then on the dispatcher has none of it but the request, until that has ended for the
access log. One that its worker has not acknowledged before it died goes to another one.
"""

from __future__ import annotations

import os
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from prefork.dispatcher.loops import turns
from prefork.dispatcher.states import State
from prefork.dispatcher.workers import BEGIN_WITHIN, SCARCE, Sentence, Worker
from prefork.http.paths import Paths
from prefork.messages import CONVERSATION, POLL, STREAM, SUBSCRIPTION, pack_handover
from prefork.scoreboard import OPEN

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from prefork.dispatcher.answers import Answers
    from prefork.dispatcher.exchange import Exchange
    from prefork.dispatcher.options import Options
    from prefork.dispatcher.traffic import Loop
    from prefork.http.head import Head
    from prefork.messages import Ending
    from prefork.scoreboard import Slot

UNDER_WAY = 32  # connections on their way to one worker; a pair has room for so many with small requests
MOST_EARLY = 16384  # bytes that a client may send before its handshake is answered
MOST_DELIVERIES = 2  # after so many deaths a connection is no accident any more


class Keeper(Worker):
    """A websocket worker. `given` are the requests on their way to it, `kept` those that it has and has not answered yet.

    `full` while its pair has no room for another one. `speaks`: the application itself speaks with clients in it.
    """

    __slots__ = ("full", "given", "kept", "speaks")

    def __init__(
        self, number: int, name: str, pid: int, slot: Slot, wire: socket.socket, pidfd: int, counters: int | None = None
    ) -> None:
        super().__init__(number, name, pid, slot, wire, pidfd, counters)
        self.given: dict[int, Exchange] = {}
        self.kept: dict[int, Exchange] = {}
        self.full = self.speaks = False

    @property
    def load(self) -> int:
        """How many connections it has, or is about to have."""
        return self.slot[OPEN] + len(self.given)

    def arrived(self, number: int) -> Exchange:
        """A connection is on its way no more."""
        self.full = False
        return self.given.pop(number)

    def is_given(self, number: int) -> bool:
        """Whether the connection that it says it has taken is on its way to it."""
        return number in self.given

    def has(self, number: int) -> bool:
        """Whether it has a request that it has not answered yet, or is to have it."""
        return number in self.kept or number in self.given

    def stuck(self, now: float) -> bool:
        """Whether it has not acknowledged a connection in time. An application may hold the loop up to a limit of its own."""
        return not self.speaks and any(now - exchange.assigned > BEGIN_WITHIN for exchange in self.given.values())

    def tell_gone(self, number: int) -> None:
        """It looks after its connections by itself."""

    def held_up(self) -> bool:
        """Whether an application holds its loop now."""
        return self.speaks and not turns(self.slot.words, time.monotonic_ns())


class Live:
    """`keepers` by slot; `waiting` are connections that none of them can be given now.

    `speaks`: the application itself speaks with clients; None until a worker has said so. `pass_on` takes what turns out not to be
    for these workers.
    """

    def __init__(self, loop: Loop, options: Options, answers: Answers, pass_on: Callable[[Exchange], None]) -> None:
        self.loop = loop
        self.answers = answers
        self.pass_on = pass_on
        self.speaks: bool | None = None
        self.keepers: dict[int, Keeper] = {}
        self.waiting: deque[Exchange] = deque()
        self.ending = ""  # why no connection will be given to a worker any more
        self.apply(options)

    def apply(self, options: Options) -> None:
        """Use these settings from now on."""
        self.options = options
        self.on = options.websocket_workers > 0
        self.sockets, self.polls, self.routes = (
            Paths([paths] if paths else [])
            for paths in (options.websocket_paths, options.longpolling_paths, options.websocket_routes)
        )

    # Which connections.

    def wants(self, exchange: Exchange) -> bool:
        """Whether a request is for a websocket worker."""
        return self.kind(exchange) is not None

    def kind(self, exchange: Exchange) -> int | None:
        """What a request's connection is for a websocket worker, None where it is nothing.

        Where the application itself speaks with clients, it has every handshake but those for the bus. At a port of its own, what
        has a WebSocket's path is one that has forgotten to ask for the upgrade.
        """
        if not self.on:
            return None
        target = exchange.head.target
        if self.options.bus or not self.speaks:
            if self.polls.find(target) is not None:
                return POLL
            if self.sockets.find(target) is not None and (upgrades(exchange) or self.alone(exchange)):
                return SUBSCRIPTION
            if self.options.open_live_port and not self.options.http_enable:
                return POLL  # nobody else is there to answer it
        if self.speaks is False:
            return None
        if upgrades(exchange):
            return CONVERSATION
        return STREAM if self.routes.find(target) is not None else None

    def alone(self, exchange: Exchange) -> bool:
        """Whether nothing else is served where a request has come in."""
        options = self.options
        own = exchange.connection.local[1] == options.websocket_port != options.http_port
        return not options.http_enable or (own and options.websocket_workers > 0 and not options.open_live_port)

    def hand_over(self, exchange: Exchange) -> None:
        """Give a connection to a worker, or have it wait for one."""
        if not self.portable(exchange, self.kind(exchange) == STREAM):
            self.answers.fail(exchange, 413, "", worker="-")
        elif self.ending or len(self.waiting) >= self.options.queue_size:
            self.answers.fail(exchange, 503, self.ending or "too many connections wait for a websocket worker", worker="-")
        else:
            exchange.connection.to(State.HANDED)
            self.waiting.append(exchange)
            self._serve()
            if exchange in self.waiting:
                exchange.connection.watch()

    def withdraw(self, exchange: Exchange) -> bool:
        """The client of a connection that waits for a worker has left; False where it does not wait."""
        if exchange not in self.waiting:
            return False
        self.waiting.remove(exchange)
        exchange.discard()
        return True

    def portable(self, exchange: Exchange, large: bool = False) -> bool:
        """Whether what came with a request can go with its connection; of its body a `large` one, too."""
        return (large or isinstance(exchange.body, bytes)) and len(exchange.connection.inbound.buffer) <= MOST_EARLY

    # To and from workers.

    def add(self, keeper: Keeper) -> None:
        """A worker is ready."""
        self.keepers[keeper.number] = keeper
        self._look_again()
        self._serve()

    def _look_again(self) -> None:
        """See what the youngest worker says of the application; without any, what the last one said counts."""
        staying = [keeper for keeper in self.keepers.values() if not keeper.retiring]
        if staying:
            self.speaks = staying[-1].speaks

    def _serve(self) -> None:
        while self.waiting and (keeper := self._idlest()):
            exchange = self.waiting.popleft()
            if exchange.connection.state is not State.HANDED:
                exchange.discard()
                continue
            kind = self.kind(exchange)
            if kind is None:
                self.pass_on(exchange)
                exchange.connection.proceed()
            elif not self._give(exchange, kind, keeper):
                self.waiting.appendleft(exchange)
                if not (keeper.retiring or keeper.full):
                    return

    def _idlest(self) -> Keeper | None:
        """Who has the fewest connections of those that can be given one; one whose loop is held up comes last."""
        able = [each for each in self.keepers.values() if self._able(each)]
        return min(able, key=lambda keeper: (keeper.held_up(), keeper.load), default=None)

    def _able(self, keeper: Keeper) -> bool:
        free = not (keeper.retiring or keeper.condemned or keeper.full) and len(keeper.given) < UNDER_WAY
        return free and keeper.speaks is self.speaks

    def _give(self, exchange: Exchange, kind: int, keeper: Keeper) -> bool:
        message = pack_handover(exchange.request(keep=False), kind, exchange.connection.inbound.buffer)
        try:
            keeper.give(message, exchange.descriptors())
        except OSError as error:
            # There is room when one of those has arrived. Else it is dead, which its pidfd will say too, or its pair is of no use.
            keeper.full = bool(keeper.given) and isinstance(error, BlockingIOError)
            keeper.retiring = not keeper.full and error.errno not in SCARCE
            if keeper.retiring and not isinstance(error, ConnectionError):
                self.loop.tell_master("faulty", keeper)
            return False
        exchange.deliveries += 1
        exchange.assigned = time.monotonic()
        exchange.worker = keeper
        keeper.given[exchange.number] = exchange
        return True

    def taken(self, keeper: Keeper, number: int) -> None:
        """A worker owns a connection: close our copy."""
        exchange = keeper.kept[number] = keeper.arrived(number)
        if exchange.connection.state is State.HANDED:
            exchange.connection.hand_off()
        exchange.discard()
        self._part_if_done(keeper)
        self._serve()

    def ended(self, keeper: Keeper, ending: Ending) -> None:
        """A handshake or a long poll is answered, or its client has left before; or the worker has not been able to take it."""
        if ending.number in keeper.given:
            self._fail(keeper.arrived(ending.number), "the websocket worker has no descriptor left for it")
            self._part_if_done(keeper)
            self._serve()
            return
        exchange = keeper.kept.pop(ending.number)
        if ending.status:
            self.answers.account(exchange, ending.status, ending.sent, keeper.name, ending)

    def retire(self, keeper: Keeper) -> None:
        """Give a worker no further connection, and let it go when those on their way have arrived."""
        keeper.retiring = True
        self._look_again()
        self._part_if_done(keeper)
        if keeper.number in self.keepers:
            self.loop.tell_master("withdrawn", keeper)

    def _part_if_done(self, keeper: Keeper) -> None:
        if keeper.retiring and not keeper.given and keeper.number in self.keepers:
            self.loop.part(keeper)

    def forget(self, keeper: Keeper) -> None:
        """A worker's pair is about to be closed. It answers what it has, but nobody hears of it."""
        self.keepers.pop(keeper.number, None)
        for exchange in keeper.kept.values():
            self.answers.account(exchange, 101 if upgrades(exchange) else 200, 0, keeper.name)
        keeper.kept.clear()

    def condemn(self, keeper: Keeper, sentence: Sentence) -> bool:
        """A worker is to be killed, with all its connections: it gets nothing more."""
        keeper.condemned = sentence
        return True

    def bury(self, keeper: Keeper) -> dict[str, Any]:
        """A worker is dead, and with it its connections. Those that it has not acknowledged go to another one."""
        self.keepers.pop(keeper.number, None)
        self._look_again()
        for exchange in keeper.kept.values():
            self.answers.account(exchange, 502, 0, keeper.name)
        for exchange in reversed(keeper.given.values()):
            if exchange.connection.state is not State.HANDED:
                exchange.discard()
                continue
            if exchange.deliveries < MOST_DELIVERIES:
                self.waiting.appendleft(exchange)
            else:
                self.answers.fail(exchange, 502, "the worker died", worker=keeper.name, incident=os.urandom(4).hex())
        keeper.given.clear()
        self._serve()
        return {"incident": keeper.condemned.incident} if keeper.condemned else {}

    # In between.

    def tick(self, now: float) -> None:
        """Look at what has waited too long, and try again with what the kernel could hand to nobody."""
        self._serve()
        for keeper in list(self.keepers.values()):
            if keeper.stuck(now):
                self.loop.hear_out(keeper)
                if keeper.stuck(now):
                    self.loop.tell_master("stuck", keeper, **keeper.seen())
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
        else:
            exchange.discard()


def upgrades(exchange: Exchange) -> bool:
    """Whether a request asks for a WebSocket (RFC 6455, 4.2.1). An Upgrade that Connection does not name was meant for somebody
    before us, who has not taken it out (RFC 9110, 7.8).
    """
    head = exchange.head
    if head.method != "GET" or head.version != "1.1" or head.header(b"upgrade") is None:
        return False
    return b"websocket" in words(head, b"upgrade") and b"upgrade" in words(head, b"connection")


def words(head: Head, name: bytes) -> set[bytes]:
    """What is listed in all headers of a name, in lower case."""
    return {word.strip() for known, value in head.headers if known == name for word in value.lower().split(b",")}
