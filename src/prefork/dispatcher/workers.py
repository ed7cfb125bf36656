"""A worker as the dispatcher sees it: the pair, the pidfd that tells of its death, its slot, and the request it has."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, NamedTuple

from prefork import cgroups
from prefork.dispatcher.loans import INSIDE
from prefork.lending import LOANED
from prefork.messages import DONTWAIT, LOG, pack_gone, send
from prefork.scoreboard import BEGUN, REQUEST

if TYPE_CHECKING:
    import socket

    from prefork.dispatcher.exchange import Exchange
    from prefork.dispatcher.loans import Loans
    from prefork.dispatcher.loops import EventLoop
    from prefork.scoreboard import Slot

BEGIN_WITHIN = 1.0  # seconds from the hand-over to the application's start


class Sentence(NamedTuple):
    """Why a worker is about to be killed: the status that its client gets, the reason, and the incident that tells more."""

    status: int
    reason: str
    incident: str


# What the kernel says where it lacks something, whoever the message was for: the next one may reach its worker again.
SCARCE = frozenset((errno.ETOOMANYREFS, errno.ENOBUFS, errno.ENOMEM))


class Worker:
    """One HTTP worker, or one of the places of a worker with an event loop, which has the process.

    `retiring`: it gets no further request, and its pair is closed as soon as it has none. `counters` is what the kernel counts of
    its control group (`cgroups.open_counters`), None where it has none.
    """

    __slots__ = (
        "after",
        "condemned",
        "counters",
        "exchange",
        "fate",
        "finishing",
        "loans",
        "loop",
        "name",
        "number",
        "paused",
        "pid",
        "pidfd",
        "retiring",
        "slot",
        "wire",
        "worn",
    )

    def __init__(
        self, number: int, name: str, pid: int, slot: Slot, wire: socket.socket, pidfd: int, counters: int | None = None
    ) -> None:
        self.number = number
        self.name = name
        self.pid = pid
        self.slot = slot
        self.wire = wire
        self.pidfd = pidfd
        self.counters = counters
        self.exchange: Exchange | None = None
        self.after: Exchange | None = None  # what it was given while it was inside a request that it had found on a loan
        self.loans: Loans | None = None
        self.loop: EventLoop | None = None
        self.finishing = 0  # the number of a request that it has answered and still works for
        self.fate: Sentence | None = None  # another one of its loop is condemned, or has died: it dies with that
        self.retiring = False
        self.worn = False  # it has asked to be replaced, and the master knows
        self.condemned: Sentence | None = None
        self.paused = False  # its messages are not read, because its client does not read either

    def give(self, message: bytes, descriptors: list[int]) -> None:
        """Send it a request. Raises OSError when it is gone."""
        send(self.wire, message, descriptors, DONTWAIT)

    def tell_gone(self, number: int) -> None:
        """Have an application hear that the client of request `number` has left. Only those with a loop can."""
        try:
            send(self.wire, pack_gone(number), (), DONTWAIT)
        except OSError:
            pass  # it is dead, or far too much waits for it

    def log_to(self, descriptor: int) -> None:
        """Have it write to this log, after the request that it has. One that is gone, or takes nothing, is left alone."""
        try:
            send(self.wire, LOG, [descriptor], DONTWAIT)
        except OSError:
            pass

    def has(self, number: int) -> bool:
        """Whether it is working on this request, as far as is known here."""
        return self.exchange is not None and self.exchange.number == number

    def line(self, most: int) -> int:
        """How many requests it has found by itself, or is about to find, `most` of them beside the one that it is inside."""
        return self.loans.line(most) if self.loans else 0

    def inside(self) -> bool:
        """Whether it is inside a request that it has found by itself."""
        word = self.slot.words[REQUEST]
        return self.loans is not None and word >> 16 > LOANED and word & 15 in INSIDE

    def stuck(self, now: float) -> bool:
        """Whether it has not begun its request in time."""
        given = self.exchange
        if given is None or now - given.assigned <= BEGIN_WITHIN:
            return False
        progress = self.slot.progress()
        return progress.number != given.number or progress.state < BEGUN

    def seen(self) -> dict[str, int]:
        """Which place this is, and what it has done: who hears of it later sees whether it has gone on since."""
        return {"place": self.number, "word": self.slot.words[REQUEST]}

    def starved(self) -> bool:
        """Whether the kernel has killed it for want of memory, as far as it says."""
        return self.counters is not None and cgroups.kills(self.counters) > 0

    def close(self) -> None:
        """Let go of its descriptors; the worker sees the end of its pair and leaves."""
        self.wire.close()
        if self.loop:
            return
        if self.loans:
            self.loans.close()
        os.close(self.pidfd)
        if self.counters is not None:
            os.close(self.counters)
