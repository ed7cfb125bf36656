"""What thousands of WebSockets take in one process, and how soon all of them hear what is said to all."""

from __future__ import annotations

import contextlib
import resource
import socket
from typing import TYPE_CHECKING, Any

from audience import HANDSHAKE, WELCOME, masked, stamped
from drive import audience
from figures import Column, percentile
from processes import ServerFailed, pss_mib
from scenarios.bus import await_bus, publish

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drive import Crowd
    from lab import Lab, Served
    from servers import Server

NAME = "broadcast"
ROUNDS = 3
TITLE = "Ten thousand WebSockets"
CLIENTS, CLIENTS_QUICK = 10_000, 1_000
FEWER = {"daphne": 2_000}
SPARE = 500  # descriptors that a process needs for other things
TIMES, TIMES_QUICK = 3, 2  # messages that all hear before the next one is published
HURRIED = 3
PATIENCE = 60.0  # seconds
METHOD = (
    f"{CLIENTS:,} clients connect (fewer where the hard limit of descriptors is lower), all in one process with one thread; to "
    f"Daphne {FEWER['daphne']:,}, as the time that its layer in memory takes for a message grows with the square of their number. "
    f"Then a message of 200 bytes is said to all, {TIMES} times, each when all have heard the last one: in Prefork it is published "
    "on the bus, in a transaction of PostgreSQL; elsewhere one more client says it and the process sends it on. The delay is from "
    f"just before that until a client has read it, within 40 s. Then {HURRIED} messages are said at once; the rate is that at "
    "which clients get them. Memory is the proportional set size of all processes of the server, before and after the clients came."
)
COLUMNS = (
    Column("clients", "clients"),
    Column("lost", "lost, total", summary="total"),
    Column("memory", "KiB for a client", decimals=1, ratio=True),
    Column("median", "delay, median ms"),
    Column("p99", "delay, 99 % ms", ratio=True),
    Column("rate", "messages/s", ratio=True),
    Column("unheard", "not heard, total", summary="total"),
)


def measure(server: Server, lab: Lab) -> dict[str, float]:
    """One crowd."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # the server inherits it
    count = min(CLIENTS_QUICK if lab.quick else FEWER.get(server.name, CLIENTS), most - SPARE)
    on_the_bus = server.name == "prefork"
    with lab.serve(server, "crowd_bus") as served:
        if on_the_bus:
            await_bus(served.port)
        before = memory(served)
        with audience(served.port, count, channels=int(on_the_bus)) as crowd:
            came = crowd.stage()
            after = memory(served)
            told = [tell(served, crowd, came["clients"], 1, on_the_bus) for _ in range(TIMES_QUICK if lab.quick else TIMES)]
            hurried = tell(served, crowd, came["clients"], HURRIED, on_the_bus)
            lost = crowd.finish()["lost"]
    times = len(told) + HURRIED
    heard = sum(len(found["delays"]) for found in (*told, hurried))
    delays = sorted(delay for found in told for delay in found["delays"])
    if not delays or not hurried["delays"]:
        raise ServerFailed(f"{came['clients']} clients heard nothing: {served.process.last_lines()}")
    return {
        "clients": came["clients"],
        "lost": lost,
        "memory": (after - before) * 1024 / came["clients"],
        "median": percentile(delays, 50) * 1000,
        "p99": percentile(delays, 99) * 1000,
        "rate": len(hurried["delays"]) / (hurried["last"] - hurried["first"]),
        "unheard": came["clients"] * times - heard,
    }


def tell(served: Served, crowd: Crowd, clients: int, count: int, on_the_bus: bool) -> dict[str, Any]:
    """Say something to all, so many times; what they have heard."""
    crowd.go_on(str(clients * count))
    if on_the_bus:
        publish(served, count)
        return crowd.stage()
    with talker(served.port) as one:
        for _ in range(count):
            one.sendall(masked(stamped().encode()))
        return crowd.stage()


@contextlib.contextmanager
def talker(port: int) -> Iterator[socket.socket]:
    """One more client."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as one:
        one.sendall(HANDSHAKE)
        head = b""
        while WELCOME not in head:
            head += one.recv(4096)
        yield one


def memory(served: Served) -> float:
    """MiB of all processes."""
    return sum(map(pss_mib, served.process.tree()))
