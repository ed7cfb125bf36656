"""Which lane a request belongs to, told from its path. Pure; the patterns are compiled into one expression when they change.

A path is compared as the application sees it, percent-decoded and without its query, and with its slashes joined, because
applications do that too: otherwise another spelling would be a way around a lane's limit.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from prefork.config.lanes import REST
from prefork.dispatcher.queue import UNLIMITED, Share

if TYPE_CHECKING:
    from prefork.config.lanes import Lane

SLASHES = re.compile(rb"//+")


class Lanes:
    """The declared lanes in their order, and behind them that of everything else."""

    def __init__(self, declared: tuple[Lane, ...]) -> None:
        self.declared = declared
        self.names = [*(lane.name for lane in declared), REST]
        self.shares = [*(Share(lane.reserved, lane.limit or UNLIMITED) for lane in declared), Share()]
        self.rest = len(declared)
        # Each lane is a group, and the first group that fits counts.
        self.fits = re.compile(b"|".join(b"(%b)" % expression(lane) for lane in declared), re.DOTALL).fullmatch

    def of(self, target: bytes) -> int:
        """The number of the lane of a request target."""
        if not self.declared:
            return 0
        path = target.partition(b"?")[0]
        if b"%" in path:
            path = unquote_to_bytes(path)
        if b"//" in path:
            path = SLASHES.sub(b"/", path)
        match = self.fits(path)
        return self.rest if match is None or match.lastindex is None else match.lastindex - 1


def expression(lane: Lane) -> bytes:
    """A regular expression for the patterns of a lane."""
    return b"|".join(glob(pattern) for pattern in lane.patterns)


def glob(pattern: str) -> bytes:
    """A regular expression for one pattern.

    What follows a `*` is taken where it comes first, for good: going back would find nothing more, and takes quadratic time and
    worse for a path that somebody has made up for it.
    """
    first, *parts = (re.escape(part) for part in unquote_to_bytes(pattern).split(b"*"))
    if not parts:
        return first
    return first + b"".join(b"(?>.*?%b)" % part for part in parts[:-1] if part) + b".*" + parts[-1]
