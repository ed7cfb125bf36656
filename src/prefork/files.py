"""Opens files below declared directories, and nothing else, whatever a path says and wherever its links lead.

May wait for a disk: only workers and the dispatcher's threads come here. Runs inside the application's interpreter too: standard
library only, Python 3.9+.
"""

from __future__ import annotations

import errno
import mimetypes
import os
import stat
import time
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from prefork.http.conditions import File, tag_of

# A descriptor for looking only: opening a FIFO or a device for reading would do something to it.
LOOK = os.O_PATH | os.O_CLOEXEC


class Opened(NamedTuple):
    """An open regular file: its descriptor is the caller's."""

    descriptor: int
    about: File


def open_below(root: str, path: str) -> Opened:
    """Open `path`, relative to `root` or absolute, if that file is really below it.

    Raises OSError: PermissionError when it is elsewhere, FileNotFoundError also for what is no regular file.
    """
    top = os.open(root, LOOK | os.O_DIRECTORY)
    try:
        found = os.open(path, LOOK, dir_fd=top)
        try:
            # The kernel's names for what was found: links may have changed since any look at the path.
            if not name_of(found).startswith(os.path.join(name_of(top), "")):
                raise PermissionError(f"{path} is not below {root}")
            about = described(found, path)
            return Opened(os.open(own(found), os.O_RDONLY | os.O_CLOEXEC), about)
        finally:
            os.close(found)
    finally:
        os.close(top)


def described(descriptor: int, path: str) -> File:
    """What has been found. Raises FileNotFoundError for what is no regular file."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise FileNotFoundError(f"{path} is not a file")
    # RFC 9110, 8.8.2.1: never in the future, whatever the clock was that the file got its time from.
    modified = min(max(0, status.st_mtime_ns // 10**9), int(time.time()))
    return File(tag_of(status.st_mtime_ns, status.st_size), modified, status.st_size)


def own(descriptor: int) -> str:
    """A path that leads to what this descriptor is open for, and to nothing else."""
    return f"/proc/self/fd/{descriptor}"


def name_of(descriptor: int) -> str:
    """The real path of what a descriptor is open for."""
    return os.readlink(own(descriptor))


def absent(error: OSError) -> bool:
    """Whether a file is not there, or not for us, as far as it can be known; another error may pass."""
    kinds = (FileNotFoundError, PermissionError, NotADirectoryError)
    return isinstance(error, kinds) or error.errno in {errno.ELOOP, errno.ENAMETOOLONG}


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
    # With a slash before it no name looks like a URL, which would be taken apart.
    kind, coding = mimetypes.guess_type("/" + os.path.basename(path))
    if coding:  # what is packed is sent as it lies there, to be kept and not to be unpacked
        return b"application/gzip" if coding == "gzip" else b"application/octet-stream"
    if kind is None:
        return b"application/octet-stream"
    text = kind.startswith("text/") or kind in {"application/javascript", "application/json", "image/svg+xml"}
    return kind.encode() + (b"; charset=utf-8" if text else b"")
