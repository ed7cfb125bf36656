"""Requests that do harm, each beside well-behaved ones: what becomes of it, of the others and of the memory. And what limits cost.

Every abuse is a scenario of its own, all measured in the same way; the leak and the cost have their own.
"""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drive import both_loads, get, run_client
from figures import Column
from limited import BY_REQUESTS, HARD, REQUESTS, SECONDS
from processes import resident_mib
from scenarios.hello import press

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from drive import Load
    from lab import Lab, Served
    from servers import Server

MARK = "ref=4b1d5eed"
PATIENCE = 12.0  # seconds
AFTERMATH = 1.5  # seconds in which others are still watched
LOOK = 0.02  # seconds between two readings of the memory
LEAKS, LEAKS_QUICK = 2000, 300
EVERY = 10  # leaks between two points of the curve
CUT, UNANSWERED = 0.0, -1.0  # instead of a status

OUTCOME = Column("status", "the request got", summary="most", words={CUT: "a cut connection", UNANSWERED: "nothing in 12 s"})
LATE = Column("late", "after its limit, s", decimals=2)
AFTER = Column("after", "after, s", decimals=2)
OTHERS = (
    Column("failed", "others failed, total", summary="total"),
    Column("lost", "of these over kept-alive connections", summary="total"),
    Column("longest", "longest of others, ms"),
)
NAMED = Column("named", "the log names the request", summary="most", words={0.0: "no", 1.0: "yes"})
PEAK = Column("peak", "peak of memory, MiB")
LEAKED = (Column("leaks_failed", "leaking requests failed, total", summary="total"), *OTHERS, PEAK)

METHOD = (
    "Each abuse is one GET, or 2 000 of them. Meanwhile two closed loops of four threads run, one with a connection for each "
    "request, one over kept-alive connections, asking for a GET of 2 ms; they go on for 1.5 s afterwards. A request of theirs has "
    "failed when it got no complete answer with status 200 within 5 s. The log is searched for the abusive request's query "
    "string; access lines are off. Memory is the sum of the resident memory of all processes of the server."
)


@dataclass(frozen=True)
class Scenario:
    """What a run wants of a scenario, in the shape of the modules beside this one."""

    NAME: str
    TITLE: str
    METHOD: str
    COLUMNS: tuple[Column, ...]
    measure: Callable[[Server, Lab], dict[str, float]]
    ROUNDS: int = 3
    PICTURE: str = ""
    REFERENCE: str = "prefork"


def abuse(name: str, title: str, what: str, columns: tuple[Column, ...]) -> Scenario:
    """The scenario of one abuse: a request for the route of its name."""

    def measure(server: Server, lab: Lab) -> dict[str, float]:
        with lab.serve(server, "abuse") as served, both_loads(served.port, "/work?ms=2") as loads, weighed(served) as sizes:
            time.sleep(0.4)
            status, after = commit(served.port, f"/{name}?{MARK}")
            time.sleep(AFTERMATH)
            figures = {"status": status} | others(loads) | {"named": float(names(served.directory)), "peak": max(sizes)}
        return figures if status == UNANSWERED else figures | {"after": after, "late": after - SECONDS}

    return Scenario(name, title, what, columns, measure)


def commit(port: int, target: str) -> tuple[float, float]:
    """One request that does harm: its status, or CUT or UNANSWERED; seconds until then."""
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    with contextlib.closing(connection):
        try:
            connection.request("GET", target)
            status = float(connection.getresponse().status)
        except TimeoutError:
            status = UNANSWERED
        except (OSError, http.client.HTTPException):
            status = CUT
    return status, time.monotonic() - began


def others(loads: dict[str, Load]) -> dict[str, float]:
    """What the well-behaved saw; their loops end."""
    found = {mode: load.finish() for mode, load in loads.items()}
    return {
        "failed": float(sum(each.failed for each in found.values())),
        "lost": float(found["kept"].failed),
        "longest": max(each.longest for each in found.values()) * 1000,
    }


def names(directory: Path) -> bool:
    """Whether something that the server has written tells of the request."""
    return any(MARK.encode() in path.read_bytes() for path in directory.rglob("*") if path.is_file())


