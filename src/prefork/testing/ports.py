"""Free ports for a server under test.

Only below the kernel's range for outgoing connections, so that no client's port can collide with a listener. Never binds for longer
than the probe. A port is given once: the server that asked for it may not listen yet when the next one asks, in this process or in
another one that tests beside it.
"""

import fcntl
import os
import secrets
import socket
import tempfile
from functools import cache

LOWEST, HIGHEST = 10_000, 32_767
GIVEN: set[int] = set()


def free_port(interface: str = "127.0.0.1") -> int:
    """A TCP port between 10000 and 32767 that nothing listens on now, and that no running process has been given by this."""
    for _ in range(200):
        port = LOWEST + secrets.randbelow(HIGHEST - LOWEST + 1)
        if port in GIVEN or not reserved(port):
            continue
        GIVEN.add(port)
        with socket.socket() as probe:
            try:
                probe.bind((interface, port))
            except OSError:
                continue
            return port
    raise AssertionError(f"no free port between {LOWEST} and {HIGHEST} on {interface}: stop what listens there")


def reserved(port: int) -> bool:
    """Whether no other process has the byte of that number locked; it is ours until this process ends."""
    try:
        fcntl.lockf(book(os.getpid()), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


@cache
def book(_pid: int) -> int:
    """The file whose bytes stand for ports, open as long as this process lives: its locks go with it, and with a fork none."""
    path = os.path.join(tempfile.gettempdir(), f"prefork-ports-{os.geteuid()}")
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)  # anybody may have put a link there
