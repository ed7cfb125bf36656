"""A fast route while one of two workers is held: how long requests wait behind work that is not theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drive import run_client
from figures import Column, percentile

if TYPE_CHECKING:
    from lab import Lab
    from servers import Server

NAME = "stranding"
ROUNDS = 3
TITLE = "Stranding"
METHOD = (
    "`/` is asked for 50 times a second over 8 kept-alive connections, each request on the one that has been free longest, "
    "while one more connection holds a worker for a second at a time by `/hold?seconds=1`, again and again. Latencies count"
    " from the moment a request was due, so a client that is kept waiting hides nothing. Milliseconds; p99 of one round is "
    "its third-longest request. A server that closes every connection is reconnected to."
)
COLUMNS = (
    Column("p50", "p50, ms", decimals=1, ratio=True),
    Column("p99", "p99, ms", decimals=1, ratio=True),
    Column("longest", "longest, ms", decimals=1, ratio=True),
    Column("failed", "failed, total", summary="total"),
)


def measure(server: Server, lab: Lab) -> dict[str, float]:
    """One open loop."""
    with lab.serve(server, "hello") as served:
        found = run_client("held", served.port, "/", "--rate", "50", "--seconds", str(lab.seconds(4, 3)))
    figures = {"failed": float(found.failed)}
    if found.latencies:
        points = {"p50": 50.0, "p99": 99.0, "longest": 100.0}
        figures |= {key: percentile(found.latencies, percent) * 1000 for key, percent in points.items()}
    return figures
