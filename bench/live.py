"""The servers of the report on WebSockets: each holds the same crowd in one process. This module starts nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from processes import free_port
from servers import APPS, PEERS, UNSUPERVISED, Server, itself, only, prefork, prefork_workers

if TYPE_CHECKING:
    from collections.abc import Callable

    from servers import Launch

MOST = 20_000  # connections of one worker
BROADCAST = only("broadcast")


def on_the_bus(workers: int) -> Callable[[Launch], list[str]]:
    """Prefork's command, with its own database and so many workers for WebSockets."""

    def command(launch: Launch) -> list[str]:
        own = {"websocket_port": free_port(), "websocket_workers": workers, "websocket_connections": MOST}
        return [*prefork("warning", websocket_authorize="crowd_bus:authorize", **own)(launch), "--bus"]

    return command


def looped(launch: Launch) -> list[str]:
    """Prefork's command for Starlette."""
    own = {"websocket_port": free_port(), "websocket_connections": MOST}
    return prefork("warning", interface="asgi", **own)(replace(launch, module="crowd_starlette"))


def uvicorn(launch: Launch) -> list[str]:
    """uvicorn's command for Starlette, with one worker."""
    address = ["--host", "127.0.0.1", "--port", str(launch.port)]
    return [str(PEERS / "uvicorn"), *address, "--no-access-log", "crowd_starlette:app"]


def daphne(launch: Launch) -> list[str]:
    """Daphne's command for Django Channels."""
    return [str(PEERS / "daphne"), "--bind", "127.0.0.1", "--port", str(launch.port), "--verbosity", "0", "crowd_channels:app"]


def program(name: str) -> Callable[[Launch], list[str]]:
    """The command of a library, which has none of its own."""

    def command(launch: Launch) -> list[str]:
        return [str(PEERS / "python"), str(APPS / name), str(launch.port)]

    return command


def alone(name: str, package: str, command: Callable[[Launch], list[str]], setup: str) -> Server:
    """A server of one process."""
    return Server(name, package, command, itself, setup, lacks=UNSUPERVISED, scenarios=BROADCAST)


LIVE = (
    Server(
        "prefork",
        "prefork",
        on_the_bus(1),
        prefork_workers,
        "published on the bus, in a PostgreSQL of its own; one websocket worker, two for requests; uvloop",
        scenarios=only("broadcast", "pages"),
    ),
    Server(
        "prefork-two",
        "prefork",
        on_the_bus(2),
        prefork_workers,
        "the same with two websocket workers",
        scenarios=only("bus"),
    ),
    Server(
        "prefork-starlette",
        "prefork",
        looped,
        prefork_workers,
        "the application of Starlette, one websocket worker; uvloop",
        scenarios=BROADCAST,
    ),
    alone("websockets", "websockets", program("crowd_websockets.py"), "its own server and broadcast(); uvloop"),
    alone("picows", "picows", program("crowd_picows.py"), "its own server; uvloop"),
    alone("uvicorn", "uvicorn", uvicorn, "the application of Starlette; uvloop, websockets"),
    alone("daphne", "daphne", daphne, "Django Channels with its layer in memory"),
)
