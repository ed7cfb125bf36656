"""What clients lose when workers are killed, reloaded and recycled under load."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from drive import both_loads
from figures import Column

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab import Lab, Served
    from servers import Server

NAME = "failures"
ROUNDS = 2
TITLE = "Failed requests"
METHOD = (
    "Two closed loops of four threads run at once, one with a connection for each request, one over kept-alive connections,"
    " asking for a safe GET of 2 ms. Meanwhile: four `kill -9` of workers one second apart; a reload by HUP; recycling "
    "after 500 requests. A request has failed when it got no complete answer with status 200. A kept-alive connection that "
    "the server had closed before the request was written is replaced without counting. After a failure a thread waits 50 "
    "ms. Totals over all rounds; – where the server has no such thing."
)
EVENTS = {"kill": "kill -9", "reload": "reload", "recycle": "recycling"}
COLUMNS = (
    *(
        Column(f"{event}_{mode}", f"{label}: {words}", summary="total")
        for event, label in EVENTS.items()
        for mode, words in (("new", "new connections"), ("kept", "kept-alive"))
    ),
    Column("ended", "rounds in which the kills ended the server", summary="total"),
)
PATH = "/work?ms=2"


def measure(server: Server, lab: Lab) -> dict[str, float]:
    """Each event on a start of its own, so that one does not spoil the next."""
    figures: dict[str, float] = {}
    if server.can("replace"):
        with lab.serve(server, "hello") as served:
            figures |= count("kill", served, lambda: kill_four(served))
            figures["ended"] = float(not served.workers())
    if server.can("reload"):
        with lab.serve(server, "hello") as served:
            figures |= count("reload", served, served.reload)
    if server.can("recycle"):
        with lab.serve(server, "hello", recycle=500) as served:
            figures |= count("recycle", served, lambda: time.sleep(lab.seconds(2.5, 1.5)))
    return figures


def count(event: str, served: Served, happen: Callable[[], object]) -> dict[str, float]:
    """The failures of both loads while something happens, and for a moment before and after it; by kind for the raw results."""
    figures: dict[str, float] = {}
    with both_loads(served.port, PATH) as loads:
        time.sleep(0.4)
        happen()
        time.sleep(0.4)
        for mode, load in loads.items():
            found = load.finish()
            figures[f"{event}_{mode}"] = float(found.failed)
            figures |= {f"{event}_{mode} ({kind})": float(times) for kind, times in found.failures.items()}
    return figures


def kill_four(served: Served) -> None:
    """Four workers, one second apart."""
    for turn in range(4):
        served.kill_worker(turn)
        time.sleep(1.0)
