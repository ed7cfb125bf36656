"""An application whose page computes, and jobs that do nothing else and never end.

/        computes for about 20 ms
/hold    the same: what a client opens its connections with
/spin    starts a process that computes without end
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any

LOOPS = 550_000  # about 20 ms


def compute() -> int:
    """What takes a page its time: the same work each time, however long that takes."""
    total = 0
    for number in range(LOOPS):
        total += number * number
    return total


def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """The routes."""
    if environ["PATH_INFO"] == "/spin":
        subprocess.Popen([sys.executable, "-c", "while True: pass"], stdin=subprocess.DEVNULL)
    else:
        compute()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "6")])
    return [b"Hello\n"]


class Endless:
    """A `job_source` with one job, which is always due and never ends; each worker has one of its own."""

    name, number = "endless", 1

    def __init__(self, _identity: Any) -> None:
        pass

    def connect(self) -> None:
        """Nothing to reach for."""

    def fileno(self) -> int:
        """Nothing tells of it."""
        return -1

    def claim(self) -> Endless:
        """The job."""
        return self

    def patience(self) -> float:
        """It is due at once."""
        return 0.0

    def call(self) -> None:
        """Do it."""
        while True:
            compute()

    def finish(self, _error: BaseException | None) -> None:
        """Its worker is killed before that."""

    def close(self) -> None:
        """Nothing to let go of."""
