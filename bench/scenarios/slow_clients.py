"""A steady stream of requests, alone and among thousands of idle, slowly sending and slowly reading clients."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

from drive import crowd, run_client
from figures import Column, percentile
from processes import ServerFailed, pss_mib
from servers import prefork_status

if TYPE_CHECKING:
    from lab import Lab, Served
    from servers import Server

NAME = "slow_clients"
ROUNDS = 3
TITLE = "Slow clients"
IDLE, SENDERS, READERS = 15_000, 1_500, 500
SPARE = 1_000  # descriptors that a process needs for other things
METHOD = (
    f"`/` is asked for 100 times a second over 8 kept-alive connections: alone, and then among {IDLE:,} idle kept-alive "
    "connections (fewer where the hard limit of descriptors is lower), "
    f"{SENDERS:,} clients that send one byte a second, half of them of a head and half of a body, and {READERS} clients that "
    "read 16 KiB a second of an answer of 10 MiB. All of them are one process with one thread. Latencies count from the moment a "
    "request was due. A worker is held when it is busy although the stream has ended. Memory is the proportional set size of all "
    "processes of the server, before and after the idle connections came. A sender that the server refuses, because its head takes "
    "too long, comes again; any other connection that the server ends is lost."
)
COLUMNS = (
    Column("idle", "idle connections"),
    Column("quiet", "p99 alone, ms", decimals=1),
    Column("crowded", "p99 among them, ms", decimals=1),
    Column("added", "difference, ms", decimals=1),
    Column("failed", "failed, total", summary="total"),
    Column("held", "workers held, total", summary="total"),
    Column("lost", "connections lost, total", summary="total"),
    Column("memory", "KiB for an idle connection", decimals=1),
    Column("client", "CPU of the slow clients, %", decimals=1),
)


def measure(server: Server, lab: Lab) -> dict[str, float]:
    """Both streams on one start of the server."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # the server inherits it
    idle = min(IDLE, most - SENDERS - READERS - SPARE)
    seconds = lab.seconds(10, 3)
    with lab.serve(server, "hello") as served:
        quiet, failed = stream(served, seconds)
        before = memory(served)
        with crowd(served.port, idle, SENDERS, READERS) as slow:
            came = slow.stage()
            after = memory(served)
            slow.go_on()
            began = slow.stage()
            crowded, failed_then = stream(served, seconds)
            held = [worker for worker in prefork_status(served.directory)["workers"] if worker["state"] == "busy"]
            ended = slow.finish()
    if came["idle"] < idle or ended["readers"] < READERS:
        raise ServerFailed(f"not all of the slow clients were served: {came}, {ended}")
    return {
        "idle": came["idle"],
        "quiet": quiet,
        "crowded": crowded,
        "added": crowded - quiet,
        "failed": failed + failed_then,
        "held": float(len(held)),
        "lost": ended["lost"],
        "memory": (after - before) * 1024 / idle,
        "client": (ended["cpu"] - began["cpu"]) / seconds * 100,
    }


def stream(served: Served, seconds: float) -> tuple[float, float]:
    """The p99 of the requests in milliseconds, and how many failed."""
    found = run_client("open", served.port, "/", "--rate", "100", "--seconds", str(seconds))
    if not found.latencies:
        raise ServerFailed(f"no request was answered: {found.failures}")
    return percentile(found.latencies, 99) * 1000, float(found.failed)


def memory(served: Served) -> float:
    """MiB of all processes."""
    return sum(map(pss_mib, served.process.tree()))
