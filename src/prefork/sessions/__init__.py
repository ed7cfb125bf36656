"""Sessions for the application: `app = prefork.sessions.middleware(app)`, then `environ["prefork.session"]`, or that of the scope.

Where they are kept and for how long is the server's configuration (`session_store` and its like), or named in code with
`SessionMiddleware`. Imported by applications: standard library only, Python 3.9+; psycopg where PostgreSQL is chosen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork import given
from prefork.sessions.looped import LoopedSessionMiddleware
from prefork.sessions.middleware import SessionMiddleware
from prefork.sessions.session import Session
from prefork.sessions.store import Store, Unavailable
from prefork.sessions.stores.files import FileStore
from prefork.sessions.stores.memory import MemoryStore
from prefork.sessions.stores.postgres import PostgresStore
from prefork.sessions.stores.redis import RedisStore
from prefork.worker.asgi.detect import ASGI, interface

if TYPE_CHECKING:
    from typing import Any, Callable

__all__ = [
    "FileStore",
    "LoopedSessionMiddleware",
    "MemoryStore",
    "PostgresStore",
    "RedisStore",
    "Session",
    "SessionMiddleware",
    "Store",
    "Unavailable",
    "collect",
    "middleware",
    "store",
]
INSTEAD = "name store and secret yourself: prefork.sessions.SessionMiddleware(app, FileStore(directory), secret)"


def middleware(
    app: Callable[..., Any], *, cookie: str = "session", samesite: str = "Lax"
) -> SessionMiddleware | LoopedSessionMiddleware:
    """The application, of either interface, with sessions as the configuration says. Raises NotGiven outside of a server."""
    settings = given.to("sessions", INSTEAD)
    kind = LoopedSessionMiddleware if interface(app) == ASGI else SessionMiddleware
    return kind(
        app,
        store(),
        settings["secrets"],
        cookie=cookie,
        samesite=samesite,
        idle=settings["idle"],
        lifetime=settings["lifetime"],
    )


def store() -> Store:
    """The store of the server's configuration. Raises NotGiven outside of a server."""
    settings = given.to("sessions", INSTEAD)
    where: str = settings["store"]
    if where == "file":
        return FileStore(settings["directory"])
    if where == "memory":
        return MemoryStore()
    if where == "postgresql":
        return PostgresStore()
    return PostgresStore(where) if where.startswith("postgres") else RedisStore(where)


def collect(most: int | None = None) -> int:
    """Remove what has expired from the configured store, all of it or `most`; says how many sessions that were.

    To be run by a job. Without one, files are cleared away little by little whenever sessions begin.
    """
    return store().collect(most)
