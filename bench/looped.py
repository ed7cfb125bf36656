"""The servers of the report on ASGI: the same application on the event loops of each. This module starts nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import servers
from processes import free_port
from servers import PEERS, WORKERS, Server, direct_children, only, prefork, prefork_workers

if TYPE_CHECKING:
    from collections.abc import Callable

    from servers import Launch

OWN = only("hello", "waiting", "streams", "stranding", "failures")
ALL = OWN | only("events")
LENDING = "--lend-connections"
SETUP = "128 requests at a time, uvloop, access log to a file"


def ours(*more: str, compiled: bool = False) -> Callable[[Launch], list[str]]:
    """Prefork's command for the application's ASGI form, with `more` flags."""
    command = prefork("info", *more, compiled=compiled, interface="asgi", websocket_workers=0)
    return lambda launch: [word.replace(":app", ":asgi_app") for word in command(launch)]


def streaming(launch: Launch) -> list[str]:
    """Prefork's command with workers for streams of events, as many as others have for all."""
    command = prefork(
        "warning", interface="asgi", websocket_routes="/events/*", websocket_workers=WORKERS, websocket_port=free_port()
    )
    return [word.replace(":app", ":asgi_app") for word in command(launch)]


def granian(launch: Launch) -> list[str]:
    """Granian's command for ASGI."""
    *command, _ = servers.granian(launch)
    return [*(word.replace("wsgi", "asgi") for word in command), f"{launch.module}:asgi_app"]


def hypercorn(launch: Launch) -> list[str]:
    """Hypercorn's command, with uvloop."""
    address = ["--bind", f"127.0.0.1:{launch.port}", "--workers", str(WORKERS), "--worker-class", "uvloop"]
    return [str(PEERS / "hypercorn"), *address, *launch.option("--max-requests"), f"{launch.module}:asgi_app"]


LOOPED = (
    Server("prefork", "prefork", ours(), prefork_workers, f"from source, {SETUP}", scenarios=OWN),
    Server(
        "prefork-lent",
        "prefork",
        ours(LENDING),
        prefork_workers,
        "as above, lend_connections",
        scenarios=only("hello", "waiting", "stranding", "failures"),
    ),
    Server(
        "prefork-compiled",
        "prefork",
        ours(compiled=True),
        prefork_workers,
        f"compiled (`make compiled`), {SETUP}",
        scenarios=only("hello", "waiting"),
        compiled=True,
    ),
    Server(
        "prefork-lent-compiled",
        "prefork",
        ours(LENDING, compiled=True),
        prefork_workers,
        "as above, lend_connections",
        scenarios=only("hello", "waiting", "streams", "failures"),
        compiled=True,
    ),
    Server(
        "prefork-streams",
        "prefork",
        streaming,
        prefork_workers,
        "handed over, and two websocket workers for the streams (`websocket_routes`)",
        scenarios=only("events"),
    ),
    Server("uvicorn", "uvicorn", servers.uvicorn, direct_children, "uvloop and httptools, no access log", scenarios=ALL),
    Server(
        "granian",
        "granian",
        granian,
        direct_children,
        "ASGI, --respawn-failed-workers, no access log",
        lacks=frozenset({"recycle"}),
        scenarios=ALL,
    ),
    Server(
        "hypercorn",
        "Hypercorn",
        hypercorn,
        direct_children,
        "uvloop, h11, no access log",
        lacks=frozenset({"replace", "reload"}),
        scenarios=ALL,
    ),
)
