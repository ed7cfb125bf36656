"""A fast route while one of two workers is held: how long requests wait behind work that is not theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drive import run_client
from figures import Column, percentile

if TYPE_CHECKING:
    from lab import Lab
    from servers import Server

NAME = "stranding"
ROUNDS = 2
TITLE = "Stranding"
METHOD = (
    "`/` is asked for 50 times a second over 8 kept-alive connections, each request on the one that has been free longest, "
    "while one more connection holds a worker for a second at a time by `/hold?seconds=1`, again and again; then the same "
    "while that one computes, `/burn?ms=1000`, for which it needs one of the two processors. Latencies count from the moment a "
    "request was due, so a client that is kept waiting hides nothing. Milliseconds; p99 of one round is its third-longest "
    "request. A server that closes every connection is reconnected to."
)
HELD = {"": ("/hold?seconds=1", ""), "burning_": ("/burn?ms=1000", ", computing")}
POINTS = {"p50": (50.0, "p50"), "p99": (99.0, "p99"), "longest": (100.0, "longest")}
COLUMNS = (
    *(
        Column(f"{prefix}{key}", f"{words}{how}, ms", decimals=1, ratio=True)
        for prefix, (_, how) in HELD.items()
        for key, (_, words) in POINTS.items()
    ),
    Column("failed", "failed, total", summary="total"),
)


def measure(server: Server, lab: Lab) -> dict[str, float]:
    """An open loop for each way to hold a worker."""
    figures = {"failed": 0.0}
    with lab.serve(server, "hello") as served:
        for prefix, (path, _) in HELD.items():
            found = run_client("held", served.port, "/", "--rate", "50", "--seconds", str(lab.seconds(4, 2)), "--by", path)
            figures["failed"] += found.failed
            if found.latencies:
                figures |= {f"{prefix}{key}": percentile(found.latencies, percent) * 1000 for key, (percent, _) in POINTS.items()}
    return figures
