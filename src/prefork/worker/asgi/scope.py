"""Pure: what an ASGI application is told about a request or a handshake (ASGI HTTP & WebSocket Message Format, 2.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from prefork.messages import Request

    Scope = dict[str, Any]

SECURE = frozenset(("https", "wss"))


def http(request: Request, state: dict[str, Any], extensions: tuple[str, ...] = ()) -> Scope:
    """The scope of a request. Up to 2.3 frameworks watch for the client to leave, later only `send` would tell them."""
    return {"type": "http", "method": request.method, "scheme": request.scheme, **of_both(request, state, "2.3", extensions)}


def websocket(request: Request, state: dict[str, Any], extensions: tuple[str, ...] = ()) -> Scope:
    """The scope of a handshake."""
    offered = b",".join(value for name, value in request.headers if name == b"sec-websocket-protocol").decode("latin-1")
    return {
        "type": "websocket",
        "scheme": "wss" if request.scheme in SECURE else "ws",
        "subprotocols": [each.strip() for each in offered.split(",") if each.strip()],
        **of_both(request, state, "2.4", extensions),
    }


def of_both(request: Request, state: dict[str, Any], version: str, extensions: tuple[str, ...]) -> Scope:
    """What both kinds of scope have. The path is decoded, as UTF-8; `state` is copied, what is in it is shared."""
    raw, _, query = request.target.partition(b"?")
    return {
        "asgi": {"version": "3.0", "spec_version": version},
        "http_version": request.version,
        "path": unquote_to_bytes(raw).decode(errors="replace"),
        "raw_path": raw,
        "query_string": query,
        "root_path": "",
        "headers": request.headers,
        "client": request.client if request.client[0] else None,
        "server": request.server,
        "state": state.copy(),
        "extensions": {name: {} for name in extensions},
    }
