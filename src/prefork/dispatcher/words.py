"""What workers say about their requests, on their pairs: who is to hear it."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from prefork.dispatcher import notices
from prefork.dispatcher.live import Keeper
from prefork.dispatcher.notices import Notices
from prefork.dispatcher.outbox import Extent
from prefork.messages import (
    END,
    FILE,
    FREE,
    MISSED,
    REST,
    SPOOLED,
    TAKEN,
    unpack_ending,
    unpack_extent,
    unpack_number,
)

if TYPE_CHECKING:
    from prefork.dispatcher.traffic import Traffic
    from prefork.dispatcher.workers import Worker


class Words:
    """Of workers of either kind, one message at a time."""

    def __init__(self, traffic: Traffic) -> None:
        self.traffic = traffic
        self.notices = Notices(traffic)

    def heard(self, worker: Worker, message: bytes, descriptors: list[int]) -> bool:
        """Pass a message on. False: nothing of ours says that now, and its descriptors are still the caller's."""
        kind = message[0]
        try:
            if kind == END and not descriptors and self.traffic.has(worker, ending := unpack_ending(message)):
                self.traffic.ended(worker, ending)
            elif kind == REST and not descriptors:
                self.traffic.rest(worker, message[1:])
            elif kind in {FILE, SPOOLED} and descriptors:
                offset, count = unpack_extent(message)
                self.traffic.rest(worker, Extent(descriptors[0], offset, count, growing=kind == SPOOLED))
            elif kind in notices.KINDS and not descriptors and self.notices.take(worker, message):
                pass
            elif (
                kind == TAKEN
                and not descriptors
                and isinstance(worker, Keeper)
                and worker.is_given(number := unpack_number(message))
            ):
                self.traffic.live.taken(worker, number)
            elif kind == FREE and not descriptors and worker.finishing and worker.finishing == unpack_number(message):
                self.traffic.finished(worker)
            elif kind == MISSED and not descriptors and self.traffic.departures.miss(worker, unpack_number(message)):
                pass
            else:
                return False
        except struct.error:
            return False
        return True
