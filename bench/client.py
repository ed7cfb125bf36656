"""The measuring client, a process of its own: one thread for each connection, its findings as one JSON line.

    python client.py closed PORT PATH --threads 4 [--keep-alive]     requests one after the other until its standard input closes
    python client.py open PORT PATH --rate 50 --seconds 4            requests at a constant rate over eight kept-alive connections
    python client.py held PORT PATH --rate 50 --seconds 4            the same while one of the workers is held
    python client.py count PORT PATH --requests 2000                 so many requests over four connections

After a failure a thread pauses, so that a dead server cannot fill the count by refusing quickly.
"""

from __future__ import annotations

import argparse
import json
import queue
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from connection import Connection, Failed

if TYPE_CHECKING:
    from collections.abc import Callable

PAUSE_AFTER_FAILURE = 0.05
CONNECTIONS = 8
OPENING_INTERVAL = 0.005


@dataclass
class Tally:
    """What one thread saw: latencies in seconds, failures by kind."""

    latencies: list[float] = field(default_factory=list)
    failures: dict[str, int] = field(default_factory=dict)

    def failed(self, kind: str) -> None:
        """Count one failure."""
        self.failures[kind] = self.failures.get(kind, 0) + 1


def ask(connection: Connection, path: str, since: float, tally: Tally) -> bool:
    """One request, into the tally; the latency counts from `since`. Whether it succeeded."""
    try:
        connection.get(path)
    except Failed as failure:
        tally.failed(str(failure))
        return False
    tally.latencies.append(time.perf_counter() - since)
    return True


def closed_loop(port: int, path: str, *, threads: int, keep_alive: bool, requests: int | None = None) -> list[Tally]:
    """Each thread asks again as soon as it is answered, until standard input closes or `requests` were made."""
    stop = threading.Event()
    share = requests // threads if requests else None

    def repeat(tally: Tally) -> None:
        connection = Connection(port, keep_alive=keep_alive)
        made = 0
        while not stop.is_set() and made != share:
            made += 1
            if not ask(connection, path, time.perf_counter(), tally):
                stop.wait(PAUSE_AFTER_FAILURE)
        connection.close()

    tallies, running = start([repeat] * threads)
    if requests is None:
        sys.stdin.read()
        stop.set()
    return finish(tallies, running)


def open_loop(port: int, path: str, *, rate: float, seconds: float, held: bool) -> list[Tally]:
    """Requests due at a constant rate, each on the connection that has been free longest; latencies from the due time.

    `held`: a ninth connection holds one worker for a second at a time, all the while. The eight are opened before that, a little
    apart and each with a request that holds its worker briefly: otherwise one worker may accept them all, and chance decides the
    figures.
    """
    due: queue.Queue[float | None] = queue.Queue()
    opened = threading.Barrier(CONNECTIONS + 1)
    numbers = iter(range(CONNECTIONS))
    stop = threading.Event()

    def take(tally: Tally) -> None:
        connection = Connection(port, keep_alive=True)
        time.sleep(next(numbers) * OPENING_INTERVAL)
        ask(connection, f"/hold?seconds={4 * OPENING_INTERVAL}", 0.0, Tally())
        opened.wait()
        while (moment := due.get()) is not None:
            ask(connection, path, moment, tally)
        connection.close()

    def hold(_tally: Tally) -> None:
        connection = Connection(port, keep_alive=True)
        while not stop.is_set():
            if not ask(connection, "/hold?seconds=1", 0.0, Tally()):
                stop.wait(PAUSE_AFTER_FAILURE)
        connection.close()

    tallies, running = start([take] * CONNECTIONS)
    opened.wait()
    _, holder = start([hold] if held else [])
    began = time.perf_counter() + 0.2
    for n in range(int(rate * seconds)):
        time.sleep(max(0.0, began + n / rate - time.perf_counter()))
        due.put(began + n / rate)
    for _ in range(CONNECTIONS):
        due.put(None)
    stop.set()
    finish([], holder)
    return finish(tallies, running)


def start(bodies: list[Callable[[Tally], None]]) -> tuple[list[Tally], list[threading.Thread]]:
    """A started thread for each body, each with a tally of its own."""
    tallies = [Tally() for _ in bodies]
    threads = [threading.Thread(target=body, args=(tally,)) for body, tally in zip(bodies, tallies, strict=True)]
    for thread in threads:
        thread.start()
    return tallies, threads


def finish(tallies: list[Tally], threads: list[threading.Thread]) -> list[Tally]:
    """Wait for the threads; their tallies."""
    for thread in threads:
        thread.join()
    return tallies


def findings(tallies: list[Tally]) -> dict[str, object]:
    """The tallies as one JSON object: `latencies` (seconds, ascending) and `failures` (by kind)."""
    failures = Tally()
    for tally in tallies:
        for kind, count in tally.failures.items():
            failures.failures[kind] = failures.failures.get(kind, 0) + count
    return {"latencies": sorted(latency for tally in tallies for latency in tally.latencies), "failures": failures.failures}


def main() -> None:
    """Run the kind of load that the command line names and print what was found."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("kind", choices=["closed", "open", "held", "count"])
    arguments.add_argument("port", type=int)
    arguments.add_argument("path")
    arguments.add_argument("--threads", type=int, default=4)
    arguments.add_argument("--keep-alive", action="store_true")
    arguments.add_argument("--rate", type=float, default=50)
    arguments.add_argument("--seconds", type=float, default=4)
    arguments.add_argument("--requests", type=int, default=2000)
    given = arguments.parse_args()
    if given.kind in {"open", "held"}:
        held = given.kind == "held"
        tallies = open_loop(given.port, given.path, rate=given.rate, seconds=given.seconds, held=held)
    else:
        requests = given.requests if given.kind == "count" else None
        tallies = closed_loop(given.port, given.path, threads=given.threads, keep_alive=given.keep_alive, requests=requests)
    print(json.dumps(findings(tallies)))


if __name__ == "__main__":
    main()
