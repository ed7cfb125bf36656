"""How much processor time processes use in a window of time: the scheduler's own count, in nanoseconds, of all their threads."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from prefork.meters import Gone, Meter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

WINDOW = 0.5  # seconds


def spent(pids: Iterable[int], seconds: float = WINDOW, wait: Callable[[float], None] = time.sleep) -> dict[int, float]:
    """Seconds of processor time that each process has used in the next `seconds`. Who ends meanwhile is left out."""
    with ExitStack() as stack:
        before = {}
        for pid in pids:
            try:
                meter = Meter(pid)
                stack.callback(meter.close)
                before[meter] = meter.processor()
            except Gone:
                continue
        wait(seconds)
        found = {}
        for meter, then in before.items():
            try:
                found[meter.pid] = meter.processor() - then
            except Gone:
                continue
        return found
