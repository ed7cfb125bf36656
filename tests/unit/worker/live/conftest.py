"""A websocket worker's loop in a thread, with a hub that the test is, and clients whose handshakes the real parser reads."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import websockets
from websockets.sync.client import ClientConnection, connect

from prefork.http.head import Reader
from prefork.messages import POLL, SUBSCRIPTION, Request, pack_handover, pair, send
from prefork.scoreboard import Scoreboard
from prefork.worker.live.authority import Authority
from prefork.worker.live.called import Application, Called
from prefork.worker.live.guests import Terms
from prefork.worker.live.hosted import Hosted
from prefork.worker.live.keeper import Keeper
from prefork.worker.live.lent import event_loop, framing
from prefork.worker.output import Output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from prefork.worker.asgi.lifespan import App
    from prefork.worker.live.hub import Message, Subscriber

TERMS = Terms(connections=100, origins=(), message_max=1024, send_queue=4096, rate=1000.0, ping=30.0, farewell=1.0)
WITHIN = 15.0


def until(fact: Callable[[], bool]) -> None:
    for _ in range(int(WITHIN / 0.01)):
        if fact():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it never came true")


class Bus:
    """A hub: who is attached hears what is published."""

    def __init__(self) -> None:
        self.attached: dict[Subscriber, tuple[frozenset[str], int | None]] = {}
        self.changed = threading.Condition()

    def attach(self, subscriber: Subscriber, channels: frozenset[str], last: int | None) -> int:
        with self.changed:
            self.attached[subscriber] = (channels, last)
            self.changed.notify_all()
        return 7 if last is None else last

    def detach(self, subscriber: Subscriber) -> None:
        with self.changed:
            self.attached.pop(subscriber, None)
            self.changed.notify_all()

    def publish(self, *messages: Message) -> None:
        for subscriber in list(self.attached):
            subscriber.deliver(messages)

    def await_attached(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.attached) == count, WITHIN)


class Station:
    """The worker. `told` is what the master heard."""

    def __init__(
        self, terms: Terms, authorize: Callable[..., Any] | None, off: str, app: App | None, application: Application | None
    ) -> None:
        self.ours, theirs = pair()
        self.theirs = theirs
        self.slot = Scoreboard.create().slot(0)
        self.told: list[dict[str, Any]] = []
        self.bus = Bus()
        self.loop = event_loop()
        library = framing(websockets.__path__[0])
        hosted = Hosted(self.loop, app) if app else None
        if hosted:
            hosted.start()
        authority = Authority(self.loop, authorize)
        self.called = Called(self.loop, application) if application else None
        self.keeper = Keeper(
            self.loop, theirs, self.slot, Output(), terms, library, authority, self.bus, off, self.tell, hosted, self.called
        )
        self.number = 0
        self.helpers = ThreadPoolExecutor(1)
        self.thread = threading.Thread(target=self.loop.run_until_complete, args=(self.keeper.run(),))
        self.thread.start()

    def tell(self, kind: str, **fields: Any) -> None:
        self.told.append({"kind": kind, **fields})

    def hand_over(self, request: Request, client: socket.socket, kind: int = SUBSCRIPTION) -> None:
        """As the dispatcher does."""
        send(self.ours, pack_handover(request, kind, b""), [client.fileno()])
        client.close()

    def request(self, method: str, target: str, headers: list[tuple[bytes, bytes]], body: bytes = b"") -> Request:
        self.number += 1
        client, server = ("10.0.0.9", 1234), ("127.0.0.1", 8072)
        return Request(
            self.number,
            1,
            method,
            target.encode(),
            "1.1",
            headers,
            body,
            len(body),
            client,
            server,
            "http",
            False,
            f"r-{self.number}",
        )

    def connect(self, window: int = 0, **options: Any) -> ClientConnection:
        """A WebSocket of a client."""
        mine, its = socket.socketpair()
        if window:
            its.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, window)
        given = {"compression": None, "ping_interval": None, "close_timeout": 1, "legacy": True, **options}
        opening = self.helpers.submit(connect, "ws://shop.example/websocket", sock=mine, **given)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += its.recv(65536)
        self.hand_over(self.request("GET", "/websocket", Reader().read(head).headers), its)
        return opening.result(WITHIN)

    def poll(self, body: bytes, method: str = "POST") -> socket.socket:
        """A client's long poll."""
        mine, its = socket.socketpair()
        mine.settimeout(WITHIN)
        self.hand_over(self.request(method, "/longpolling/poll", [(b"host", b"shop.example")], body), its, POLL)
        return mine

    def call(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Have something done in the loop."""
        done = threading.Event()
        self.loop.call_soon_threadsafe(lambda: (function(*arguments), done.set()))
        assert done.wait(WITHIN)

    def publish(self, *messages: Message) -> None:
        self.call(self.bus.publish, *messages)

    def leave(self) -> None:
        """The dispatcher closes the pair."""
        self.ours.close()

    def close(self) -> None:
        self.leave()
        self.thread.join(WITHIN)
        assert not self.thread.is_alive()
        self.helpers.shutdown()
        self.keeper.authority.threads.shutdown()
        if self.called:
            self.called.threads.shutdown()
        self.theirs.close()
        self.loop.close()


def allow(environ: dict[str, Any], channels: frozenset[str]) -> bool | Sequence[str]:
    """An application: everything but secrets."""
    return channels - {"secret"}


@pytest.fixture
def station() -> Iterator[Callable[..., Station]]:
    """Makes workers."""
    made: list[Station] = []

    def make(
        authorize: Callable[..., Any] | None = allow,
        off: str = "",
        app: App | None = None,
        application: Application | None = None,
        **terms: Any,
    ) -> Station:
        made.append(Station(TERMS._replace(**terms), authorize, off, app, application))
        return made[-1]

    yield make
    for each in made:
        each.close()
