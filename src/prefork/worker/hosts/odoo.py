"""Hosts Odoo, 15 to 19, from its own tree and its own configuration file.

The template does what `odoo-bin` does before it serves: it parses the configuration, loads the server-wide modules and the
registries of `db_name`, and besides warms what the first request would pay for. Of Odoo it replaces only what assumes Odoo's own
server around it. Every name of Odoo's that we use is in this module.
"""

from __future__ import annotations

import csv
import importlib
import importlib.util
import logging
import os
import sys
import threading
from contextlib import closing, contextmanager
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any, Callable
from wsgiref.util import setup_testing_defaults

from prefork.worker.app import Refused
from prefork.worker.hosts.wsgi import call, environ

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from prefork.messages import Request
    from prefork.worker.cron import Identity, Source
    from prefork.worker.reply import Reply

LARGEST_FIELD = 500 << 20  # characters of a CSV field: what odoo-bin allows, so that images can be imported
SUPERUSER = 1


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

    def load(self) -> None:
        """Import Odoo and load what it serves. Raises Refused, or what Odoo's code raises."""
        sys.path.insert(0, self.tree)
        sys.argv[0] = os.path.join(self.tree, "odoo-bin")  # Odoo looks at it, and at what follows it
        imported()
        config = self.configure()
        csv.field_size_limit(LARGEST_FIELD)
        import odoo

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
            visit(self.application)
        odoo.sql_db.close_all()

    def configure(self) -> Any:
        """Have Odoo read its configuration and set up its log, which is what this process prints."""
        import odoo

        config = odoo.tools.config
        config.parser.error = refuse
        flags, values = as_flags(config.parser, self.told)
        # Where it would log to a file itself, that file is ours already, and rotated by us.
        arguments = ["-c", self.file or os.devnull, "--logfile=", *flags, *self.arguments]
        config.parse_config(arguments, **quietly(config))
        for key, value in values.items():
            config[key] = value
        return config

    def sendfile_roots(self) -> tuple[str, ...]:
        """Where the files are that Odoo names in X-Sendfile instead of sending them."""
        import odoo

        config = odoo.tools.config
        return (os.path.join(config["data_dir"], "filestore"),) if config.get("x_sendfile") else ()

    def source(self) -> Callable[[Identity], Source] | None:
        """Its scheduled actions."""
        from prefork.worker.hosts.actions import Actions

        return Actions

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


def as_flags(parser: Any, told: dict[str, str]) -> tuple[list[str], dict[str, Any]]:
    """Texts for options as flags of Odoo's command line; what it has no such flag for, as values to be put over the file's."""
    options = {option.dest: option for group in parser.option_groups for option in group.option_list}
    flags, values = [], {}
    for key, text in told.items():
        option = options.get(key)
        if option is not None and option.takes_value():
            flags.append(f"{option.get_opt_string()}={text}")
        else:
            values[key] = {"True": True, "False": False}.get(text, text)
    return flags, values


def quietly(config: Any) -> dict[str, bool]:
    """The argument by which parse_config is told to set up logging, where it wants to be told (from 18 on)."""
    return {"setup_logging": True} if "setup_logging" in config.parse_config.__code__.co_varnames else {}


def refuse(message: str) -> None:
    """What Odoo's command line says of wrong arguments; it would leave the process. Raises Refused."""
    raise Refused(f"Odoo refuses its configuration: {message}")


def databases_of(config: Any) -> list[str]:
    """The databases that are loaded before the first request: a list up to 18 is a text with commas."""
    named = config["db_name"] or []
    return [name.strip() for name in named.split(",") if name.strip()] if isinstance(named, str) else list(named)


def create(databases: list[str], config: Any) -> None:
    """Create the databases that are not there, as odoo-bin does; they get the module base."""
    import odoo.service.db

    for name in databases:
        try:
            odoo.service.db._create_empty_database(name)
        except odoo.service.db.DatabaseExists:
            continue
        except Exception as error:
            if "psycopg2" not in type(error).__module__:
                raise
            logging.getLogger("prefork").warning("Whether database %s exists could not be told: %s", name, one_line(error))
        else:
            config["init"]["base"] = True


