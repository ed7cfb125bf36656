"""Odoo in a websocket worker: its live connections, by its own code, in whichever way its version has them."""

from __future__ import annotations

import importlib.util
import io
from typing import TYPE_CHECKING, Any, Callable

from prefork.worker.hosts.odoo import polls, sockets
from prefork.worker.hosts.odoo.bell import Bell
from prefork.worker.hosts.wsgi import environ
from prefork.worker.live.called import Answer

if TYPE_CHECKING:
    from prefork.messages import Request
    from prefork.worker.live.called import Caller


class Live:
    """Fulfils `worker/live/called.py`. `application` is Odoo's of WSGI; made in a websocket worker, once."""

    def __init__(self, application: Callable[..., Any], tell: Callable[..., Any]) -> None:
        self.application = application
        self.bell = Bell(tell)
        self.sockets = has("odoo.addons.bus.websocket")
        if self.sockets:
            sockets.adapt(self.bell)
        elif has("odoo.addons.bus"):
            polls.adapt(self.bell)
        keep_to_own_share()

    def talk(self, request: Request, caller: Caller) -> sockets.Talk:
        """A WebSocket."""
        return sockets.Talk(caller, self.bell, lambda talk: self.answer(request, {"socket": talk}))

    def watch(self, request: Request, ring: Callable[[], None]) -> polls.Watch:
        """A long poll, or any other request where no other worker is there to answer it."""
        return polls.Watch(ring, self.bell, lambda watch: self.answer(request, {polls.KEY: watch}))

    def answer(self, request: Request, more: dict[str, Any]) -> Answer:
        """What Odoo answers to a request."""
        surroundings = environ(request, io.BytesIO(request.body or b""), threaded=True)
        surroundings.pop("HTTP_X_FORWARDED_HOST", None)  # as for all requests
        surroundings.update(more)
        started: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], None]:  # noqa: ARG001 - PEP 3333
            started[:] = [status, headers]
            return parts.append

        parts: list[bytes] = []
        result = self.application(surroundings, start_response)
        parts.extend(result)
        status, headers = started
        return Answer(status, headers, b"".join(parts), getattr(result, "close", nothing))


def nothing() -> None:
    """What has no end."""


def has(module: str) -> bool:
    """Whether Odoo has a module; the package around it is imported."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def keep_to_own_share() -> None:
    """Open as many database connections as Odoo's own process for live connections would (db_maxconn_gevent)."""
    import odoo

    if most := odoo.tools.config.get("db_maxconn_gevent"):
        odoo.tools.config["db_maxconn"] = int(most)
        odoo.sql_db._Pool = None  # the next connection makes it anew; all that it had are closed
