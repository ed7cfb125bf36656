"""Which interface an application has."""

import functools
from collections.abc import Callable
from typing import Any

import pytest

from prefork.worker.asgi.detect import interface


async def coroutine(scope: Any, receive: Any, send: Any) -> None: ...


def wrapped(scope: Any, receive: Any, send: Any) -> Any:
    return coroutine(scope, receive, send)


def wsgi(environ: Any, start_response: Callable[..., Any]) -> list[bytes]:
    return []


def any_number(*arguments: Any) -> Any: ...


class Asynchronous:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


class Synchronous:
    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        return []


class Iterable:
    """PEP 3333's second example: the class itself is the application."""

    def __init__(self, environ: Any, start_response: Any) -> None: ...

    async def __call__(self) -> None: ...


class Awaitable:
    def __init__(self, scope: Any, receive: Any, send: Any) -> None: ...


@pytest.mark.parametrize(
    "app",
    [coroutine, wrapped, Asynchronous(), Asynchronous().__call__, Awaitable, functools.partial(coroutine), lambda a, b, c, d=1: a],
)
def test_what_takes_scope_receive_and_send_is_asgi(app: Any) -> None:
    assert interface(app) == "asgi"


@pytest.mark.parametrize("app", [wsgi, any_number, Synchronous(), Iterable, dict, lambda environ, start, more=None: []])
def test_all_else_is_wsgi(app: Any) -> None:
    assert interface(app) == "wsgi"
