"""Load and memory, both bounded: so many clients for so many seconds, and so many bytes for as long.

Clients keep their connections and ask again as soon as they are answered. The memory belongs to a process of its own, which is the
first that the kernel would kill.
"""

from __future__ import annotations

import http.client
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 30.0  # seconds for one answer
# It offers itself to the kernel, says when it has its memory, and ends with its standard input.
TAKER = """
import sys
open("/proc/self/oom_score_adj", "w").write("1000")
taken = bytearray(int(sys.argv[1]))
taken[::4096] = b"x" * len(range(0, len(taken), 4096))
print("taken", flush=True)
sys.stdin.read()
"""


@dataclass
class Tally:
    """What one client saw: how long each answer took, and what was none."""

    times: list[float] = field(default_factory=list)
    failed: int = 0


@dataclass(frozen=True)
class Round:
    """So many clients for so many seconds. Times in seconds; `failed` are answers from 500 on, and none at all."""

    clients: int
    seconds: float
    answered: int
    failed: int
    median: float
    slow: float

    @property
    def rate(self) -> float:
        """Answers in a second."""
        return self.answered / self.seconds


def load(host: str, port: int, path: str, clients: int, seconds: float) -> Round:
    """Have clients ask for a page as fast as they are answered."""
    until, tallies = time.monotonic() + seconds, [Tally() for _ in range(clients)]
    threads = [threading.Thread(target=ask, args=(host, port, path, until, tally), daemon=True) for tally in tallies]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    times = sorted(each for tally in tallies for each in tally.times)
    failed = sum(tally.failed for tally in tallies)
    return Round(clients, time.monotonic() - begun, len(times), failed, quantile(times, 0.5), quantile(times, 0.99))


def ask(host: str, port: int, path: str, until: float, tally: Tally) -> None:
    """One client."""
    connection = http.client.HTTPConnection(host, port, timeout=PATIENCE)
    while (begun := time.monotonic()) < until:
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            tally.failed += 1
            continue
        tally.failed += answer.status >= http.client.INTERNAL_SERVER_ERROR
        tally.times.append(time.monotonic() - begun)
    connection.close()


def quantile(times: list[float], share: float) -> float:
    """Of sorted times; 0 where there are none."""
    return times[min(len(times) - 1, int(len(times) * share))] if times else 0.0


@contextmanager
def memory(size: int) -> Iterator[bool]:
    """Take so many bytes meanwhile. Gives whether they could be had."""
    command = [sys.executable, "-c", TAKER, str(size)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdin
        assert process.stdout
        yield process.stdout.readline() == b"taken\n"
        process.stdin.close()
