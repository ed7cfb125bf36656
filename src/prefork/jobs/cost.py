"""What a run takes, measured in the process that does it: time, processor time with that of its children, most memory."""

from __future__ import annotations

import resource
import time

from prefork.store.jobs import Cost


class Meter:
    """Measures from when it is made."""

    def __init__(self) -> None:
        forget_peak()
        self._started, self._cpu = time.monotonic(), processor_time()

    def read(self) -> Cost:
        """What it took until now."""
        return Cost(time.monotonic() - self._started, processor_time() - self._cpu, peak())


def processor_time() -> float:
    """Seconds of processor time of this process and of its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def forget_peak() -> None:
    """Have the kernel measure the peak of this process's memory anew: proc(5), clear_refs."""
    try:
        with open("/proc/self/clear_refs", "wb", buffering=0) as file:
            file.write(b"5")
    except OSError:
        pass  # a kernel without it: the peak is that of the process's life


def peak() -> int:
    """The most memory that has been resident since then, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
