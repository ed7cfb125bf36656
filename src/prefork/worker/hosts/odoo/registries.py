"""Databases before the first request: made where that was asked for, loaded, and warm."""

from __future__ import annotations

import logging
import sys
from contextlib import closing, contextmanager
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any, Callable
from wsgiref.util import setup_testing_defaults

if TYPE_CHECKING:
    from collections.abc import Iterator

SUPERUSER = 1


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
