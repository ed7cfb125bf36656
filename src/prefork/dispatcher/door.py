"""The listening sockets: where clients come in, as long as there are descriptors for them."""

from __future__ import annotations

import errno
import os
import resource
import select
import socket
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from prefork.events import AcceptPaused
from prefork.kernel import unaccepted
from prefork.scoreboard import CONNECTIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.dispatcher.poller import Poller
    from prefork.journal import Journal
    from prefork.scoreboard import Slot

    Address = tuple[str, int]  # and port

STREAM = int(socket.SOCK_STREAM)
ACCEPTS = 64  # connections accepted before others have their turn
NOWHERE = ("", 0)  # both ends of a unix socket
RESERVE = 64  # descriptors that connections leave for workers, bodies and rests
SAY_AGAIN = 60.0  # seconds between two complaints about the same


class Door:
    """Accepts clients and gives them to `admit`, with the addresses of both ends. `counters` say how many are in."""

    def __init__(
        self,
        listeners: list[socket.socket],
        poller: Poller,
        journal: Journal,
        counters: Slot,
        admit: Callable[[socket.SocketType, Address, Address], None],
    ) -> None:
        self.listeners = listeners
        self.own = {listener: (int(listener.family), own_end(listener)) for listener in listeners}
        self.poller = poller
        self.journal = journal
        self.counters = counters
        self.admit = admit
        self.paused = False
        self.said_paused = float("-inf")
        self.limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self.leave_room(0)
        for listener in listeners:
            poller.watch(listener.fileno(), partial(self.accept, listener), select.EPOLLIN)

    def leave_room(self, pairs: int) -> None:
        """Leave descriptors for so many pairs as well: a worker brings all of its own at once."""
        # They are given out from the lowest, so this one tells how many.
        self.highest = max(self.limit - RESERVE - pairs, self.limit // 2)

    def accept(self, listener: socket.socket, mask: int) -> None:  # noqa: ARG002 - every callback gets the mask
        """Let new clients in."""
        # To be told that there is no other takes longer than to accept one.
        waiting = ACCEPTS if listener.family == socket.AF_UNIX else unaccepted(listener)
        for _ in range(min(ACCEPTS, max(1, waiting))):
            if not self._accept_one(listener):
                return

    def _accept_one(self, listener: socket.socket) -> bool:
        """Let a client in; False when there is none, or no room for more."""
        try:
            # What socket.accept() is made of, without the object of Python's own, which takes twice the time to make.
            descriptor, peer = listener._accept()  # type: ignore[attr-defined]
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}:
                self._pause(error.strerror or str(error))
                return False
            return True  # the client left while it waited
        family, own = self.own[listener]
        client = socket.SocketType(family, STREAM, 0, descriptor)
        if family == socket.AF_UNIX:
            self.admit(client, NOWHERE, NOWHERE)
        else:
            self.admit(client, plain(peer), own or plain(client.getsockname()))
        if descriptor >= self.highest:
            self._pause(os.strerror(errno.EMFILE))
            return False
        return True

    def _pause(self, reason: str) -> None:
        now = time.monotonic()
        if now - self.said_paused > SAY_AGAIN:
            self.said_paused = now
            self.journal.note(AcceptPaused(reason, self.counters[CONNECTIONS]))
        self._watch(0)

    def look(self) -> None:
        """Open again after a pause when there is room."""
        if self.paused and self.listeners and self._has_room():
            self._watch(select.EPOLLIN)

    def _watch(self, mask: int) -> None:
        self.paused = not mask
        for listener in self.listeners:
            self.poller.change(listener.fileno(), mask)

    def _has_room(self) -> bool:
        try:
            lowest = os.dup(self.listeners[0].fileno())
        except OSError:
            return False
        os.close(lowest)
        return lowest < self.highest

    def close(self) -> None:
        """Let in who is connected already, as far as the kernel is concerned, and nobody else."""
        while self.listeners:
            listener = self.listeners[0]
            while self._accept_one(listener):
                pass
            self.poller.unwatch(listener.fileno())
            listener.close()
            del self.listeners[0]


def own_end(listener: socket.socket) -> Address | None:
    """What is our end of every connection that comes in there; None where each has its own."""
    if listener.family == socket.AF_UNIX:
        return NOWHERE
    address = plain(listener.getsockname())
    return None if address[0] in {"0.0.0.0", "::"} else address  # noqa: S104 - compared, not bound


def plain(name: Any) -> Address:
    """The (address, port) in what the kernel calls an end; of IPv6 there are more parts."""
    return unmapped(name[0]), name[1]


def unmapped(address: str) -> str:
    """An IPv4 address as such, where a socket for both kinds gives it in IPv6's notation."""
    return address.removeprefix("::ffff:") if "." in address else address
