"""Bodies of 1 MiB that are streamed to the client and from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drive import PUT, run_client, wrk
from figures import Column
from processes import cpu_seconds

if TYPE_CHECKING:
    from lab import Lab
    from servers import Server

NAME = "streams"
ROUNDS = 3
TITLE = "Streams of 1 MiB"
METHOD = (
    "Over 16 kept-alive connections, as fast as they are answered (wrk, one thread). Down: the application sends sixteen parts of "
    "64 KiB and does not say how many come. Up: a body of 1 MiB with its length, which the application reads to its end as it "
    "comes. CPU is that of all processes of the server, divided by the requests."
)
WAYS = {"down": ("/down", None), "up": ("/up", PUT)}
COLUMNS = (
    Column("down", "down, MiB/s", ratio=True),
    Column("cpu_down", "CPU µs for a MiB", ratio=True),
    Column("up", "up, MiB/s", ratio=True),
    Column("cpu_up", "CPU µs for a MiB", ratio=True),
    Column("errors", "errors, total", summary="total"),
)
CONNECTIONS = 16


def measure(server: Server, lab: Lab) -> dict[str, float]:
    """Both ways in turn on one start of the server."""
    figures = {"errors": 0.0}
    with lab.serve(server, "streams") as served:
        run_client("count", served.port, "/", "--requests", "400")
        for way, (path, script) in WAYS.items():
            before = cpu_seconds(served.process.tree())
            found = wrk(served.port, CONNECTIONS, lab.seconds(2, 1), keep_alive=True, path=path, script=script)
            spent = cpu_seconds(served.process.tree()) - before
            figures |= {way: found["rate"], f"cpu_{way}": spent / found["requests"] * 1e6}
            figures["errors"] += found["errors"]
    return figures
