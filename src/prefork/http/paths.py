"""Which class of routes a request belongs to, told from its path. Pure; the patterns are compiled into one expression.

A path is compared as the application sees it, percent-decoded and without its query, and with its slashes joined, because
applications do that too: otherwise another spelling would be a way around a limit.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

SLASHES = re.compile(rb"//+")


class Paths:
    """Classes of routes, each given as patterns in which `*` stands for anything. The first one that fits counts."""

    def __init__(self, classes: Sequence[Sequence[str]]) -> None:
        # Each class is a group of the expression.
        groups = (b"(%b)" % b"|".join(map(glob, patterns)) for patterns in classes)
        self.fits = re.compile(b"|".join(groups), re.DOTALL).fullmatch
        self.any = bool(classes)

    def find(self, target: bytes) -> int | None:
        """The number of the class of a request target; None where none fits."""
        if not self.any:
            return None
        path = target.partition(b"?")[0]
        if b"%" in path:
            path = unquote_to_bytes(path)
        if b"//" in path:
            path = SLASHES.sub(b"/", path)
        match = self.fits(path)
        return None if match is None or match.lastindex is None else match.lastindex - 1


def glob(pattern: str) -> bytes:
    """A regular expression for one pattern.

    What follows a `*` is taken where it comes first, for good: going back would find nothing more, and takes quadratic time and
    worse for a path that somebody has made up for it.
    """
    first, *parts = (re.escape(part) for part in unquote_to_bytes(pattern).split(b"*"))
    if not parts:
        return first
    return first + b"".join(b"(?>.*?%b)" % part for part in parts[:-1] if part) + b".*" + parts[-1]
