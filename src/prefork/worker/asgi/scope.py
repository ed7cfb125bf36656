"""A request as an ASGI scope. What both kinds of pool make of a request is alike up to here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from prefork.messages import Request

# With 2.4, `send` raises OSError once the client has gone.
ASGI = {"version": "3.0", "spec_version": "2.4"}


def connection_scope(request: Request, state: dict[str, Any]) -> dict[str, Any]:
    """What scopes of both types, `http` and `websocket`, have in common. `state` is that of the lifespan."""
    path, _, query = request.target.partition(b"?")
    return {
        "asgi": ASGI.copy(),
        "http_version": request.version,
        "scheme": request.scheme,
        "path": (unquote_to_bytes(path) if b"%" in path else path).decode(errors="replace"),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": request.headers,
        "client": request.client if request.client[0] else None,  # a unix socket's client has no address
        "server": request.server,
        "state": state.copy(),
    }


def http_scope(request: Request, state: dict[str, Any], tag: Callable[[str], None]) -> dict[str, Any]:
    """The scope of one request. `prefork.tag` and `prefork.attempt` are as in a WSGI environ."""
    return {
        "type": "http",
        "method": request.method,
        **connection_scope(request, state),
        "extensions": {"http.response.pathsend": {}, "http.response.early_hint": {}},
        "prefork.attempt": request.attempt,
        "prefork.tag": tag,
    }


def websocket_scope(request: Request, state: dict[str, Any]) -> dict[str, Any]:
    """The scope of one handshake."""
    offered = b",".join(value for name, value in request.headers if name == b"sec-websocket-protocol").decode("latin-1")
    return {
        "type": "websocket",
        **connection_scope(request, state),
        "scheme": "wss" if request.scheme == "https" else "ws",
        "subprotocols": [each.strip() for each in offered.split(",") if each.strip()],
        "extensions": {"websocket.http.response": {}},
    }
