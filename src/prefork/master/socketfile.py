"""The file of a unix socket: made with the right owner and permissions, replaced when its server is dead, removed at the stop.

Only a socket that nobody listens on is ever replaced, and only the file that we have made is ever removed.
"""

from __future__ import annotations

import os
import socket
import stat
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from prefork.master.spawn import Owner


class Occupied(Exception):
    """Something stands at the path that is not ours to replace; the words say what."""


class Access(NamedTuple):
    """Who may connect: the file's owner and its permission bits."""

    owner: Owner
    mode: int


class SocketFile:
    """A bound unix socket's file. The descriptor keeps its inode's number from being given to another file."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)

    def remove(self) -> None:
        """Remove the file if it is still ours."""
        try:
            if os.path.samestat(os.fstat(self.descriptor), os.lstat(self.path)):
                os.unlink(self.path)
        except OSError:
            pass
        os.close(self.descriptor)


def bind(wire: socket.socket, path: str, access: Access) -> SocketFile:
    """Give a socket its file. Raises Occupied, OSError.

    Nobody can connect before the socket listens, so that owner and permissions are right for everybody who can.
    """
    clear(path)
    before = os.umask(0o777 & ~access.mode)  # the permissions of a bound file come from here alone
    try:
        wire.bind(path)
    finally:
        os.umask(before)
    file = SocketFile(path)
    user, group = access.owner
    try:
        if user is not None or group is not None:
            os.chown(path, -1 if user is None else user, -1 if group is None else group, follow_symlinks=False)
    except OSError:
        file.remove()
        raise
    return file


def clear(path: str) -> None:
    """Make room for a socket: remove one whose server is dead. Raises Occupied, OSError."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise Occupied("there is something that is no socket, and it is not replaced")
        if listened(path):
            raise Occupied("another server listens on it")
        os.unlink(path)
    except FileNotFoundError:
        pass


def listened(path: str) -> bool:
    """Whether a process has the socket of this file: only where there is none is a connection refused."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return False
        except OSError:  # full (EAGAIN), of another type (EPROTOTYPE), not for us (EACCES): somebody has it
            pass
    return True
