"""Finds static files for requests. For threads: every step may wait for a disk."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from prefork.dispatcher.outbox import Extent
from prefork.files import content_type, open_below
from prefork.http.conditions import File, Part, choose

if TYPE_CHECKING:
    from prefork.http.head import Head


class Found(NamedTuple):
    """An open file (the descriptor is the caller's), its media type, and the part of it that the request gets."""

    descriptor: int
    kind: bytes
    about: File
    part: Part

    def extent(self, head: Head) -> Extent | None:
        """The answer's body; there is none for HEAD, or where a header says it all."""
        if self.part.length and head.method != "HEAD":
            return Extent(self.descriptor, self.part.offset, self.part.length)
        self.discard()
        return None

    def discard(self) -> None:
        """Let go of the file."""
        os.close(self.descriptor)


def find(directory: str, path: str | None, head: Head) -> Found | int:
    """The file that a request asks for, or the status that answers instead."""
    if head.method not in {"GET", "HEAD"}:
        return 405
    if path is None:
        return 404
    try:
        opened = open_below(directory, path)
    except OSError:
        return 404  # why a file cannot be had is nobody's business
    part = choose(head.method, head.headers, opened.about)
    return Found(opened.descriptor, content_type(path), opened.about, part)
