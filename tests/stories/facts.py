"""Waiting for facts that no event tells."""

import threading
from collections.abc import Callable
from pathlib import Path

from prefork.testing import Server

TIMEOUT, PAUSE = 15.0, 0.01  # seconds


def await_fact(fact: Callable[[], bool], what: str, server: Server, timeout: float = TIMEOUT) -> None:
    """Poll a fact that no event tells."""
    for _ in range(int(timeout / PAUSE)):
        if fact():
            return
        threading.Event().wait(PAUSE)
    raise AssertionError(f"there were never {what}; status {server.status()}\n{server.log.text()}")


def failures(server: Server) -> int:
    """How many starts in a row have failed, while the next one waits for that."""
    return int((server.status()["crash_loop"] or {"failures": 0})["failures"])


def footprint(server: Server) -> dict[str, int]:
    """Descriptors, threads and memory of the processes that live through reloads."""
    pids = {"master": server.pid, "dispatcher": server.status()["dispatcher"]["pid"]}
    found = {f"{name} fds": len(list(Path(f"/proc/{pid}/fd").iterdir())) for name, pid in pids.items()}
    found["threads"] = sum(len(list(Path(f"/proc/{pid}/task").iterdir())) for pid in pids.values())
    for name, pid in pids.items():
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        found[f"{name} KiB"] = next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return found
