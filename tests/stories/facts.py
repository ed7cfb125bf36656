"""Waiting for facts that no event tells."""

import threading
from collections.abc import Callable

from prefork.testing import Server

TIMEOUT, PAUSE = 15.0, 0.01  # seconds


def await_fact(fact: Callable[[], bool], what: str, server: Server, timeout: float = TIMEOUT) -> None:
    """Poll a fact that no event tells."""
    for _ in range(int(timeout / PAUSE)):
        if fact():
            return
        threading.Event().wait(PAUSE)
    raise AssertionError(f"there were never {what}; status {server.status()}\n{server.log.text()}")
