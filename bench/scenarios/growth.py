"""How cost grows with the number of workers, and with the number of connections that ask at once."""

from __future__ import annotations

import resource
import time
from typing import TYPE_CHECKING

from drive import run_client, wrk
from figures import Column
from processes import command_line, cpu_seconds, pss_mib
from scenarios.hello import press
from scenarios.limits import Scenario

if TYPE_CHECKING:
    from lab import Lab, Served
    from servers import Server

CLIENTS = 64  # for any number of workers
OPENED = 1_500  # connections for each second of a load, which has to open them first
CONNECTIONS = (10, 100, 1_000, 5_000, 15_000)


def by_workers(server: Server, lab: Lab) -> dict[str, float]:
    """One load on a server with its number of workers."""
    with lab.serve(server, "hello") as served:
        run_client("count", served.port, "/", "--requests", "400")
        tree = served.process.tree()
        memory = sum(map(pss_mib, tree))
        before, asleep = cpu_seconds(tree), cpu_seconds(dispatcher(served))
        began = time.monotonic()
        found = wrk(served.port, CLIENTS, lab.seconds(3, 1), keep_alive=True)
        took = time.monotonic() - began
        return {
            "rate": found["rate"],
            "cpu": (cpu_seconds(tree) - before) / found["requests"] * 1e6,
            "dispatcher": (cpu_seconds(dispatcher(served)) - asleep) / took * 100,
            "memory": memory,
            "errors": found["errors"],
        }


def dispatcher(served: Served) -> list[int]:
    """The process that owns the connections."""
    return [pid for pid in served.process.tree() if command_line(pid).startswith("prefork: dispatcher")]


def by_connections(server: Server, lab: Lab) -> dict[str, float]:
    """As many connections as there may be, one number after the other on one start of the server."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # the server and wrk inherit it
    figures = {"errors": 0.0}
    with lab.serve(server, "hello") as served:
        for count in CONNECTIONS:
            rate, cpu, errors = press(served, count, max(3, count / OPENED))
            figures |= {f"rate_{count}": rate, f"cpu_{count}": cpu, "errors": figures["errors"] + errors}
    return figures


SCENARIOS = (
    Scenario(
        "workers",
        "More workers",
        f"wrk asks over {CLIENTS} kept-alive connections for hello world as fast as it is answered. CPU is that of all processes "
        "of the server, divided by the requests. *Dispatcher* is the share of one processor that it had meanwhile: at 100 % it is "
        "what bounds the rate. Memory is the proportional set size of all processes, when they are ready.",
        (
            Column("rate", "requests/s", ratio=True),
            Column("cpu", "CPU µs each", ratio=True),
            Column("dispatcher", "dispatcher, %"),
            Column("memory", "MiB, all", decimals=1),
            Column("errors", "errors, total", summary="total"),
        ),
        by_workers,
        REFERENCE="2 workers, handed over",
    ),
    Scenario(
        "connections",
        "More connections",
        "Two workers. wrk asks over so many kept-alive connections for hello world as fast as it is answered, over all of them at "
        f"once, for three seconds or as many as it takes to open {OPENED:,} of them in each, which is part of it. An answer that "
        "takes two seconds is an error to wrk.",
        (
            *(
                column
                for count in CONNECTIONS
                for column in (
                    Column(f"rate_{count}", f"{count:,}: requests/s", ratio=True),
                    Column(f"cpu_{count}", "CPU µs each", ratio=True),
                )
            ),
            Column("errors", "errors, total", summary="total"),
        ),
        by_connections,
    ),
)
