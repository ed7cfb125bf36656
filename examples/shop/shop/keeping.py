"""What visitors leave with us: their session and their files, kept by the server as its configuration says.

Without that server, as in the tests, both are kept in the shop's own data directory, for this process alone.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, cast

from flask import Flask, current_app
from flask.sessions import SessionInterface, SessionMixin

from prefork import filestore, sessions
from prefork.given import NotGiven

from . import storage

if TYPE_CHECKING:
    from flask import Request, Response


class Sessions(SessionInterface):
    """Flask's `session` is the server's: what has changed is found and kept by the middleware."""

    def open_session(self, app: Flask, request: Request) -> SessionMixin:  # noqa: ARG002 (Flask's signature)
        return cast("SessionMixin", request.environ["prefork.session"])

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Nothing to do here."""


def install(app: Flask) -> None:
    app.session_interface = Sessions()
    wsgi_app: Any = app.wsgi_app
    try:
        app.wsgi_app = sessions.middleware(wsgi_app, cookie="tine")  # type: ignore[method-assign]
        app.extensions["files"] = filestore.configured()
    except NotGiven:
        directory = storage.directory()
        store = sessions.FileStore(directory / "sessions")
        app.wsgi_app = sessions.SessionMiddleware(wsgi_app, store, secrets.token_hex(), cookie="tine")  # type: ignore[method-assign]
        app.extensions["files"] = filestore.Filestore(directory / "files")


def files() -> filestore.Filestore:
    return cast("filestore.Filestore", current_app.extensions["files"])
