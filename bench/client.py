"""The measuring client, a process of its own: one thread for each connection, its findings as one JSON line.

    python client.py closed PORT PATH --threads 4 [--keep-alive]     requests one after the other until its standard input closes
    python client.py open PORT PATH --rate 50 --seconds 4            requests at a constant rate over eight kept-alive connections
    python client.py held PORT PATH --rate 50 --seconds 4 --by PATH  the same while one of the workers is held, by such requests
    python client.py mixed PORT PATH --rate 140 --seconds 10         requests as `mix` makes them over sixty-four
    python client.py count PORT PATH --requests 2000                 so many requests over four connections

After a failure a thread pauses, so that a dead server cannot fill the count by refusing quickly.
"""

from __future__ import annotations

import argparse
import json
import queue
import random
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from connection import Connection, Failed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

PAUSE_AFTER_FAILURE = 0.05
CONNECTIONS = 8
OPENING_INTERVAL = 0.005
MANY = 64  # connections for a mix, in which more than eight requests may be under way
SEED = 14
SHORTEST, LONGEST, SHAPE = 3.0, 1000.0, 1.4  # milliseconds, and the exponent of Pareto's law: the smaller, the heavier its tail
MEAN = (SHORTEST * SHAPE - LONGEST * (SHORTEST / LONGEST) ** SHAPE) / (SHAPE - 1)  # milliseconds


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


def evenly(path: str, rate: float, seconds: float) -> Iterator[tuple[float, str]]:
    """Requests at a constant rate: when each is due, in seconds from the beginning, and its path."""
    return ((number / rate, path) for number in range(int(rate * seconds)))


def mix(path: str, rate: float, seconds: float) -> Iterator[tuple[float, str]]:
    """Requests at random moments, whose work has a heavy tail: by Pareto's law up to LONGEST; its milliseconds end the path.
    They are the same at each call.
    """
    chance, due = random.Random(SEED), 0.0
    while (due := due + chance.expovariate(rate)) < seconds:
        yield due, f"{path}{min(LONGEST, SHORTEST * chance.paretovariate(SHAPE)):.3f}"


def open_loop(port: int, requests: Iterable[tuple[float, str]], *, connections: int, by: str | None) -> list[Tally]:
    """Requests that are due at their moments, each on the connection that has been free longest; latencies from the due time.

    Where `by` is a path, one more connection holds a worker with that, again and again. The others are opened before that, a little
    apart and each with a request that holds its worker briefly: otherwise one worker may accept them all, and chance decides the
    figures.
    """
    queued: queue.Queue[tuple[float, str] | None] = queue.Queue()
    opened = threading.Barrier(connections + 1)
    numbers = iter(range(connections))
    stop = threading.Event()

    def take(tally: Tally) -> None:
        connection = Connection(port, keep_alive=True)
        time.sleep(next(numbers) * OPENING_INTERVAL)
        ask(connection, f"/hold?seconds={4 * OPENING_INTERVAL}", 0.0, Tally())
        opened.wait()
        while (request := queued.get()) is not None:
            ask(connection, request[1], request[0], tally)
        connection.close()

    def hold(_tally: Tally) -> None:
        connection = Connection(port, keep_alive=True)
        while not stop.is_set():
            if not ask(connection, by or "", 0.0, Tally()):
                stop.wait(PAUSE_AFTER_FAILURE)
        connection.close()

    tallies, running = start([take] * connections)
    opened.wait()
    _, holder = start([hold] if by else [])
    began = time.perf_counter() + 0.2
    for due, path in requests:
        time.sleep(max(0.0, began + due - time.perf_counter()))
        queued.put((began + due, path))
    for _ in range(connections):
        queued.put(None)
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
    arguments.add_argument("kind", choices=["closed", "open", "held", "mixed", "count"])
    arguments.add_argument("port", type=int)
    arguments.add_argument("path")
    arguments.add_argument("--threads", type=int, default=4)
    arguments.add_argument("--keep-alive", action="store_true")
    arguments.add_argument("--rate", type=float, default=50)
    arguments.add_argument("--seconds", type=float, default=4)
    arguments.add_argument("--by", default="/hold?seconds=1")
    arguments.add_argument("--requests", type=int, default=2000)
    given = arguments.parse_args()
    if given.kind == "mixed":
        tallies = open_loop(given.port, mix(given.path, given.rate, given.seconds), connections=MANY, by=None)
    elif given.kind in {"open", "held"}:
        by = given.by if given.kind == "held" else None
        tallies = open_loop(given.port, evenly(given.path, given.rate, given.seconds), connections=CONNECTIONS, by=by)
    else:
        requests = given.requests if given.kind == "count" else None
        tallies = closed_loop(given.port, given.path, threads=given.threads, keep_alive=given.keep_alive, requests=requests)
    print(json.dumps(findings(tallies)))


if __name__ == "__main__":
    main()
