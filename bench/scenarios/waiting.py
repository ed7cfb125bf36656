"""Requests that wait, as for a database: how many of them a server has at a time, and how much later they are for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drive import run_client, wrk
from figures import Column
from processes import cpu_seconds

if TYPE_CHECKING:
    from lab import Lab
    from servers import Server

NAME = "waiting"
ROUNDS = 3
TITLE = "Requests that wait"
METHOD = (
    "256 clients ask over kept-alive connections for a page that awaits 10 ms, as fast as they are answered (wrk, one thread). "
    "Two workers could answer 25,600 a second if waiting were all they did."
)
COLUMNS = (
    Column("rate", "requests/s", ratio=True),
    Column("cpu", "CPU µs each", ratio=True),
    Column("errors", "errors, total", summary="total"),
)
CLIENTS = 256
PATH = "/work?ms=10"


def measure(server: Server, lab: Lab) -> dict[str, float]:
    """One load."""
    with lab.serve(server, "hello") as served:
        run_client("count", served.port, PATH, "--requests", "400")
        before = cpu_seconds(served.process.tree())
        found = wrk(served.port, CLIENTS, lab.seconds(4, 1), keep_alive=True, path=PATH)
        spent = cpu_seconds(served.process.tree()) - before
    return {"rate": found["rate"], "cpu": spent / found["requests"] * 1e6, "errors": found["errors"]}
