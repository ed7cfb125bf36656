"""Run an application in two bjoern processes on one listening socket, by listen, fork and run, as bjoern's own documentation does.

    python bjoern_twice.py MODULE PORT

bjoern has no supervisor: the first process waits for the two and ends them when it is ended.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys

import bjoern


def main(module: str, port: int) -> None:
    """Listen, fork two processes that serve, and wait for both."""
    bjoern.listen(importlib.import_module(module).app, "127.0.0.1", port)
    workers = [serve() for _ in range(2)]
    signal.signal(signal.SIGTERM, lambda *_: [os.kill(pid, signal.SIGKILL) for pid in workers])
    for pid in workers:
        os.waitpid(pid, 0)


def serve() -> int:
    """Fork a process that serves until it is killed; its process id."""
    pid = os.fork()
    if pid == 0:
        bjoern.run()
        os._exit(0)
    return pid


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
