"""What a Django-size application costs in memory: fresh, after requests, after a garbage collection in every worker."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from drive import get, run_client
from figures import Column
from processes import ServerFailed, pss_mib

if TYPE_CHECKING:
    from lab import Lab, Served
    from servers import Server

NAME = "memory"
ROUNDS = 1
TITLE = "Memory of a Django-size application"
METHOD = (
    "Proportional set size in MiB of every process of the server together, and of one worker on average, for a Django "
    "project with thirteen contrib apps and about 60 MB of objects: when it is ready, after 2 000 requests that read a "
    "tenth of the objects, and after a full garbage collection in each worker (which touches every object, and with it "
    "every page that workers share). Whether the application is loaded before the fork is the server's default unless the "
    "name says otherwise. One round: the figures repeat within a few per cent."
)
MOMENTS = {"fresh": "fresh", "used": "after requests", "collected": "after a collection"}
COLUMNS = tuple(
    Column(f"{moment}_{kind}", f"{words}: {kind}", ratio=True) for moment, words in MOMENTS.items() for kind in ("sum", "worker")
)


def measure(server: Server, lab: Lab) -> dict[str, float]:
    """The three moments on one start of the server."""
    with lab.serve(server, "ledger") as served:
        figures = weigh("fresh", served)
        found = run_client("count", served.port, "/", "--keep-alive", "--requests", "400" if lab.quick else "2000")
        if found.failed:
            raise ServerFailed(f"requests failed: {found.failures}: {served.process.last_lines()}")
        figures |= weigh("used", served)
        collect_everywhere(served)
        return figures | weigh("collected", served)


def weigh(moment: str, served: Served) -> dict[str, float]:
    """The memory as it stands: all processes, and the mean of the workers."""
    workers = [pss_mib(pid) for pid in served.workers()]
    return {f"{moment}_sum": sum(map(pss_mib, served.process.tree())), f"{moment}_worker": sum(workers) / len(workers)}


def collect_everywhere(served: Served) -> None:
    """Ask for a collection, several at once so that no worker can answer them all, until each that is there has done one."""
    done: set[int] = set()
    deadline = time.monotonic() + 15
    with ThreadPoolExecutor(6) as pool:
        while missing := set(served.workers()) - done:
            if time.monotonic() > deadline:
                raise ServerFailed(f"no garbage collection in workers {sorted(missing)}: {served.process.last_lines()}")
            done |= {int(pid) for pid in pool.map(lambda _: get(served.port, "/gc"), range(6)) if pid}
