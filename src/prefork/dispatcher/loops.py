"""A worker process with an event loop, seen from here: its places are workers like others, and come, go and die together."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from prefork.messages import LIMIT
from prefork.scoreboard import TURNED

if TYPE_CHECKING:
    from prefork.dispatcher.exchange import Exchange
    from prefork.dispatcher.loop_loans import LoopLoans
    from prefork.dispatcher.workers import Worker
    from prefork.scoreboard import Slot

MOST_TOLD = LIMIT // 2  # bytes of what one message tells of requests
STUCK_AFTER = 1_000_000_000  # nanoseconds
TURNS_WITHIN = 100_000_000  # nanoseconds since its last turn after which a loop counts as held up
RESTS = 250_000_000  # nanoseconds for which a loop without descriptors is given nothing


def turns(words: memoryview, now: int) -> bool:
    """Whether the event loop of the worker with these words in its slot takes what it is given (`now` in monotonic nanoseconds)."""
    return now - words[TURNED] < TURNS_WITHIN


def fitting(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As many of them, from the first on, as one message has room for: a client may send a long target in each of its requests."""
    found, size = [], 0
    for each in told:
        size += len(json.dumps(each))
        if size > MOST_TOLD:
            break
        found.append(each)
    return found


class EventLoop:
    """`slot` is that of its first place, `number` its number, `size` how many places there were; `places` are those still here.

    `told` is what the deaths of places have come to, `left` the requests whose clients have left before they had an answer.
    """

    def __init__(self, number: int, size: int, pid: int, slot: Slot, pidfd: int, counters: int | None) -> None:
        self.number = number
        self.size = size
        self.pid = pid
        self.words = slot.words
        self.pidfd = pidfd
        self.counters = counters
        self.places: list[Worker] = []
        self.told: list[dict[str, Any]] = []
        self.left: set[Exchange] = set()
        self.worn = False  # one of them has asked for a replacement, and the master knows
        self.loans: LoopLoans | None = None
        self.still = (-1, -1)  # what it had done when it was seen to be held up
        self.rests = 0  # until then (monotonic nanoseconds)

    def turns(self, now: int) -> bool:
        """Whether it takes what it is given (`now` in monotonic nanoseconds)."""
        return now >= self.rests and turns(self.words, now)

    def rest(self, now: int) -> None:
        """It has had no descriptor left for what it was given."""
        self.rests = now + RESTS

    def hold_up(self) -> None:
        """It has been seen to do nothing about what has come, until it goes on."""
        self.still = self._done()

    @property
    def held_up(self) -> bool:
        """Whether it has not gone on since then."""
        return self.still == self._done()

    def _done(self) -> tuple[int, int]:
        return self.loans.looks() if self.loans else 0, self.words[TURNED]

    def free(self, idle: int) -> int:
        """How many of so many idle places are inside nothing that it has found by itself."""
        return idle - self.loans.busy() if self.loans else idle

    def rank(self, idle: int) -> tuple[bool, int, int] | None:
        """How good it is for a loop with so many idle places to get the next request, among others: the greater the better.

        None: it has filled them all with what it has found by itself.
        """
        free = self.free(idle)
        return (not self.held_up, free, -len(self.loans.lent) if self.loans else 0) if free > 0 else None

    def note_left(self, exchange: Exchange) -> None:
        """The client of a request has left that a place answers."""
        self.left = {each for each in self.left if each.worker}
        self.left.add(exchange)

    def may_keep(self, key: int) -> bool:
        """Whether a place may keep the socket of an earlier connection with this key: it does so when it ends a request."""
        return any(each.worker is not None and each.connection.descriptor == key for each in self.left)

    def stuck(self, now: int) -> bool:
        """Whether it has not turned for so long that its process may have been stopped."""
        return now - self.words[TURNED] > STUCK_AFTER

    def close(self) -> None:
        """Let go of the process; its pairs are those of the places."""
        os.close(self.pidfd)
        if self.loans:
            self.loans.close()
        if self.counters is not None:
            os.close(self.counters)