def load_registry(name: str) -> bool:
    """Load a database's registry, and do to it what `-i`, `-u` and `--test-enable` ask for.

    False when the database cannot be reached: requests may find it later. Raises RuntimeError when it cannot be loaded.
    """
    import odoo

    with kept_errors() as errors:
        failed = odoo.service.server.preload_registries([name])
    if not failed:
        return "ir.http" in odoo.modules.registry.Registry(name)  # where base is not installed, Odoo has said so
    error = next((error for error in errors if error is not None), None)
    reason = f"{type(error).__name__}: {one_line(error)}" if error else "see the log"
    if error is not None and type(error).__module__.startswith("psycopg2") and type(error).__name__ == "OperationalError":
        logging.getLogger("prefork").warning("Database %s cannot be reached, requests will load it: %s", name, one_line(error))
        return False
    raise RuntimeError(f"database {name} could not be loaded: {reason}") from error


@contextmanager
def kept_errors() -> Iterator[list[BaseException | None]]:
    """The exceptions that Odoo logs and does not raise."""
    errors: list[BaseException | None] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.exc_info:
                errors.append(record.exc_info[1])

    keeper = Keeper(logging.CRITICAL)
    logging.getLogger().addHandler(keeper)
    try:
        yield errors
    finally:
        logging.getLogger().removeHandler(keeper)


def application() -> Callable[..., Any]:
    """The WSGI application: up to 15 the one that believes proxies is another."""
    import odoo

    if importlib.util.find_spec("odoo.service.wsgi_server"):
        found: Callable[..., Any] = importlib.import_module("odoo.service.wsgi_server").application
    else:
        found = odoo.http.root
    return found


def follow_controllers() -> None:
    """Have each request say which controller it is for, as soon as that is known."""
    import odoo

    request = odoo.http.WebRequest if hasattr(odoo.http, "WebRequest") else odoo.http.Request  # up to 15, and since
    if hasattr(request, "_set_request_dispatcher"):
        wrapped = request._set_request_dispatcher

        def set_dispatcher(self: Any, rule: Any) -> Any:
            say(self, rule.endpoint)
            return wrapped(self, rule)

        request._set_request_dispatcher = set_dispatcher
    else:
        set_handler = request.set_handler

        def handled(self: Any, endpoint: Any, *arguments: Any) -> Any:
            say(self, endpoint)
            return set_handler(self, endpoint, *arguments)

        request.set_handler = handled


def say(request: Any, endpoint: Any) -> None:
    """Tag a request with its database, user and controller."""
    tag = request.httprequest.environ.get("prefork.tag")
    if tag is None:  # a request that Odoo made up for itself
        return
    session = request.session
    user = getattr(session, "uid", None)
    tag(f"{getattr(request, 'db', None) or getattr(session, 'db', None) or '-'} user={user or '-'} {controller(endpoint)}")


def controller(endpoint: Any) -> str:
    """The name of a controller's method, as `module.Class.method`."""
    method = getattr(endpoint, "func", None) or getattr(endpoint, "method", None) or endpoint
    method = getattr(method, "__func__", method)
    module = getattr(method, "__module__", "").replace("odoo.addons.", "").replace(".controllers", "")
    return f"{module}.{getattr(method, '__qualname__', '?')}"


def warm(databases: list[str]) -> None:
    """Compute what does not depend on a request: where static files are, which routes there are."""
    import odoo

    root = odoo.http.root
    if hasattr(root, "load_addons"):
        root.load_addons()
        return  # up to 15 routes are found within a request only
    for lazy in ("statics", "nodb_routing_map"):
        getattr(root, lazy, None)  # 19 has the second one only
    for name in databases:
        registry = odoo.modules.registry.Registry(name)
        with registry.cursor() as cursor:
            odoo.api.Environment(cursor, SUPERUSER, {})["ir.http"].routing_map()


def visit(application: Callable[..., Any]) -> None:
    """Ask for the page that needs least and loads most: its views, translations and assets are in memory afterwards."""
    import odoo

    surroundings: dict[str, Any] = {"PATH_INFO": "/web/login", "REMOTE_ADDR": "127.0.0.1", "wsgi.errors": sys.stderr}
    setup_testing_defaults(surroundings)
    cookies: list[str] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:  # noqa: ARG001 - PEP 3333
        cookies.extend(value for name, value in headers if name.lower() == "set-cookie")

    with closing(application(surroundings, start_response)) as answer:
        for _ in answer:
            pass
    for morsel in filter(None, (SimpleCookie(text).get("session_id") for text in cookies)):
        store = odoo.http.root.session_store
        store.delete(store.get(morsel.value))


def one_line(error: BaseException) -> str:
    """What an exception says, without line ends."""
    return " ".join(str(error).split())
