"""The options of WebSocket and long-polling connections."""

from __future__ import annotations

from prefork.config import kinds
from prefork.config.option import Derived, grouped, option
from prefork.config.quantities import HIGHEST, KIB, LONGEST, MIB


@grouped
class Live:
    """Which connections change owner, who may have one, and what it may take."""

    websocket_paths: tuple[str, ...] = option(
        kinds.URLS,
        ("/websocket", "/web/websocket"),
        "The paths of WebSockets; a request for one that does not ask for the upgrade is the application's",
    )
    longpolling_paths: tuple[str, ...] = option(kinds.URLS, ("/longpolling/poll",), "The paths of long polls")
    websocket_routes: tuple[str, ...] = option(
        kinds.PATTERNS,
        (),
        "Routes of an ASGI application whose answers last, such as streams of events (`/events/*`): websocket workers serve them",
    )
    websocket_origins: tuple[str, ...] = option(
        kinds.NAMES,
        (),
        "The origins whose pages may connect beside those of the own host, such as `https://shop.example`; `*` is any",
    )
    websocket_authorize: str | None = option(
        kinds.HOOK,
        None,
        "A function of the application that is called with the WSGI environ of the handshake and the channels asked for: it "
        "returns those that may be heard, or True for all; without it nobody can subscribe",
    )
    websocket_connections: int = option(
        kinds.NUMBER, 10_000, "Connections of one websocket worker; further ones get 503", minimum=1, maximum=1_000_000
    )
    websocket_message_max: int = option(
        kinds.SIZE,
        Derived(lambda values, _: MIB if values["odoo"] else 64 * KIB, "`64K`; for Odoo `1M`, as it has it"),
        "A client's message that is larger ends its connection with code 1009",
        minimum=125,
        maximum=64 * MIB,
    )
    websocket_rate: int = option(
        kinds.NUMBER,
        20,
        "Messages a second that a client of the bus may send, twice as many at once; more end its connection with code 1008; 0 "
        "means no limit. Of a client of the application's own only pings, pongs and tiny fragments count",
        minimum=0,
        maximum=HIGHEST,
    )
    websocket_send_queue: int = option(
        kinds.SIZE,
        256 * KIB,
        "A client that leaves more than this unread ends with code 1013, and can go on from its last position",
        minimum=KIB,
        maximum=64 * MIB,
    )
    websocket_ping: float = option(
        kinds.TIME,
        30.0,
        "A client that has been silent for this time is asked whether it is there, and let go after as long without an answer",
        minimum=1,
        maximum=LONGEST,
    )
    websocket_stall: float = option(
        kinds.TIME,
        30.0,
        "A worker in which an ASGI application holds the event loop of its WebSockets for this time is killed, with the stack of "
        "what holds it; 0 means no limit",
        minimum=0,
        maximum=LONGEST,
    )
    websocket_compression: bool = option(
        kinds.SWITCH,
        True,
        "WebSockets of an ASGI application compress messages where the client can (permessage-deflate), each message by itself",
    )
    websocket_farewell: float = option(
        kinds.TIME,
        10.0,
        "When a websocket worker leaves, its connections are closed in waves over this time at the most, with code 1012",
        minimum=0,
        maximum=LONGEST,
    )
