"""What a worker says in its slot when a request or job begins: when that was, and what the worker had used by then.

The master subtracts it from what it reads later, so that nothing is charged to a request that those before it have used.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from prefork.scoreboard import BEGUN, BEGUN_AT, CPU_AT, REQUEST, RESIDENT_AT, pack_progress

if TYPE_CHECKING:
    from typing import Callable

    from prefork.scoreboard import Slot

PAGE = os.sysconf("SC_PAGE_SIZE")
RESIDENT_EVERY = 2_000_000  # nanoseconds: in less, nobody takes memory worth the 5 µs of a reading


class Stamps:
    """`clock` tells the processor time in nanoseconds: of the process, or in threaded mode of the thread."""

    def __init__(self, slot: Slot, clock: Callable[[], int] = time.process_time_ns) -> None:
        self.slot = slot
        self.clock = clock
        self.weighed = 0

    def begin(self, number: int, spent: int = 0) -> int:
        """Say that request or job `number` begins; returns the processor time until now, in nanoseconds. It is `spent` where that
        is known.
        """
        words, now = self.slot.words, time.monotonic_ns()
        if now - self.weighed > RESIDENT_EVERY:
            self.weighed = now
            words[RESIDENT_AT] = resident()
        words[CPU_AT] = spent = spent or self.clock()
        words[BEGUN_AT] = now
        words[REQUEST] = pack_progress(number, BEGUN)
        return spent


def resident() -> int:
    """Bytes of this process in memory, shared ones counted whole; 0 where no descriptor is left to ask with."""
    try:
        statm = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        return int(os.read(statm, 128).split()[1]) * PAGE
    finally:
        os.close(statm)
