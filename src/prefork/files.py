"""Opens files below declared directories, and nothing else, whatever a path says and wherever its links lead.

May wait for a disk: only workers and the dispatcher's threads come here. Runs inside the application's interpreter too: standard
library only, Python 3.9+.
"""

from __future__ import annotations

import mimetypes
import os
import stat
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from prefork.http.conditions import File, tag_of

FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK  # the last one for a FIFO, which would wait for a writer


class Opened(NamedTuple):
    """An open regular file: its descriptor is the caller's."""

    descriptor: int
    about: File


def open_below(root: str, path: str) -> Opened:
    """Open `path`, relative to `root` or absolute, if that file is really below it.

    Raises OSError: PermissionError when it is elsewhere, FileNotFoundError also for what is no regular file.
    """
    descriptor = os.open(os.path.join(root, path), FLAGS)
    try:
        return Opened(descriptor, described(descriptor, root, path))
    except BaseException:
        os.close(descriptor)
        raise


def described(descriptor: int, root: str, path: str) -> File:
    """What has been opened. Raises OSError as `open_below`."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise FileNotFoundError(f"{path} is not a file")
    # The kernel's name for what is open: links may have changed since any look at the path.
    real, top = os.readlink(f"/proc/self/fd/{descriptor}"), os.path.realpath(root)
    if not real.startswith(os.path.join(top, "")):
        raise PermissionError(f"{path} is not below {root}")
    return File(tag_of(status.st_mtime_ns, status.st_size), int(status.st_mtime), status.st_size)


def relative(path: bytes) -> str | None:
    """What a URL's path below a prefix means on disk; None where it could mean something else, or something hidden."""
    segments = unquote_to_bytes(path).split(b"/")
    if any(segment.startswith(b".") and segment != b".well-known" for segment in segments) or not segments[-1]:
        return None
    text = os.fsdecode(b"/".join(segment for segment in segments if segment))
    return None if "\0" in text else text


class Places:
    """Which directory stands behind which prefix of URLs: the longest prefix counts."""

    def __init__(self, rules: tuple[tuple[str, str], ...]) -> None:
        self.directories = {prefix.rstrip("/").encode(): directory for prefix, directory in rules}

    def find(self, path: bytes) -> tuple[str, str | None] | None:
        """Directory and relative path of a URL's path; the latter is None where nothing can be there. None: not ours."""
        end = len(path)
        while (end := path.rfind(b"/", 0, end)) >= 0:
            directory = self.directories.get(path[:end])
            if directory is not None:
                return directory, relative(path[end + 1 :])
        return None


def content_type(path: str) -> bytes:
    """The media type of a file by its name."""
    kind, coding = mimetypes.guess_type(path)
    if coding:  # what is packed is sent as it lies there, to be kept and not to be unpacked
        return b"application/gzip" if coding == "gzip" else b"application/octet-stream"
    if kind is None:
        return b"application/octet-stream"
    text = kind.startswith("text/") or kind in {"application/javascript", "application/json", "image/svg+xml"}
    return kind.encode() + (b"; charset=utf-8" if text else b"")
