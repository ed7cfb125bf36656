"""What workers say about their requests, on their pairs: who is to hear it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.dispatcher.lender import WORDS
from prefork.dispatcher.live import Keeper
from prefork.dispatcher.outbox import Extent
from prefork.messages import (
    END,
    ENDING,
    EXTENT,
    FILE,
    FREE,
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

    def heard(self, worker: Worker, message: bytes, descriptors: list[int]) -> bool:
        """Pass a message on. False: nothing of ours says that now, and its descriptors are still the caller's."""
        if (
            message[0] == END
            and len(message) >= ENDING.size
            and not descriptors
            and self.traffic.has(worker, ending := unpack_ending(message))
        ):
            self.traffic.ended(worker, ending)
        elif message[0] == REST and not descriptors:
            self.traffic.rest(worker, message[1:])
        elif message[0] in {FILE, SPOOLED} and len(message) == EXTENT.size and descriptors:
            self.traffic.rest(worker, Extent(descriptors[0], *unpack_extent(message), growing=message[0] == SPOOLED))
        elif message[0] in WORDS and not descriptors and self.traffic.lender.hear(worker, message):
            pass
        elif (
            message[0] == TAKEN
            and not descriptors
            and isinstance(worker, Keeper)
            and worker.is_given(number := unpack_number(message))
        ):
            self.traffic.live.taken(worker, number)
        elif message[0] == FREE and not descriptors and worker.finishing and worker.finishing == unpack_number(message):
            self.traffic.finished(worker)
        else:
            return False
        return True
