"""The way of an answer's rest, which the client's socket did not take: through the dispatcher.

A little of it goes there in messages and waits in memory; more goes to a file without a name, of which the dispatcher is told; and
when that has reached its limit, or there is no room on the disk, messages again: the dispatcher reads them as its client reads the
answer, and so the worker waits.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Protocol

from prefork import spool
from prefork.messages import FILE, INLINE, SPOOLED, pack_extent, pack_rest, send
from prefork.scoreboard import WAITING_SINCE

if TYPE_CHECKING:
    import socket

    from prefork.scoreboard import Slot

    class Owner(Protocol):
        """Who has read a request from a loan."""

        def owning(self) -> bytes:
            """What makes it one that was handed over."""


IN_MEMORY = 1 << 18  # bytes of an answer that may wait in the dispatcher's memory
SPOOLING = 3e-9  # seconds that a byte takes to be written to a file, read from it and sent, where others want the processors, too
MOST_PATIENCE = 0.04  # seconds


class Rest:
    """`directory` (a descriptor) is for spools, `most` how many bytes of one answer may be there. For one answer at a time.

    `owner` has read the answer's request itself; the dispatcher is to be told of it before anything else, once.
    """

    __slots__ = ("descriptor", "directory", "full", "in_memory", "most", "owner", "pair", "slot", "spooled")

    def __init__(self, pair: socket.socket, slot: Slot, directory: int, most: int) -> None:
        self.pair = pair
        self.slot = slot
        self.directory = directory
        self.most = most
        self.owner: Owner | None = None
        self.descriptor = -1
        self.in_memory = self.spooled = 0
        self.full = False

    def patience(self, size: int) -> float:
        """For how many seconds the client may take to read so many bytes: as long as a spool would take both of us."""
        return min(size * SPOOLING, MOST_PATIENCE) if size > IN_MEMORY else 0.0

    def hand_on(self, data: memoryview) -> None:
        """Give bytes to the dispatcher. Raises OSError when it has gone."""
        if self.in_memory + len(data) <= IN_MEMORY:
            self.in_memory += len(data)
            self._say(data)
        elif not self._spool(data):
            self.slot[WAITING_SINCE] = time.monotonic_ns()
            self._say(data)
            self.slot[WAITING_SINCE] = 0

    def hand_on_file(self, descriptor: int, offset: int, count: int) -> None:
        """Give a part of a file to the dispatcher."""
        self.tell(pack_extent(FILE, offset, count), (descriptor,))

    def tell(self, message: bytes, descriptors: tuple[int, ...] = ()) -> None:
        """Send the dispatcher a message, in the order of all. Raises OSError when it has gone."""
        if self.owner:
            self.disown()
        send(self.pair, message, descriptors)

    def disown(self) -> None:
        """Have the dispatcher know of the request, which was read from a loan. Raises OSError when it has gone."""
        owner, self.owner = self.owner, None
        assert owner
        self.tell(owner.owning())

    def close(self) -> None:
        """The answer is complete: the next one begins anew."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
        self.in_memory = self.spooled = 0
        self.full = False

    def _say(self, data: memoryview) -> None:
        for start in range(0, len(data), INLINE):
            self.tell(pack_rest(bytes(data[start : start + INLINE])))

    def _spool(self, data: memoryview) -> bool:
        """Write bytes to the spool and tell the dispatcher; False when there is no room for them."""
        if self.full or self.spooled + len(data) > self.most:
            return False
        written = 0
        try:
            if self.descriptor < 0:
                self.descriptor = spool.create(self.directory)
            while written < len(data):
                written += os.pwrite(self.descriptor, data[written:], self.spooled + written)
            self.tell(pack_extent(SPOOLED, self.spooled, len(data)), (self.descriptor,))
        except OSError:  # there is no room, or the descriptor cannot be sent
            self.full = True  # what this answer has written so far is overwritten by nobody, and told to nobody
            return False
        self.spooled += len(data)
        return True
