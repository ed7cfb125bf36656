"""The last requests in shared memory, 24 bytes each: when they came, what they waited, took and used. Advice is made from them.

The dispatcher writes, the master hands out; a ring, so that it costs the same for ever, and that outlives a dispatcher that dies.
A reader needs no lock: the count of all that were ever written follows each, and what was overwritten meanwhile is left out.
"""

from __future__ import annotations

import mmap
import os
import struct
from typing import NamedTuple

RECORD = struct.Struct("<QIIIHH")
HEAD = 8  # bytes: how many were ever written, one aligned store
UNSERVED = 0xFFFFFFFF  # in the place of a service time: no worker ever had it
LONGEST = UNSERVED - 1  # microseconds, more than an hour


class Call(NamedTuple):
    """A request. Microseconds: `arrived` on the monotonic clock, `wait` for a worker, `service` by it, `cpu` of its processor time.

    `service` is UNSERVED for one that no worker had. `lane` is the number of its lane, `workers` how many there were when it ended.
    """

    arrived: int
    wait: int
    service: int
    cpu: int
    lane: int
    workers: int


class Trace:
    """The ring in a descriptor's memory. `size` is how many it holds; with 0 nothing is noted."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.size = (os.fstat(descriptor).st_size - HEAD) // RECORD.size
        self.memory = mmap.mmap(descriptor, HEAD + self.size * RECORD.size)
        self.written = memoryview(self.memory)[:HEAD].cast("Q")

    @classmethod
    def create(cls, size: int) -> Trace:
        """New memory without a name in any file system; what is not used yet takes none."""
        descriptor = os.memfd_create("prefork-trace", os.MFD_CLOEXEC)
        os.ftruncate(descriptor, HEAD + size * RECORD.size)
        return cls(descriptor)

    def note(self, arrived: float, wait: float, service: float | None, cpu: int, lane: int, workers: int) -> None:
        """Keep one request: monotonic seconds, seconds, seconds or None where no worker had it, nanoseconds."""
        if not self.size:
            return
        count = self.written[0]
        RECORD.pack_into(
            self.memory,
            HEAD + count % self.size * RECORD.size,
            max(0, int(arrived * 1e6)),
            min(int(wait * 1e6), LONGEST),
            UNSERVED if service is None else min(int(service * 1e6), LONGEST),
            min(cpu // 1000, LONGEST),
            lane,
            workers,
        )
        self.written[0] = count + 1

    def forget(self) -> None:
        """Begin anew: what the numbers of the lanes mean has changed."""
        self.written[0] = 0

    def read(self) -> bytes:
        """The records that are there, the oldest first, as `calls` takes them apart."""
        last = self.written[0]
        copy = bytes(memoryview(self.memory)[HEAD:])
        written = self.written[0]  # by now, and the next one may be half there
        first = max(0, written + 1 - self.size)
        if written < last or first >= last:  # it has begun anew, or come around
            return b""
        begin, end = first % self.size * RECORD.size, last % self.size * RECORD.size
        return copy[begin:end] if begin < end else copy[begin:] + copy[:end]


def calls(records: bytes) -> list[Call]:
    """The requests in records, in the order of their arrival. Raises struct.error."""
    return sorted(Call._make(fields) for fields in RECORD.iter_unpack(records))
