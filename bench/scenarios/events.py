"""A stream of events to a thousand clients at once, and what a quick page takes beside it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from drive import run_client
from figures import Column, percentile
from processes import ServerFailed, pss_mib

if TYPE_CHECKING:
    from lab import Lab, Served
    from servers import Server

NAME = "events"
ROUNDS = 3
REFERENCE = "prefork-streams"
TITLE = "Streams of events"
CLIENTS, CLIENTS_QUICK = 1000, 100
LISTENERS = Path(__file__).parent.parent / "listeners.py"
METHOD = (
    f"{CLIENTS:,} clients open a stream of server-sent events, and two events a second go to all of them at the same moment. The "
    "delay is from that moment until a client, one of all in one process with one thread, has read the event. `/` is asked for 100 "
    "times a second meanwhile, over 8 kept-alive connections. Memory is the proportional set size of all processes of the server."
)
COLUMNS = (
    Column("clients", "clients"),
    Column("lost", "lost, total", summary="total"),
    Column("median", "delay, median ms", decimals=1),
    Column("p99", "delay, 99 % ms", decimals=1, ratio=True),
    Column("page", "p99 of `/`, ms", decimals=1),
    Column("failed", "failed, total", summary="total"),
    Column("memory", "KiB for a client", decimals=1),
)
PATIENCE = 120.0  # seconds


def measure(server: Server, lab: Lab) -> dict[str, float]:
    """The streams, and the page beside them."""
    seconds, count = lab.seconds(10, 3), CLIENTS_QUICK if lab.quick else CLIENTS
    with lab.serve(server, "ticker") as served:
        before = memory(served)
        command = [sys.executable, str(LISTENERS), str(served.port), "--clients", str(count), "--seconds", str(seconds)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as listeners:
            try:
                if listeners.stdout is None or listeners.stdout.readline() != "listening\n":
                    raise ServerFailed("the clients could not open their streams")
                page = run_client("open", served.port, "/", "--rate", "100", "--seconds", str(seconds * 0.8))
                after = memory(served)
                found = json.loads(listeners.communicate(timeout=PATIENCE)[0])
            finally:
                listeners.kill()
    if not found["delays"] or not page.latencies:
        raise ServerFailed(f"nothing was heard by {found['clients']} clients")
    return {
        "clients": found["clients"],
        "lost": found["lost"],
        "median": percentile(found["delays"], 50) * 1000,
        "p99": percentile(found["delays"], 99) * 1000,
        "page": percentile(page.latencies, 99) * 1000,
        "failed": float(page.failed),
        "memory": (after - before) * 1024 / count,
    }


def memory(served: Served) -> float:
    """MiB of all processes."""
    return sum(map(pss_mib, served.process.tree()))
