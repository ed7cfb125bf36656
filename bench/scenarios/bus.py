"""The bus: how long a message takes from its transaction to those who listen, and how many of them go through in a second."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from typing import TYPE_CHECKING

from audience import HANDSHAKE, SUBSCRIBED, masked
from drive import audience
from figures import Column, percentile
from processes import ServerFailed
from servers import PEERS, ROOT
from stores import await_

if TYPE_CHECKING:
    from lab import Lab, Served
    from servers import Server

NAME = "bus"
ROUNDS = 3
REFERENCE = "prefork-two"
TITLE = "The bus"
CHANNELS, SUBSCRIBERS = 50, 10
PACE = 200  # messages a second
PACED, PACED_QUICK = 2000, 400
HURRIED, HURRIED_QUICK = 4000, 1000
METHOD = (
    f"{SUBSCRIBERS} clients subscribe to each of {CHANNELS} channels over WebSockets, which the two workers share. One process "
    f"publishes {PACE} messages of 200 bytes a second, for {PACED // PACE} seconds, each in a transaction of its own, in the "
    "server's own PostgreSQL, which survives power failures. The delay is from just before a message is published until a client "
    f"has read it, its commit included. Then {HURRIED:,} messages are published as fast as one connection can; the rate is "
    "that from the first one until all clients have read all."
)
COLUMNS = (
    Column("median", "delay, median ms", decimals=1),
    Column("p99", "delay, 99 % ms", decimals=1),
    Column("longest", "delay, longest ms", decimals=1),
    Column("rate", "published/s"),
    Column("deliveries", "messages/s"),
    Column("missed", "not heard, total", summary="total"),
)


def measure(server: Server, lab: Lab) -> dict[str, float]:
    """At an even pace, then in a hurry."""
    paced, hurried = (PACED_QUICK, HURRIED_QUICK) if lab.quick else (PACED, HURRIED)
    with lab.serve(server, "crowd_bus") as served:
        await_bus(served.port, workers=2)
        with audience(served.port, CHANNELS * SUBSCRIBERS, CHANNELS) as clients:
            clients.stage()
            clients.go_on(str(paced * SUBSCRIBERS))
            publish(served, paced, PACE, CHANNELS)
            even = clients.stage()
            clients.go_on(str(hurried * SUBSCRIBERS))
            publish(served, hurried, channels=CHANNELS)
            fast = clients.stage()
    delays = [delay * 1000 for delay in even["delays"]]
    if not delays or not fast["delays"]:
        raise ServerFailed(f"nothing was heard: {served.process.last_lines()}")
    took = fast["last"] - fast["first"]
    return {
        "median": percentile(delays, 50),
        "p99": percentile(delays, 99),
        "longest": delays[-1],
        "rate": hurried / took,
        "deliveries": len(fast["delays"]) / took,
        "missed": (paced + hurried) * SUBSCRIBERS - len(delays) - len(fast["delays"]),
    }


def publish(served: Served, count: int, rate: int = 0, channels: int = 1) -> None:
    """Publish on the bus of a server, in its own database."""
    address = f"host={served.directory / 'data' / 'postgres'} user=postgres dbname=postgres"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PREFORK_STORE_DSN": address}
    command = [str(PEERS / "python"), str(ROOT / "bench" / "publisher.py"), str(count), str(rate), str(channels)]
    found = subprocess.run(command, env=environment, stderr=subprocess.PIPE, text=True, check=False)
    if found.returncode:
        raise ServerFailed(f"nothing could be published: {found.stderr.strip()[-200:]}")


def await_bus(port: int, workers: int = 1) -> None:
    """Wait until one can subscribe in each worker: the next client goes to whoever has fewest."""

    def reached() -> bool:
        with contextlib.ExitStack() as stack:
            return [subscribes(port, stack) for _ in range(workers)] == [True] * workers

    await_(reached, "nobody can subscribe")


def subscribes(port: int, stack: contextlib.ExitStack) -> bool:
    """Whether one more client can."""
    try:
        client = stack.enter_context(socket.create_connection(("127.0.0.1", port), 10))
        client.sendall(HANDSHAKE + masked(b'{"subscribe": ["channel.0"]}'))
        said = b""
        while SUBSCRIBED not in said and b'"error"' not in said and (got := client.recv(4096)):
            said += got
    except OSError:
        return False
    return SUBSCRIBED in said
