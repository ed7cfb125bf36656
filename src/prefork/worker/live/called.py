"""Applications that are called in threads for what happens to a connection: what they have to do, and where they are called.

Nothing of such an application runs in the loop, and what happens to one connection is told one after the other. Who it is, which
messages mean what, and what it says to its clients is its own business.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence
    from typing import Callable

    from prefork.messages import Request
    from prefork.worker.live.assembly import Whole

THREADS = 4


class Answer(NamedTuple):
    """What an application answers to a request. Behind it `close` is called, in a thread."""

    status: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    close: Callable[[], None]


class Caller(Protocol):
    """One client of a WebSocket, as the application's threads see it. All of it happens later, in the loop."""

    @property
    def foreign(self) -> str:
        """From which page it connects, where that is of another origin than the server's own; empty otherwise."""

    def say(self, text: bytes) -> None:
        """Send a text."""

    def end(self, code: int, reason: str) -> None:
        """Close the connection."""

    def cut(self) -> None:
        """Close it without a word."""

    def wake(self) -> None:
        """Have `turn` called, once at least from now on."""


class Talk(Protocol):
    """The application's side of a WebSocket. All but `hear` and `worn` are called in threads, never two at once."""

    def shake(self) -> Answer:
        """Answer the handshake. Any other status than 101 is the end of it."""

    def begin(self) -> bool:
        """The handshake has been answered with 101; the rest is as in `turn`."""

    def hear(self, message: Whole) -> None:
        """Keep a message for the next turn."""

    def worn(self) -> bool:
        """Whether the application wants a turn although nothing has happened."""

    def turn(self) -> bool:
        """Do what there is to be done. True: it cannot be done now, and is to be tried again in a while."""

    def leave(self) -> None:
        """The client has gone. Called once, if `begin` was."""


class Watch(Protocol):
    """The application's side of a request that may wait for something to happen. All is called in threads, never two at once."""

    waits: bool  # nothing has happened yet: the answer is for when nothing does

    def ask(self) -> Answer:
        """Answer the request as things are now."""

    def leave(self) -> None:
        """It is answered, or its client has gone."""


class Application(Protocol):
    """An application that speaks with the clients of websocket workers by itself. `sockets`: it knows what a WebSocket is."""

    sockets: bool

    def talk(self, request: Request, caller: Caller) -> Talk:
        """What is to be called for a WebSocket."""

    def watch(self, request: Request, ring: Callable[[], None]) -> Watch:
        """What is to be called for a request; it calls `ring`, in whichever thread, when what it waits for has happened."""


class Called:
    """An application and the threads in which it is called."""

    def __init__(self, loop: asyncio.AbstractEventLoop, application: Application) -> None:
        self.loop = loop
        self.application = application
        self.threads = ThreadPoolExecutor(THREADS, "live")

    def call(self, function: Callable[[], Any], done: Callable[[asyncio.Future[Any]], None]) -> None:
        """Call a function of the application; `done` is called in the loop."""

        def returned(future: asyncio.Future[Any]) -> None:
            future.exception()  # asked for here, or asyncio complains of those that nobody waits for any more
            done(future)

        self.loop.run_in_executor(self.threads, function).add_done_callback(returned)
