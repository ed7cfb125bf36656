"""The bus: how long a message takes from its transaction to those who listen, and how many of them go through in a second."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from figures import Column, percentile
from processes import ServerFailed
from servers import APPS, PEERS, PREFORK
from stores import postgres

if TYPE_CHECKING:
    from lab import Lab
    from servers import Server

NAME = "bus"
ROUNDS = 3
TITLE = "The bus"
METHOD = (
    "Two hubs, as in two websocket workers, with five subscribers each to every one of 50 channels; one process publishes 200 "
    "messages a second for ten seconds, each in a transaction of its own, in a PostgreSQL with its defaults, which survives power "
    "failures. The delay is from just before a message is published until a subscriber has it, its commit included. Then 4 000 "
    "messages are published as fast as one connection can; the rate is that from the first one until all subscribers have had all."
)
COLUMNS = (
    Column("median", "delay, median ms", decimals=1),
    Column("p99", "delay, 99 % ms", decimals=1),
    Column("longest", "delay, longest ms", decimals=1),
    Column("rate", "messages/s"),
    Column("deliveries", "deliveries/s"),
)
HUBS = 2
PACE = 200  # messages a second
PACED, PACED_QUICK = 2000, 400
HURRIED, HURRIED_QUICK = 4000, 1000
PATIENCE = 120.0  # seconds


def measure(server: Server, lab: Lab) -> dict[str, float]:
    """At an even pace, then in a hurry."""
    del server  # there is one that has this
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        directory.chmod(0o755)
        with postgres(directory) as dsn:
            paced = told(dsn, PACED_QUICK if lab.quick else PACED, PACE)
            hurried = told(dsn, HURRIED_QUICK if lab.quick else HURRIED, 0)
    delays = sorted((heard - published) * 1000 for published, heard in paced)
    took = max(heard for _, heard in hurried) - min(published for published, _ in hurried)
    return {
        "median": percentile(delays, 50),
        "p99": percentile(delays, 99),
        "longest": delays[-1],
        "rate": len({published for published, _ in hurried}) / took,
        "deliveries": len(hurried) / took,
    }


def told(dsn: str, count: int, rate: int) -> list[tuple[float, float]]:
    """When each message was published and heard, by each subscriber. Raises ServerFailed."""
    source = str(PREFORK.parent.parent / "src")
    environment = {**os.environ, "PYTHONPATH": source, "PREFORK_STORE_DSN": dsn}
    command = [str(PEERS / "python"), str(APPS / "bus_prefork.py")]
    listening = [*command, "listen", str(count)]
    hubs = [subprocess.Popen(listening, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(HUBS)]
    try:
        for hub in hubs:
            if hub.stdout is None or hub.stdout.readline() != "ready\n":
                raise ServerFailed("a hub did not get ready")
        subprocess.run([*command, "publish", str(count), str(rate)], env=environment, check=True)
        lines = [line for hub in hubs for line in hub.communicate(timeout=PATIENCE)[0].splitlines()]
    finally:
        for hub in hubs:
            hub.kill()
            hub.wait()
    return [(float(published), float(heard)) for published, heard in map(str.split, lines)]
