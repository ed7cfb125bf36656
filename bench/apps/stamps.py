"""Monotonic seconds in a file, from however many processes; and the client that defers jobs: `PROGRAM fill 1000 | ring 20`."""

from __future__ import annotations

import os
import struct
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

PAUSE = 0.15  # seconds between two jobs that find everybody idle


def stamp() -> None:
    """Note that a job is being done now."""
    file = os.open(os.environ["BENCH_STAMPS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, struct.pack("d", time.monotonic()))
    os.close(file)


def main(defer: Callable[[], Any]) -> None:
    """Defer jobs at once, or one after the other; prints the time before each of these but the first, which connects."""
    way, count = sys.argv[1], int(sys.argv[2])
    if way == "ring":
        defer()
    for _ in range(count):
        if way == "ring":
            time.sleep(PAUSE)
            print(time.monotonic())
        defer()
