"""The limits of workers on a machine: none of them together can exhaust its memory, and each may reach its limits undisturbed."""

from __future__ import annotations

from typing import NamedTuple

from prefork.sizing.machine import GIB, MIB

SOFT_SHARE = 80  # per cent of the hard limit: what is advised is 70 to 80, and 83 published beside it
MOST = 2 * GIB + GIB // 2  # the hard limit that is published for machines with memory to spare
STEP = 25 * MIB  # so that 80 % of it are whole as well
TIME_CPU, TIME_REAL = 60, 120  # seconds


class Memory(NamedTuple):
    """Bytes of a worker."""

    soft: int
    hard: int


def memory(total: int, processes: int, room: int) -> Memory:
    """An equal share of `total` for each process, but `room` bytes at least, which a worker needs."""
    share = total // processes // STEP * STEP
    hard = max(min(MOST, share), room)
    return Memory(hard * SOFT_SHARE // 100, hard)


def room_for(worker_memory: int) -> int:
    """The hard limit of a worker that usually takes `worker_memory`, so that it is not above its soft one from the start."""
    return -(-worker_memory * 100 // SOFT_SHARE)
