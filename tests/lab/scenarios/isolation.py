"""Pages beside heavy jobs: on nodes and a processor of their own, as the enterprise topology has them, and on one node for all."""

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from ssl import SSLContext

from tests.lab.page import table
from tests.lab.rig import Rig, rigged, tell

from prefork.lab import application
from prefork.lab.door import Door, Visitor, door, trusting
from prefork.render.topology import shipped

RATE = 25.0  # pages in a second
PHASE, ROUNDS = 8.0, 4  # seconds without jobs, then with them, and how often
JOBS = 2  # at the same time: one for each processor of the machine
PROMISED = 1.25
PINNED = {"cron1": 0, "app1": 1, "app2": 1}
MONOLITH = """
[nodes.app1]
address = "10.0.0.21"
roles = ["app", "cron", "websocket"]

"""
# What Prefork does for its workers for jobs, undone.
EQUAL = "for each in $(pgrep -f '^prefork: cron'); do chrt -a --other -p 0 $each; renice -n 0 -p $each; done"
HEAD = ["jobs", "median without", "with them", "99 % without", "with them", "moved by"]


def run(place: Path) -> tuple[str, list[str]]:
    """The same pages and the same jobs, in three ways."""
    with rigged(place) as rig:
        for name, processor in PINNED.items():
            rig.pin(name, processor)
        apart = compared(rig)
    with rigged(place, topology=monolith()) as rig:
        beside = compared(rig)
        rig.run("app1", "sh", "-c", EQUAL)
        equal = compared(rig)
    rows = [
        row("on a cron node with one processor, pages on application nodes with the other", *apart),
        row("beside the pages, on one node with both processors", *beside),
        row("the same, with the priority of pages instead of the lowest", *equal),
    ]
    moved = slow(apart[1]) / slow(apart[0])
    text = (
        f"{RATE:.0f} pages a second through the edge, each {application.PAGE * 1000:.0f} ms of a processor and one query; in turn "
        f"{PHASE:.0f} s without and {PHASE:.0f} s with {JOBS} jobs that only compute, {ROUNDS} times.\n\n{table(HEAD, rows)}"
    )
    return text, [f"99 % of pages moved by {moved - 1:.0%}"] if moved > PROMISED else []


def monolith() -> str:
    """The enterprise topology with one node for pages, jobs and live connections."""
    text = shipped("enterprise")
    return text[: text.index("[nodes.app1]")] + MONOLITH + text[text.index("[nodes.pooler1]") :]


def compared(rig: Rig) -> tuple[list[float], list[float]]:
    """Seconds that pages took without jobs and with them."""
    quiet: list[float] = []
    busy: list[float] = []
    for _ in range(ROUNDS):
        quiet += visited(door(rig.estate))
        toil(rig)
        rig.await_fact(lambda: running(rig) == JOBS, f"{JOBS} jobs are being done")
        busy += visited(door(rig.estate))
        rig.await_fact(lambda: not running(rig), "the jobs are done")
    tell(f"99 %: {slow(quiet) * 1000:.0f} ms without jobs, {slow(busy) * 1000:.0f} ms with them")
    return quiet, busy


def toil(rig: Rig) -> None:
    """Have jobs compute for longer than the phase is."""
    arguments = f'{{"args": [{PHASE + 1}], "kwargs": {{}}}}'
    rig.sql(
        f"INSERT INTO prefork.runs (job, priority, arguments) SELECT name, priority, '{arguments}' "
        f"FROM prefork.jobs, generate_series(1, {JOBS}) WHERE name LIKE '%toil'; SELECT pg_notify('prefork_jobs', '')"
    )


def running(rig: Rig) -> int:
    """How many of them are being done."""
    return int(rig.sql("SELECT count(*) FROM prefork.runs WHERE job LIKE '%toil' AND state = 'running'"))


def visited(place: Door) -> list[float]:
    """Seconds from when a visitor wanted a page until it was there, of a phase."""
    trust, began = trusting(), time.monotonic()
    with ThreadPoolExecutor(32) as pool:
        visits = [pool.submit(visit, place, trust, began + number / RATE) for number in range(int(RATE * PHASE))]
    return [each.result() for each in visits]


def visit(place: Door, trust: SSLContext, at: float) -> float:
    """One of them."""
    time.sleep(max(0.0, at - time.monotonic()))
    visitor = Visitor(place, trust)
    try:
        visitor.request("GET", "/page", headers={"Connection": "close"})
        answer = visitor.getresponse()
        assert (answer.status, answer.read() is not None) == (200, True), f"status {answer.status}"
    finally:
        visitor.close()
    return time.monotonic() - at


def slow(took: list[float]) -> float:
    """What 99 of 100 took at most."""
    return statistics.quantiles(took, n=100)[98]


def row(title: str, quiet: list[float], busy: list[float]) -> list[str]:
    """A line of the table."""
    figures = (statistics.median(quiet), statistics.median(busy), slow(quiet), slow(busy))
    return [title, *(f"{each * 1000:.0f} ms" for each in figures), f"{slow(busy) / slow(quiet) - 1:+.0%}"]
