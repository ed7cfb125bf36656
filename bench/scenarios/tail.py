"""Requests whose work has a heavy tail, at random moments, while there is work for seven tenths of what the workers can do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from client import LONGEST, MANY, MEAN, SHORTEST
from drive import run_client
from figures import Column, percentile
from servers import WORKERS

if TYPE_CHECKING:
    from lab import Lab
    from servers import Server

NAME = "tail"
ROUNDS = 1
TITLE = "A heavy tail"
LOAD = 0.7
RATE = LOAD * WORKERS / (MEAN / 1000)
METHOD = (
    f"{RATE:.0f} requests a second come at random over {MANY} kept-alive connections, and compute for {SHORTEST:.0f} ms or longer "
    f"by Pareto's law, {MEAN:.1f} ms on average and up to {LONGEST / 1000:.0f} s: {LOAD:.0%} of what two processors can do, beside "
    "what server and client need. They are the same for every server. Latencies count from the moment a request was due. "
    "Milliseconds; what a request takes by itself is in them."
)
POINTS = {"p50": (50.0, "p50"), "p90": (90.0, "p90"), "p99": (99.0, "p99"), "p999": (99.9, "p99.9")}
COLUMNS = (
    *(Column(key, f"{words}, ms", decimals=1, ratio=True) for key, (_, words) in POINTS.items()),
    Column("failed", "failed, total", summary="total"),
)


def measure(server: Server, lab: Lab) -> dict[str, float]:
    """One open loop."""
    with lab.serve(server, "hello") as served:
        seconds = lab.seconds(8, 4)
        found = run_client("mixed", served.port, "/burn?ms=", "--rate", str(RATE), "--seconds", str(seconds))
    figures = {"failed": float(found.failed)}
    if found.latencies:
        figures |= {key: percentile(found.latencies, percent) * 1000 for key, (percent, _) in POINTS.items()}
    return figures
