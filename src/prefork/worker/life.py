"""The life of a worker, whatever its body: how it comes into the world, says that it is ready, and leaves.

The order of the first steps matters. PDEATHSIG set before the master has adopted this process would kill it when the intermediate
parent exits; set after the master's death it would never fire, hence the second look at the parent.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import json
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any, Callable

from prefork.kernel import STACKS, die_with

if TYPE_CHECKING:
    import socket

KEYS = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)  # what a terminal sends when a key is pressed, and when it is closed
KEPT = frozenset((signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE, signal.SIGXFSZ))  # Python ignores the last two by itself


def leave_keys_to_master() -> None:
    """Survive the signals of the terminal that we share with the master. Ignored, children of ours would ignore them, too."""
    for number in KEYS:
        signal.signal(number, lambda *_: None)


def settle(master: int, intermediate: int, stacks: int, at_terminal: bool) -> None:
    """The first steps of a fresh process, from the fork to being a child of the master in a group of its own.

    `at_terminal` it stays in the master's group, which may read from there.

    `stacks` is a file that the master reads after it has sent STACKS, or when this process has crashed: written by the interpreter
    in the signal handler itself, also while another thread or a C call holds the interpreter.
    """
    signal.set_wakeup_fd(-1)
    for number in set(signal.valid_signals()) - KEPT:
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    if at_terminal:
        leave_keys_to_master()
    else:
        os.setpgid(0, 0)
    while os.getppid() == intermediate:
        time.sleep(0.0002)
    die_with(master)
    faulthandler.register(STACKS, file=stacks, all_threads=True, chain=False)
    if not faulthandler.is_enabled():  # the application's own choice stands, and so does any handler of another library: it is next
        faulthandler.enable(file=stacks, all_threads=True)


def report(reports: socket.socket, kind: str, **fields: Any) -> None:
    """Tell the master something about this worker."""
    reports.send(json.dumps({"kind": kind, "pid": os.getpid(), **fields}).encode())


def live(body: Callable[[], int]) -> None:
    """Run the body to its end and leave the process with its status, after the application's exit functions.

    The heap is not torn down: that would touch every page shared with the template, only to free it.
    """
    status = 1
    try:
        status = body()
    except BaseException:  # noqa: BLE001 - the last frame of this process
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(BaseException):  # Python 3.9 raises the last of what it has shown already
            atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):  # the application has closed it or put something else there, or the disk is full
                stream.flush()
        os._exit(status)
