"""Shared memory that says what every worker is doing: one slot per worker, and a block of counters for the dispatcher.

Each 8-byte word has one writer, which stores it whole (one aligned store), so readers need no lock and a writer may be killed
between any two stores. Runs inside the application's interpreter too: standard library only, Python 3.9+.
"""

from __future__ import annotations

import mmap
import os
from typing import NamedTuple

SLOTS = 1024  # workers of all kinds that may exist at once
WORDS = 16  # 8-byte words in a slot: 128 bytes, two cache lines
DISPATCHER = SLOTS  # the block behind the last slot

# A worker's words. WAITING_SINCE (monotonic nanoseconds, else 0): its client does not read and there is no more room to spool.
REQUEST, BEGUN_AT, REQUESTS, SIZE, WAITING_SINCE = range(5)
# The dispatcher's words: how long the queue is and since when its head waits; totals since the dispatcher's start; when its
# loop last turned (monotonic nanoseconds).
QUEUED, OLDEST, CONNECTIONS, ANSWERED, RETRIED, FAILED, REFUSED, BUSY, TURNED_AT = range(9)

# What a worker has done about the request it was given last, in the order of events.
NOTHING, RECEIVED, BEGUN, WRITING, DONE = range(5)


class Progress(NamedTuple):
    """A worker's REQUEST word, unpacked.

    `number` identifies the request (the dispatcher counts them), `status` is the HTTP status once known (else 0), and `keep`
    tells whether the connection can take another request afterwards. `whole`, while WRITING: the answer is complete as soon
    as the socket has taken as many bytes as the SIZE word says.
    """

    number: int
    state: int
    status: int
    keep: bool
    whole: bool


def pack_progress(number: int, state: int, status: int = 0, keep: bool = False, whole: bool = False) -> int:
    """One word from its parts: 48 bits number, 1 whole, 10 status, 1 keep, 4 state."""
    return number << 16 | (32768 if whole else 0) | status << 5 | (16 if keep else 0) | state


def unpack_progress(word: int) -> Progress:
    """The parts of a REQUEST word."""
    return Progress(word >> 16, word & 15, word >> 5 & 1023, bool(word & 16), bool(word & 32768))


class Slot:
    """The words of one worker, or of the dispatcher."""

    __slots__ = ("base", "words")

    def __init__(self, words: memoryview, index: int) -> None:
        self.words = words
        self.base = index * WORDS

    def __getitem__(self, word: int) -> int:
        return self.words[self.base + word]

    def __setitem__(self, word: int, value: int) -> None:
        self.words[self.base + word] = value

    def progress(self) -> Progress:
        """What the worker has done about its last request."""
        return unpack_progress(self[REQUEST])

    def clear(self) -> None:
        """Zero all words, before another worker gets the slot."""
        for word in range(WORDS):
            self[word] = 0


class Scoreboard:
    """The whole memory, mapped from a descriptor that all processes of the server share."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        size = (SLOTS + 1) * WORDS * 8
        if os.fstat(descriptor).st_size < size:
            os.ftruncate(descriptor, size)
        self.memory = mmap.mmap(descriptor, size)
        self.words = memoryview(self.memory).cast("Q")

    @classmethod
    def create(cls) -> Scoreboard:
        """New, zeroed memory without a name in any file system."""
        return cls(os.memfd_create("prefork-scoreboard", os.MFD_CLOEXEC))

    def slot(self, index: int) -> Slot:
        """The slot of worker number `index`, or the dispatcher's (`DISPATCHER`)."""
        return Slot(self.words, index)
