"""Hello world behind nginx: what is left of a server's speed where clients speak with a proxy."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from drive import run_client
from figures import Column
from nginx import proxy
from scenarios.hello import SECONDS, press

if TYPE_CHECKING:
    from lab import Lab
    from servers import Server

NAME = "proxied"
ROUNDS = 2
TITLE = "Behind nginx"
METHOD = (
    "wrk asks over 16 kept-alive connections for hello world through nginx with one worker, which keeps up to 16 connections to "
    "the server, or opens one for each request as it does by default. CPU is that of the server's processes; nginx's is not in it, "
    "and bounds the rate as well, for all of them share the machine."
)
WAYS = {"kept": "connections kept", "new": "new connections"}
COLUMNS = (
    *(
        column
        for key, words in WAYS.items()
        for column in (Column(f"rate_{key}", f"{words}, requests/s", ratio=True), Column(f"cpu_{key}", "CPU µs each", ratio=True))
    ),
    Column("errors", "errors, total", summary="total"),
)


def measure(server: Server, lab: Lab) -> dict[str, float]:
    """Both ways in turn on one start of the server."""
    figures = {"errors": 0.0}
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as name,
        lab.serve(server, "hello") as served,
        proxy(Path(name), served.port) as front,
    ):
        for key in WAYS:
            run_client("count", front.port, f"/{key}", "--requests", "400")
            rate, cpu, errors = press(served, 16, SECONDS, path=f"/{key}", port=front.port)
            figures |= {f"rate_{key}": rate, f"cpu_{key}": cpu, "errors": figures["errors"] + errors}
    return figures