@contextlib.contextmanager
def weighed(served: Served) -> Iterator[list[float]]:
    """Readings of the memory of all the server's processes, in MiB, until this ends."""
    sizes = [weight(served)]
    stop = threading.Event()

    def read() -> None:
        while not stop.wait(LOOK):
            sizes.append(weight(served))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield sizes
    finally:
        stop.set()
        reader.join()


def weight(served: Served) -> float:
    """What the server's processes have in memory, in MiB: cheap enough for a curve, and the shared pages of `abuse` are few."""
    return sum(map(resident_mib, served.process.tree()))


def leak(server: Server, lab: Lab) -> dict[str, float]:
    """Requests one after the other, each of which keeps 5 MiB; leaves the curve of the memory."""
    curve = lab.curves[server.name] = []
    failed = 0
    recycle = REQUESTS if server.name in BY_REQUESTS else None
    with lab.serve(server, "abuse", recycle=recycle) as served, both_loads(served.port, "/work?ms=2") as loads:
        for number in range(LEAKS_QUICK if lab.quick else LEAKS):
            if number % EVERY == 0:
                curve.append((float(number), weight(served)))
            failed += get(served.port, "/leak") is None
        return {"leaks_failed": float(failed)} | others(loads) | {"peak": max(size for _, size in curve)}


def cost(server: Server, lab: Lab) -> dict[str, float]:
    """Hello world over kept-alive connections."""
    with lab.serve(server, "hello") as served:
        run_client("count", served.port, "/", "--requests", "400")
        rate, cpu, errors = press(served, 16, lab.seconds(4, 1), keep_alive=True)
    return {"rate": rate, "cpu": cpu, "errors": errors}


SLEEP = (
    "Whoever has a limit of time has 3 s; less than 0 is too early. uWSGI's HTTP router goes on waiting for a worker that was "
    "killed; without it (uwsgi-socket) the client sees the end. gunicorn ends the request by an exception in it, so it can answer "
    "500."
)
ABUSES = (
    abuse("sleep", "A request that sleeps for ever", SLEEP, (OUTCOME, LATE, *OTHERS, NAMED)),
    abuse(
        "spin",
        "A request that computes without end",
        "The same limit; one of two processors is gone.",
        (OUTCOME, LATE, *OTHERS, NAMED),
    ),
    abuse(
        "allocate",
        "A request that takes 1 GiB of memory each second",
        f"It ends by itself after two seconds, with 2 GiB; at this rate {HARD} MiB are reached after {HARD / 1024:.2f} s. Memory "
        "is read every 20 ms, and two workers and the others of the server are in the sum.",
        (OUTCOME, AFTER, *OTHERS, PEAK, NAMED),
    ),
    abuse(
        "crash",
        "A request that crashes in native code",
        "As it is a GET, Prefork makes it once more in another worker, which dies as well.",
        (OUTCOME, AFTER, *OTHERS, NAMED),
    ),
)
LEAK = Scenario(
    "leak",
    "2 000 requests that leak 5 MiB each",
    "They come one after the other, each over a connection of its own. Memory is read before every tenth of them; the picture "
    "shows the last round. Where a number of requests stands in for a limit of memory, those of the others count as well: a worker "
    f"is replaced after {REQUESTS} of any kind, few of which leaked. So memory is low, and workers are started all the time.",
    LEAKED,
    leak,
    PICTURE="limits-memory.svg",
)
COST = Scenario(
    "cost",
    "What limits cost",
    "wrk with one thread asks for `/` over 16 kept-alive connections for 4 s; the rounds alternate. CPU is that of all processes "
    "of the server, the master included, divided by the requests. On a machine with other work the rates of rounds differ by more "
    "than those of the servers do: CPU is what to read.",
    (
        Column("rate", "requests/s", ratio=True),
        Column("cpu", "CPU µs each", decimals=1, ratio=True),
        Column("errors", "errors, total", summary="total"),
    ),
    cost,
    ROUNDS=9,
    REFERENCE="prefork-no-limits",
)
SCENARIOS = (*ABUSES, LEAK, COST)
