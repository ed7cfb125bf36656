"""What a server tells of its last requests, for those who give advice or predict. Pure: an answer to `trace` becomes values."""

from __future__ import annotations

import binascii
import struct
from base64 import b64decode
from typing import TYPE_CHECKING, Any, NamedTuple

from prefork.dispatcher.queue import UNLIMITED, Share
from prefork.sizing.bounds import Cap
from prefork.sizing.recording import Recording, recording
from prefork.sizing.simulate import Place
from prefork.trace import RECORD, calls

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Unreadable(Exception):
    """The answer is not one that this version understands."""


class Traffic(NamedTuple):
    """The last requests as they were recorded, and where they were served.

    `requests` is their number, of `kept` that could be there, and `seconds` the time in which they came. `caps` bound the workers,
    `each` is the memory of one, `target` how long requests may wait. `threads` is set in threaded mode, `concurrency` where workers
    have an event loop.
    """

    records: bytes
    requests: int
    seconds: float
    kept: int
    place: Place
    caps: Sequence[Cap]
    each: int | None
    target: float
    threads: int | None
    concurrency: int

    def recording(self, latest: int | None = None) -> Recording:
        """All of them as work that can be done again, or so many of the latest."""
        records = self.records if latest is None else self.records[-latest * RECORD.size :]
        return recording(records, self.place.cpus)


def traffic(answer: Mapping[str, Any]) -> Traffic:
    """What an answer says. Raises Unreadable."""
    try:
        records = b64decode(answer["records"])
        found = calls(records)
        return Traffic(
            records,
            len(found),
            (found[-1].arrived - found[0].arrived) / 1e6 if found else 0.0,
            answer["kept"],
            place(answer),
            [Cap(each["what"], each["workers"], each["why"]) for each in answer["bounds"]],
            answer["memory"],
            answer["wait_target"],
            answer["threads"],
            answer["concurrency"],
        )
    except (binascii.Error, struct.error, KeyError):
        raise Unreadable("the server's recording cannot be read; has it another version than this command?") from None


def place(answer: Mapping[str, Any]) -> Place:
    """Where the requests were served. Threads share one interpreter, and so one processor."""
    shares = tuple(Share(lane["reserved"], lane["limit"] or UNLIMITED) for lane in answer["lanes"])
    cpus = min(1.0, answer["cpus"]) if answer["threads"] else answer["cpus"]
    return Place(answer["workers"], cpus, shares, answer["queue_size"], answer["queue_timeout"])
