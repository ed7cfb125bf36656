"""How much processor time processes use in a window of time: the scheduler's own count, in nanoseconds, of all their threads."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from prefork.meters import Gone, Meter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

WINDOW = 0.5  # seconds


def measurable(status: Mapping[str, Any]) -> list[int]:
    """The workers of a server's status that answer requests, each process once. One that is being forked has no pid yet."""
    rows = (row["pid"] for row in status["workers"] if row["pool"] == "http")
    return list(dict.fromkeys(pid for pid in rows if pid is not None))


class Window:
    """Open from now on until it is closed. Who has ended by then is left out."""

    def __init__(self, pids: Iterable[int]) -> None:
        self.began: dict[Meter, float] = {}
        for pid in pids:
            with suppress(Gone):
                meter = Meter(pid)
                try:
                    self.began[meter] = meter.processor()
                except Gone:
                    meter.close()

    def close(self) -> dict[int, float]:
        """Seconds of processor time that each process has used meanwhile."""
        found = {}
        for meter, then in self.began.items():
            with suppress(Gone):
                found[meter.pid] = meter.processor() - then
            meter.close()
        self.began.clear()
        return found


def spent(pids: Iterable[int], seconds: float = WINDOW, wait: Callable[[float], None] = time.sleep) -> dict[int, float]:
    """Seconds of processor time that each process has used in the next `seconds`. Who ends meanwhile is left out."""
    window = Window(pids)
    try:
        wait(seconds)
    finally:
        used = window.close()
    return used
