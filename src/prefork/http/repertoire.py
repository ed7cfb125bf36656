"""The heads that clients send again and again: what they say is known, and need not be read once more.

One that has come twice is kept, compared byte by byte. What it says is the same for whoever sends it: who that is, and what the
request is called, is no part of it. Nobody may change the headers of a `Head`, which is that of other requests as well.
"""

from __future__ import annotations

from typing import Final

from prefork.http.head import Head, Reader

KEPT = 256  # heads, up to this size (bytes)
LONGEST: Final = 1024
SEEN = 2048  # that have come once


class Repertoire:
    """Reads heads as its `reader` does, and those that it keeps not at all."""

    def __init__(self) -> None:
        self.reader = Reader()
        self.kept: dict[bytes, Head] = {}
        self.seen: set[int] = set()  # their hashes

    def read(self, data: bytes) -> Head:
        """The head in `data`, which ends with its first empty line. Raises Refused."""
        head = self.kept.get(data) if len(data) <= LONGEST else None
        return self._read(data) if head is None else head

    def _read(self, data: bytes) -> Head:
        head = self.reader.read(data)
        if len(data) > LONGEST:
            return head
        mark = hash(data)
        if mark in self.seen:
            if len(self.kept) >= KEPT:
                self.kept.clear()
            self.kept[data] = head
        else:
            if len(self.seen) >= SEEN:
                self.seen.clear()
            self.seen.add(mark)
        return head
