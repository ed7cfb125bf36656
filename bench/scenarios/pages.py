"""What a quick page takes while thousands of WebSockets come, stay and go."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from drive import audience, client, run_client
from figures import Column, percentile
from processes import ServerFailed
from scenarios.bus import await_bus

if TYPE_CHECKING:
    from drive import Findings
    from lab import Lab
    from servers import Server

NAME = "pages"
ROUNDS = 3
TITLE = "Pages beside WebSockets"
CLIENTS, CLIENTS_QUICK = 5_000, 1_000
PACE = 500  # connections a second that come or go
METHOD = (
    "`/` is asked for 100 times a second over 8 kept-alive connections: alone, and then while "
    f"{CLIENTS:,} WebSockets come to the same port and subscribe, {PACE} a second, are silent for as long as that takes, and leave "
    "as fast as they came. Latencies count from the moment a request was due."
)
COLUMNS = (
    Column("clients", "WebSockets"),
    Column("lost", "lost, total", summary="total"),
    Column("quiet", "p99 alone, ms", decimals=1),
    Column("beside", "p99 beside them, ms", decimals=1),
    Column("added", "difference, ms", decimals=1),
    Column("longest", "longest beside them, ms", decimals=1),
    Column("failed", "failed, total", summary="total"),
)


def measure(server: Server, lab: Lab) -> dict[str, float]:
    """Both streams on one start of the server."""
    count = CLIENTS_QUICK if lab.quick else CLIENTS
    phase = count / PACE
    with lab.serve(server, "crowd_bus") as served:
        await_bus(served.port)
        quiet = run_client("open", served.port, "/", "--rate", "100", "--seconds", str(phase))
        with client("open", served.port, "/", "--rate", "100", "--seconds", str(3 * phase)) as load:
            with audience(served.port, count, channels=1, rate=PACE) as crowd:
                came = crowd.stage()
                time.sleep(phase)
                left = crowd.finish()
            beside = load.finish()
    return {
        "clients": came["clients"],
        "lost": left["lost"],
        "quiet": p99(quiet),
        "beside": p99(beside),
        "added": p99(beside) - p99(quiet),
        "longest": beside.longest * 1000,
        "failed": float(quiet.failed + beside.failed),
    }


def p99(found: Findings) -> float:
    """In milliseconds. Raises ServerFailed where nothing was answered."""
    if not found.latencies:
        raise ServerFailed(f"no request was answered: {found.failures}")
    return percentile(found.latencies, 99) * 1000
