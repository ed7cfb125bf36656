"""A request as an ASGI scope. What both kinds of pool make of a request is alike up to here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from prefork.messages import Request

VERSION = "2.4"  # since which `send` raises OSError once the client has gone


def connection_scope(kind: str, request: Request, state: dict[str, Any]) -> dict[str, Any]:
    """What scopes of both types, `http` and `websocket`, have in common. `state` is that of the lifespan."""
    memo = request.memo
    if memo is None:
        scope = told(request)
    else:
        if "scope" not in memo:
            memo["scope"] = told(request)
        scope = memo["scope"].copy()
    scope["type"] = kind
    scope["asgi"] = {"version": "3.0", "spec_version": VERSION}
    scope["headers"] = request.headers
    scope["client"] = request.client if request.client[0] else None  # a unix socket's client has no address
    scope["server"] = request.server
    scope["state"] = state.copy()
    return scope


def told(request: Request) -> dict[str, Any]:
    """What the head of a request tells, from whichever client."""
    path, _, query = request.target.partition(b"?")
    return {
        "http_version": request.version,
        "scheme": request.scheme,
        "path": (unquote_to_bytes(path) if b"%" in path else path).decode("utf-8", "replace"),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
    }


def http_scope(request: Request, state: dict[str, Any], tag: Callable[[str], None]) -> dict[str, Any]:
    """The scope of one request. `prefork.tag` and `prefork.attempt` are as in a WSGI environ."""
    scope = connection_scope("http", request, state)
    scope["method"] = request.method
    scope["extensions"] = {"http.response.pathsend": {}, "http.response.early_hint": {}}
    scope["prefork.attempt"] = request.attempt
    scope["prefork.tag"] = tag
    return scope


def websocket_scope(request: Request, state: dict[str, Any]) -> dict[str, Any]:
    """The scope of one handshake."""
    offered = b",".join(value for name, value in request.headers if name == b"sec-websocket-protocol").decode("latin-1")
    scope = connection_scope("websocket", request, state)
    scope["scheme"] = "wss" if request.scheme == "https" else "ws"
    scope["subprotocols"] = [each.strip() for each in offered.split(",") if each.strip()]
    scope["extensions"] = {"websocket.http.response": {}}
    return scope
