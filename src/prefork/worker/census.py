"""What would not survive a fork: threads and connections that importing the application has made."""

from __future__ import annotations

import os
import socket
import threading
import time
from typing import NamedTuple

DYING = 0.05  # seconds after which a thread that Python has joined is gone for the kernel, too


class Census(NamedTuple):
    """Names of threads and of connections ("TCP 127.0.0.1:5432")."""

    threads: tuple[str, ...]
    sockets: tuple[str, ...]

    def clean(self) -> bool:
        """Whether a fork breaks nothing."""
        return not self.threads and not self.sockets


def take(own: set[int]) -> Census:
    """Look at this process; `own` are descriptors of ours, which don't count."""
    return Census(threads(), connections(own))


def threads() -> tuple[str, ...]:
    """All threads but the main one: Python's by their name, others by the kernel's."""
    known = {thread.native_id: thread.name for thread in threading.enumerate()}
    tasks = {int(entry) for entry in os.listdir("/proc/self/task")} - {os.getpid()}
    found = [known[task] for task in tasks & known.keys()]
    if strangers := tasks - known.keys():
        time.sleep(DYING)
        found += [name for name in map(kernel_name, strangers) if name]
    return tuple(sorted(found))


def kernel_name(task: int) -> str:
    """What the kernel calls a thread; empty when it has ended."""
    try:
        with open(f"/proc/self/task/{task}/comm") as comm:
            return comm.read().strip()
    except OSError:
        return ""


def connections(own: set[int]) -> tuple[str, ...]:
    """Sockets that are connected to somebody. Listening and unconnected ones can be shared by a fork."""
    found = []
    for entry in os.listdir("/proc/self/fd"):
        descriptor = int(entry)
        try:
            if descriptor in own or descriptor < 3 or not os.readlink(f"/proc/self/fd/{descriptor}").startswith("socket:"):
                continue
            with socket.socket(fileno=os.dup(descriptor)) as copy:
                peer = copy.getpeername()
                found.append(f"TCP {peer[0]}:{peer[1]}" if isinstance(peer, tuple) else f"unix {peer or 'pair'!s}")
        except OSError:  # closed meanwhile (listdir's own), or not connected
            continue
    return tuple(sorted(found))
