"""The contract with an application: what a host must be able to do. Every host is a proof that it is enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from typing import Any, BinaryIO, Callable

    from prefork.messages import Request
    from prefork.worker.cron import Identity, Source
    from prefork.worker.live.called import Application
    from prefork.worker.reply import Reply


class Refused(Exception):
    """The application cannot be loaded with these settings; the sentence says all, no traceback would add to it."""


class Host(Protocol):
    """An application of one kind (WSGI, …) in this process."""

    @property
    def looped(self) -> bool:
        """Whether it is called on an event loop (`worker/asgi/`), and not by `respond`. Known once it is loaded, if not before."""

    @property
    def direct(self) -> Callable[..., Any] | None:
        """What may be called as PEP 3333 says, without `respond`; None where that does more than call it and send the result."""

    def load(self) -> None:
        """Import the application: in the template, or in each worker where it does not survive a fork. Raises what it raises."""

    def sendfile_roots(self) -> tuple[str, ...]:
        """Directories below which it may name files to be sent for it, beside the configured ones. Known once it is loaded."""

    def source(self) -> Callable[[Identity], Source] | None:
        """Where its own scheduled jobs come from, for a worker; None where it has none. Known once it is loaded."""

    def live(self, tell: Callable[..., Any]) -> Application | None:
        """What speaks with the clients of a websocket worker in threads, where that is the application; it `tell`s of outages."""

    def respond(self, request: Request, body: BinaryIO, reply: Reply) -> None:
        """Answer one request. What it raises before the answer's head is sent becomes a 500, afterwards a cut connection."""
