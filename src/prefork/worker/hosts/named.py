"""Hosts an application that is named by its module, of either interface: WSGI, or ASGI, whose calls `worker/asgi/` makes."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Callable

from prefork.worker import names
from prefork.worker.app import Refused
from prefork.worker.asgi.detect import ASGI, WSGI, interface
from prefork.worker.hosts.wsgi import call, environ

if TYPE_CHECKING:
    from typing import BinaryIO

    from prefork.messages import Request
    from prefork.worker.cron import Identity, Source
    from prefork.worker.live.called import Application
    from prefork.worker.reply import Reply


class Named:
    """An application named `module:attribute` or `module:factory()`; the attribute defaults to `application` or `app`.

    `threaded`: several threads of this process, the only one, call it at the same time. `interface` is known from the beginning, or
    empty until the application is there and tells it. `concurrency` is how many requests at a time a worker was told to serve, 0
    where nothing was said.
    """

    def __init__(self, app: str, threaded: bool = False, interface: str = "", concurrency: int = 0) -> None:
        self.app = app
        self.threaded = threaded
        self.interface = interface
        self.concurrency = concurrency
        self.application: Callable[..., Any] | None = None

    def load(self) -> None:
        """Import the application. Raises ImportError, AttributeError, TypeError, Refused with a sentence, or what it raises."""
        name, _, attribute = self.app.partition(":")
        module = importlib.import_module(name)
        calls = attribute.endswith("()")
        if calls:
            attribute = attribute[:-2]
        found = names.attribute(module, attribute or default(module), f"app = {self.app}")
        found = found() if calls else found
        if not callable(found):
            raise TypeError(f"app = {self.app}: {type(found).__name__} is not an application, it cannot be called")
        self.interface = self.interface or interface(found)
        if self.interface == WSGI and self.concurrency > 1:
            raise Refused(
                f"concurrency = {self.concurrency}: {self.app} is a WSGI application, of which a worker serves one request at a "
                "time; remove the option, or set interface = asgi if it is one of ASGI"
            )
        self.application = found

    @property
    def looped(self) -> bool:
        """Whether its requests are served on an event loop."""
        return self.interface == ASGI

    @property
    def direct(self) -> Callable[..., Any] | None:
        """The application, unless an event loop calls it."""
        return None if self.looped else self.application

    def sendfile_roots(self) -> tuple[str, ...]:
        """None: which there are is for the configuration to say."""
        return ()

    def source(self) -> Callable[[Identity], Source] | None:
        """None: jobs are declared with the option `jobs`."""
        return None

    def live(self, tell: Callable[..., Any]) -> Application | None:
        """Nothing: it speaks with clients in the loop, or the bus does."""

    def respond(self, request: Request, body: BinaryIO, reply: Reply) -> None:
        """Call the application and send what it returns."""
        assert self.application is not None
        surroundings = environ(request, body, self.threaded)
        surroundings["prefork.tag"] = reply.tag
        call(self.application, surroundings, reply)


def default(module: Any) -> str:
    """The attribute that is meant when none is named."""
    return "application" if hasattr(module, "application") else "app"
