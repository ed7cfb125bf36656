"""One server under the generator's fire: what the fuzzing met with, what it left behind, and how a well-behaved client fared."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.conftest import ROOT
from tests.process.wire import until

from prefork.testing import Connection, Event, Request, Server

if TYPE_CHECKING:
    from collections.abc import Iterator

APPS = ROOT / "tests" / "process" / "apps"
OPTIONS = {
    "workers": 2,
    "limit_request": 0,
    "access_log": False,
    "queue_size": 200,
    "max_header_size": 4096,
    "max_body_size": 1 << 20,
}
PACE = 0.005  # seconds between an answer and the next request of the well-behaved client
WARM_UP = 0.2  # of the time: caches fill, arenas grow
GROWTH = 4 << 20  # bytes that a process may have more in the end


@dataclass
class Report:
    """What came of it.

    Requests were `served` or `refused`; of the connections some were `short`, and `halves` left with half a request. `latencies`
    are seconds; `growth` is in bytes, of the process that grew most, since the warm-up.
    """

    served: int
    refused: int
    connections: int
    short: int
    halves: int
    seconds: float
    latencies: list[float]
    growth: int

    @property
    def requests(self) -> int:
        """All that were answered."""
        return self.served + self.refused

    @property
    def rate(self) -> float:
        """Fuzzed requests answered in a second."""
        return self.requests / self.seconds

    def quantile(self, share: float) -> float:
        """The latency in seconds that so many of the well-behaved client's requests did not exceed."""
        ranked = sorted(self.latencies)
        return ranked[min(int(share * len(ranked)), len(ranked) - 1)]


@contextmanager
def serving(app: str = "mirror:mirror") -> Iterator[Server]:
    """A server with the limits that the scripts were worked out for. `mirror:app` is the same application, validated."""
    with Server(app, app_dir=APPS, **OPTIONS) as server:
        yield server


def attempt(server: Server, seconds: int, seed: int, count: int, least: int = 0) -> Report:
    """Fuzz the server for so long with so many different connections, on a slow machine until `least` requests are answered.

    Raises AssertionError when it has suffered.
    """
    command = [sys.executable, "-m", "tests.fuzz.generator", *map(str, (server.port, seconds, least, seed, count))]
    processes = pids(server)
    with Connection("127.0.0.1", server.port) as client:
        ask(client, 0)
    until(lambda: not connected(server), "its connection to be closed")
    descriptors = open_descriptors(processes)
    with Connection("127.0.0.1", server.port) as client, subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as generator:
        assert generator.stdout
        assert generator.stdout.readline() == b"begins\n"
        latencies, before = behave(client, generator, server, seconds)
        said = json.loads(generator.stdout.read())
    assert pids(server) == processes, f"a process was replaced: {faults(server)}"
    until(lambda: left_open(processes, descriptors) == 0, "everything to be closed")
    growth = max(resident(pid) - before[pid] for pid in processes)
    assert not faults(server), faults(server)
    assert not server.log.output, server.log.output[:3]
    assert not (wrong := said.pop("wrong")), wrong[:3]
    assert growth < GROWTH, f"a process has grown by {growth} bytes"
    return Report(**said, latencies=latencies, growth=growth)


def faults(server: Server) -> list[Event]:
    """What its log tells that should not have happened: all that is worse than information."""
    return [event for event in server.events() if event["level"] not in {"debug", "info"}]


def behave(
    client: Connection, generator: subprocess.Popen[bytes], server: Server, seconds: int
) -> tuple[list[float], dict[int, int]]:
    """Ask, and check each answer, until the generator has ended. Returns how long each took, and the memory after the warm-up."""
    warm = time.monotonic() + WARM_UP * seconds
    latencies: list[float] = []
    before: dict[int, int] = {}
    while not ended(generator, PACE):
        latencies.append(ask(client, len(latencies)))
        if not before and time.monotonic() > warm:
            before = {pid: resident(pid) for pid in pids(server)}
    return latencies, before


def ended(process: subprocess.Popen[bytes], within: float) -> bool:
    """Whether a process ends in so many seconds."""
    try:
        process.wait(within)
    except subprocess.TimeoutExpired:
        return False
    return True


def ask(client: Connection, number: int) -> float:
    """One request of the well-behaved client: seconds until its answer, which must be its own."""
    begun = time.monotonic()
    answer = client.exchange(Request(f"/behaves?{number}", "POST", body=b"%d" % number))
    assert answer.status == 200
    assert json.loads(answer.headers["x-seen"]) == ["POST", f"/behaves?{number}", str(number)]
    return time.monotonic() - begun


def pids(server: Server) -> list[int]:
    """The processes that requests go through."""
    return [server.status()["dispatcher"]["pid"], *server.workers().values()]


def connected(server: Server) -> int:
    """How many connections it has."""
    return int(server.status()["dispatcher"]["connections"])


def open_descriptors(processes: list[int]) -> dict[int, int]:
    """How many each has."""
    return {pid: len(os.listdir(f"/proc/{pid}/fd")) for pid in processes}


def left_open(processes: list[int], before: dict[int, int]) -> int:
    """How many more descriptors they have than before."""
    return sum(max(0, now - before[pid]) for pid, now in open_descriptors(processes).items())


def resident(pid: int) -> int:
    """Bytes of memory that a process has in use."""
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
