"""Files without a name, for bodies and answers that are too large to wait in memory. They end with their last descriptor.

Made below a directory that the master has opened, so that nobody needs the right to walk there. Runs inside the application's
interpreter too: standard library only, Python 3.9+.
"""

from __future__ import annotations

import errno
import os

UNSUPPORTED = frozenset((errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT))  # what file systems say about O_TMPFILE


def create(directory: int) -> int:
    """A new file in the directory with this descriptor, for reading and writing. Raises OSError."""
    flags = os.O_RDWR | os.O_CLOEXEC
    try:
        return os.open(".", flags | os.O_TMPFILE, 0o600, dir_fd=directory)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
    name = f"{os.getpid()}-{os.urandom(8).hex()}"
    descriptor = os.open(name, flags | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=directory)
    os.unlink(name, dir_fd=directory)
    return descriptor
