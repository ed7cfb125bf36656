"""Odoo as an application.

The template does what `odoo-bin` does before it serves: it parses the configuration, loads the server-wide modules and the
registries of `db_name`, and besides warms what the first request would pay for. Of Odoo it replaces only what assumes Odoo's own
server around it.
"""

from __future__ import annotations

import csv
import importlib
import importlib.util
import os
import sys
import threading
from typing import TYPE_CHECKING, Any, Callable

from prefork.worker.hosts.odoo.actions import Actions
from prefork.worker.hosts.odoo.configuration import configure, databases_of
from prefork.worker.hosts.odoo.controllers import follow_controllers
from prefork.worker.hosts.odoo.registries import create, load_registry, visit, warm
from prefork.worker.hosts.wsgi import call, environ

if TYPE_CHECKING:
    from typing import BinaryIO

    from prefork.messages import Request
    from prefork.worker.cron import Identity, Source
    from prefork.worker.live.called import Application
    from prefork.worker.reply import Reply

LARGEST_FIELD = 500 << 20  # characters of a CSV field: what odoo-bin allows, so that images can be imported


class Odoo:
    """Odoo below `tree`, configured by `file` (None: by its defaults).

    `arguments` are for Odoo's own command line; what `told` says is put above the file. A `first` generation creates, installs and
    updates what the arguments ask for, as Odoo does when it is started, and a later one does not. `reload` asks for a next one.
    """

    def __init__(
        self,
        tree: str,
        file: str | None,
        arguments: list[str],
        told: dict[str, str],
        *,
        first: bool,
        threaded: bool,
        reload: Callable[[], None],
    ) -> None:
        self.tree = tree
        self.file = file
        self.arguments = arguments
        self.told = told
        self.first = first
        self.threaded = threaded
        self.reload = reload
        self.application: Callable[..., Any] | None = None

    @property
    def looped(self) -> bool:
        """It is of WSGI."""
        return False

    @property
    def direct(self) -> None:
        """Nothing: of each request it is told what it has asked of the database."""

    def load(self) -> None:
        """Import Odoo and load what it serves. Raises Refused, or what Odoo's code raises."""
        sys.path.insert(0, self.tree)
        sys.argv[0] = os.path.join(self.tree, "odoo-bin")  # Odoo looks at it, and at what follows it
        imported()
        config = configure(self.file, self.arguments, self.told)
        csv.field_size_limit(LARGEST_FIELD)
        import odoo
        from prefork.worker.hosts.odoo.sessions import keep_elsewhere  # here, as other applications need none of it

        odoo.service.server.server = Surroundings()
        odoo.service.server.restart = self.reload
        databases = databases_of(config)
        if self.first:
            create(databases, config)
        else:
            for asked in ("init", "update", "reinit"):
                if config.get(asked):
                    config[asked] = {}
        odoo.service.server.load_server_wide_modules()
        loaded = [name for name in databases if load_registry(name)]
        self.application = application()
        follow_controllers()
        warm(loaded)
        if len(loaded) == 1:
            visit(self.application)  # its session is a file: the template makes no connection that workers would inherit
        self.application = keep_elsewhere(self.application)
        odoo.sql_db.close_all()

    def sendfile_roots(self) -> tuple[str, ...]:
        """Where the files are that Odoo names in X-Sendfile instead of sending them."""
        import odoo

        config = odoo.tools.config
        return (os.path.join(config["data_dir"], "filestore"),) if config.get("x_sendfile") else ()

    def source(self) -> Callable[[Identity], Source] | None:
        """Its scheduled actions."""
        return Actions

    def live(self, tell: Callable[..., Any]) -> Application | None:
        """Its bus. What only that needs is imported here: other workers are smaller without it."""
        from prefork.worker.hosts.odoo.live import Live

        assert self.application is not None
        return Live(self.application, tell)

    def respond(self, request: Request, body: BinaryIO, reply: Reply) -> None:
        """Have Odoo answer, and count what it asked of the database."""
        assert self.application is not None
        surroundings = environ(request, body, self.threaded)
        surroundings["prefork.tag"] = reply.tag
        # Our dispatcher has believed it already, if it came from a trusted proxy: Odoo would believe anybody.
        surroundings.pop("HTTP_X_FORWARDED_HOST", None)
        try:
            call(self.application, surroundings, reply)
        finally:
            thread = threading.current_thread()
            reply.asked(getattr(thread, "query_count", 0), getattr(thread, "query_time", 0.0))


class Surroundings:
    """Stands where Odoo keeps its own server, which some of its code asks for its pid, or to be told of the end."""

    def __init__(self) -> None:
        self.pid = os.getppid()

    def on_stop(self, function: Callable[[], None]) -> None:
        """What is to be called at the end of a server: workers end with all that they hold."""


def imported() -> None:
    """Import what odoo-bin would. From 19 on the first import has to be that of `odoo.init`."""
    if importlib.util.find_spec("odoo.init"):
        importlib.import_module("odoo.init")
    for name in ("odoo", "odoo.tools", "odoo.netsvc", "odoo.sql_db", "odoo.http", "odoo.modules.registry", "odoo.service.server"):
        importlib.import_module(name)


def application() -> Callable[..., Any]:
    """The WSGI application: up to 15 the one that believes proxies is another."""
    import odoo

    if importlib.util.find_spec("odoo.service.wsgi_server"):
        found: Callable[..., Any] = importlib.import_module("odoo.service.wsgi_server").application
    else:
        found = odoo.http.root
    return found
