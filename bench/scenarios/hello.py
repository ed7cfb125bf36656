"""Hello world under full load: answered requests per second and the CPU time of the server's whole process tree for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drive import run_client, wrk
from figures import Column
from processes import cpu_seconds

if TYPE_CHECKING:
    from pathlib import Path

    from lab import Lab, Served
    from servers import Server

NAME = "hello"
ROUNDS = 3
TITLE = "Hello world"
METHOD = (
    "wrk with one thread asks for `/` as fast as it is answered: over 16 and over 64 kept-alive connections, and over 16 "
    "clients that open a connection for each request. CPU is the user and system time of every process of the server, "
    "divided by the requests; wrk's is not in it. Errors are all that wrk reports, over all rounds."
)
SECONDS = 1  # of each load: two rounds of the same server differ by more than what is found within one of them
LOADS = {"16": (16, True), "64": (64, True), "new": (16, False)}
COLUMNS = (
    Column("rate_16", "16 kept-alive, requests/s", ratio=True),
    Column("cpu_16", "CPU µs each", ratio=True),
    Column("rate_64", "64 kept-alive, requests/s", ratio=True),
    Column("cpu_64", "CPU µs each", ratio=True),
    Column("rate_new", "new connections, requests/s", ratio=True),
    Column("cpu_new", "CPU µs each", ratio=True),
    Column("errors", "errors, total", summary="total"),
)


def measure(server: Server, lab: Lab) -> dict[str, float]:
    """Every load in turn on one start of the server."""
    figures = {"errors": 0.0}
    with lab.serve(server, "hello") as served:
        run_client("count", served.port, "/", "--requests", "400")
        for key, (connections, keep_alive) in LOADS.items():
            if not keep_alive and not server.can("close"):
                continue
            rate, cpu, errors = press(served, connections, SECONDS, keep_alive=keep_alive)
            figures |= {f"rate_{key}": rate, f"cpu_{key}": cpu, "errors": figures["errors"] + errors}
    return figures


def press(
    served: Served,
    connections: int,
    seconds: float,
    *,
    keep_alive: bool = True,
    path: str = "/",
    script: Path | None = None,
    port: int = 0,
) -> tuple[float, float, float]:
    """One load, on the server or on the `port` of what is before it: requests per second, CPU microseconds per request, errors."""
    before = cpu_seconds(served.process.tree())
    found = wrk(port or served.port, connections, seconds, keep_alive=keep_alive, path=path, script=script)
    spent = cpu_seconds(served.process.tree()) - before
    return found["rate"], spent / found["requests"] * 1e6, found["errors"]
