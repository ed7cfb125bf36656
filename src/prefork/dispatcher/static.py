"""Finds static files for requests. For threads: every step may wait for a disk."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, NamedTuple

from prefork.dispatcher.outbox import Extent
from prefork.files import absent, content_type, open_below
from prefork.http.conditions import File, Part, choose
from prefork.messages import INLINE

if TYPE_CHECKING:
    from prefork.http.head import Head


class Found(NamedTuple):
    """A file, its media type, and the part of it that the request gets: its bytes if they are few, else an extent."""

    kind: bytes
    about: File
    part: Part
    body: bytes | Extent


def find(directory: str, path: str | None, head: Head) -> Found | int:
    """The file that a request asks for, or the status that answers instead. Raises OSError when the disk fails."""
    if head.method not in {"GET", "HEAD"}:
        return 405
    if path is None:
        return 404
    try:
        opened = open_below(directory, path)
    except OSError as error:
        if absent(error):
            return 404  # why a file cannot be had is nobody's business
        raise
    part = choose(head.method, head.headers, opened.about)
    length = 0 if head.method == "HEAD" else part.length
    if length > INLINE:
        return Found(content_type(path), opened.about, part, Extent(opened.descriptor, part.offset, length, directory))
    try:
        return Found(content_type(path), opened.about, part, read(opened.descriptor, part.offset, length))
    finally:
        os.close(opened.descriptor)


def read(descriptor: int, offset: int, length: int) -> bytes:
    """Exactly so many bytes of a file. Raises OSError."""
    data = os.pread(descriptor, length, offset)
    if len(data) < length:
        raise OSError(errno.EIO, "it became shorter while it was read")
    return data
