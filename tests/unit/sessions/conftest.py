"""An application with sessions, and a browser that keeps its cookie."""

from collections.abc import Callable
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

from prefork.sessions import MemoryStore, Session, SessionMiddleware

SECRET = "s" * 32
View = Callable[[Session], Any]


class Browser:
    """Visits a store. Each call of `visit` is a request in which the application does what the view does."""

    def __init__(self, store: Any, scheme: str = "http", **options: Any) -> None:
        self.store, self.scheme, self.options = store, scheme, options
        self.cookie = ""
        self.status, self.headers, self.body = "", [("", "")], b""

    def visit(self, view: View, keep: bool = True) -> Any:
        """The view's result; without `keep` the answer's cookie gets lost."""
        results = []

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            results.append(view(environ["prefork.session"]))
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [b"fine"]

        self.call(app, keep)
        return results[0] if results else None

    def call(self, app: Any, keep: bool = True) -> None:
        """Ask an application."""
        environ: dict[str, Any] = {"HTTP_COOKIE": self.cookie, "wsgi.multiprocess": self.store.shared, "QUERY_STRING": ""}
        setup_testing_defaults(environ)
        environ["wsgi.url_scheme"] = self.scheme

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], None]:
            self.status, self.headers = status, headers
            return lambda data: None

        body = validator(SessionMiddleware(validator(app), self.store, SECRET, **self.options))(environ, start_response)
        try:
            self.body = b"".join(body)
        finally:
            body.close()
        if keep and (lines := self.all("Set-Cookie")):
            self.cookie = lines[-1].partition(";")[0]

    def all(self, name: str) -> list[str]:
        """The values of a header of the last answer."""
        return [value for key, value in self.headers if key == name]


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def browser(store: MemoryStore) -> Browser:
    return Browser(store)
