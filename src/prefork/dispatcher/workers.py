"""A worker as the dispatcher sees it: the pair, the pidfd that tells of its death, its slot, and the request it has."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from prefork.messages import DONTWAIT, LOG, send
from prefork.scoreboard import BEGUN

if TYPE_CHECKING:
    import socket

    from prefork.dispatcher.exchange import Exchange
    from prefork.messages import Ending
    from prefork.scoreboard import Slot

BEGIN_WITHIN = 1.0  # seconds from the hand-over to the application's start


class Sentence(NamedTuple):
    """Why a worker is about to be killed: the status that its client gets, the reason, and the incident that tells more."""

    status: int
    reason: str
    incident: str


class Worker:
    """One HTTP worker. `retiring`: it gets no further request, and its pair is closed as soon as it has none."""

    __slots__ = ("condemned", "exchange", "name", "number", "paused", "pid", "pidfd", "retiring", "slot", "wire", "worn")

    def __init__(self, number: int, name: str, pid: int, slot: Slot, wire: socket.socket, pidfd: int) -> None:
        self.number = number
        self.name = name
        self.pid = pid
        self.slot = slot
        self.wire = wire
        self.pidfd = pidfd
        self.exchange: Exchange | None = None
        self.retiring = False
        self.worn = False  # it has asked to be replaced, and the master knows
        self.condemned: Sentence | None = None
        self.paused = False  # its messages are not read, because its client does not read either

    def give(self, message: bytes, descriptors: list[int]) -> None:
        """Send it a request. Raises OSError when it is gone."""
        send(self.wire, message, descriptors, DONTWAIT)

    def log_to(self, descriptor: int) -> None:
        """Have it write to this log, after the request that it has. One that is gone, or takes nothing, is left alone."""
        try:
            send(self.wire, LOG, [descriptor], DONTWAIT)
        except OSError:
            pass

    def has(self, ending: Ending) -> bool:
        """Whether it is working on the request that it says it has finished."""
        return self.exchange is not None and self.exchange.number == ending.number

    def stuck(self, now: float) -> bool:
        """Whether it has not begun its request in time."""
        given = self.exchange
        if given is None or now - given.assigned <= BEGIN_WITHIN:
            return False
        progress = self.slot.progress()
        return progress.number != given.number or progress.state < BEGUN

    def close(self) -> None:
        """Let go of both descriptors; the worker sees the end of its pair and leaves."""
        self.wire.close()
        os.close(self.pidfd)
