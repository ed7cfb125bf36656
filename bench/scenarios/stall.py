"""A reload of an application that takes three seconds to import: the longest time a client waits."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from drive import both_loads
from figures import Column

if TYPE_CHECKING:
    from lab import Lab
    from servers import Server

NAME = "stall"
ROUNDS = 1
TITLE = "Stall at reload"
METHOD = (
    "The application takes 3 s to import. Under the two loops of the failures scenario the server gets HUP; measured are "
    "the longest request of either loop, the failed requests, and when new code first answered every request. One round: the "
    "figures repeat within a few per cent."
)
COLUMNS = (
    Column("longest", "longest request, ms", ratio=True),
    Column("failed", "failed, total", summary="total"),
    Column("seconds", "new code after, s", decimals=1),
)


def measure(server: Server, lab: Lab) -> dict[str, float]:
    """One reload under load."""
    with lab.serve(server, "hello", import_seconds=3) as served, both_loads(served.port, "/work?ms=2") as loads:
        time.sleep(0.4)
        seconds = served.reload()
        time.sleep(0.4)
        found = [load.finish() for load in loads.values()]
    return {
        "longest": max(each.longest for each in found) * 1000,
        "failed": float(sum(each.failed for each in found)),
        "seconds": seconds,
    }
