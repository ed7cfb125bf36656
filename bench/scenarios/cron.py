"""Pages that compute beside jobs that compute: how much later they are, at three loads."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING

from drive import client, get, run_client
from figures import Column, percentile
from processes import ServerFailed, cpu_seconds
from scenarios.limits import Scenario
from servers import WORKERS, prefork_status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from drive import Findings
    from lab import Lab, Served
    from servers import Server

METHOD = (
    "A page computes for about 20 ms, on two workers and two processors. *Beside jobs* two workers for scheduled jobs compute "
    "without end; *alone* the same ones are stopped (SIGSTOP); *beside equals* two processes of equal priority compute in their "
    "place, as another tool's workers do beside a server. Latencies in milliseconds; an open loop's count from the moment a "
    "request was due. The last three columns are what a page used of a processor: those of a virtual machine may be two "
    "threads of one core, or share it with a neighbour, and the same work takes longer then, whoever has which turn."
)
POINTS = {"p50": (50.0, "median"), "p99": (99.0, "p99")}
WAYS = {"alone": "alone", "jobs": "beside jobs", "equals": "beside equals"}
SECONDS, SECONDS_QUICK = 8.0, 2.0
COLUMNS = (
    *(Column(f"{way}_{point}", f"{word}, {said}", decimals=1) for point, (_, word) in POINTS.items() for way, said in WAYS.items()),
    *(Column(f"ratio_{point}", f"{word}, beside jobs ÷ alone", decimals=2) for point, (_, word) in POINTS.items()),
    *(Column(f"{way}_cpu", f"processor time, {said}", decimals=1) for way, said in WAYS.items() if way != "equals"),
    Column("ratio_cpu", "processor time, beside jobs ÷ alone", decimals=2),
)


def beside(name: str, title: str, load: Callable[[int, float], Findings]) -> Scenario:
    """The scenario of one load, which gets a port and its seconds."""

    def measure(server: Server, lab: Lab) -> dict[str, float]:
        seconds = lab.seconds(SECONDS, SECONDS_QUICK)
        with lab.serve(server, "page") as served:
            with at_rest(served):
                found = {"alone": watched(served, load, seconds)}
                with equals(served):
                    found["equals"] = watched(served, load, seconds)
            found["jobs"] = watched(served, load, seconds)
        return figures(found)

    return Scenario(name, title, METHOD, COLUMNS, measure, REFERENCE=SERVER)


def watched(served: Served, load: Callable[[int, float], Findings], seconds: float) -> dict[str, float]:
    """The percentiles of a load and the processor time of a page, in milliseconds. Raises ServerFailed."""
    workers = pids(served, "http")
    before = cpu_seconds(workers)
    found = load(served.port, seconds)
    if found.failed:
        raise ServerFailed(f"{found.failed} requests failed")
    spent = cpu_seconds(workers) - before
    made = {point: percentile(found.latencies, percent) * 1000 for point, (percent, _) in POINTS.items()}
    return made | {"cpu": spent / len(found.latencies) * 1000}


def figures(found: dict[str, dict[str, float]]) -> dict[str, float]:
    """The figures of each way, and what jobs make of them."""
    made = {f"{way}_{what}": value for way, each in found.items() for what, value in each.items()}
    return made | {f"ratio_{what}": value / found["alone"][what] for what, value in found["jobs"].items()}


def pids(served: Served, pool: str) -> list[int]:
    """The workers of one pool."""
    return [worker["pid"] for worker in prefork_status(served.directory)["workers"] if worker["pool"] == pool]


@contextlib.contextmanager
def at_rest(served: Served) -> Iterator[None]:
    """The workers for jobs stopped, and going on afterwards."""
    workers = pids(served, "cron")
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def equals(served: Served) -> Iterator[None]:
    """Two processes that compute, started by pages: of their priority, and in their session, which has its own share."""
    before = set(served.process.tree())
    for _ in range(WORKERS):
        get(served.port, "/spin")
    computing = set(served.process.tree()) - before
    try:
        yield
    finally:
        for pid in computing:
            os.kill(pid, signal.SIGKILL)


def arriving(rate: int) -> Callable[[int, float], Findings]:
    """An open loop."""
    return lambda port, seconds: run_client("open", port, "/", "--rate", str(rate), "--seconds", str(seconds))


def pressing(port: int, seconds: float) -> Findings:
    """A closed loop of as many clients as workers."""
    with client("closed", port, "/", "--keep-alive", "--threads", str(WORKERS)) as load:
        time.sleep(seconds)
        return load.finish()


SERVER = "prefork-jobs"
SCENARIOS = (
    beside("cron-half", "Jobs beside pages, half of the processors' time wanted by pages (50 a second)", arriving(50)),
    beside("cron-most", "Jobs beside pages, 80 % wanted by pages (80 a second)", arriving(80)),
    beside("cron-full", "Jobs beside pages, all of it wanted by pages (two clients that ask without a pause)", pressing),
)
