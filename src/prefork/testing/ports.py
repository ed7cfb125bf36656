"""Free ports for a server under test.

Only below the kernel's range for outgoing connections, so that no client's port can collide with a listener. Never binds for longer
than the probe.
"""

import secrets
import socket

LOWEST, HIGHEST = 10_000, 32_767


def free_port(interface: str = "127.0.0.1") -> int:
    """A TCP port between 10000 and 32767 that nothing listens on now."""
    for _ in range(200):
        port = LOWEST + secrets.randbelow(HIGHEST - LOWEST + 1)
        with socket.socket() as probe:
            try:
                probe.bind((interface, port))
            except OSError:
                continue
            return port
    raise AssertionError(f"no free port between {LOWEST} and {HIGHEST} on {interface}: stop what listens there")
