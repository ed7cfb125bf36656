"""The body of the one worker process in threaded mode: `http.serve` in several threads, each with a pair and a slot of its own.

The main thread serves nothing: it waits in Python, so that signal handlers of the application run, and can do what only it can.
For the dispatcher each thread is a worker; they die together.
"""

from __future__ import annotations

import itertools
import queue
import sys
import threading
import time
from typing import TYPE_CHECKING

from prefork.worker.http import Desk, serve

if TYPE_CHECKING:
    import socket

    from prefork.scoreboard import Slot
    from prefork.worker.app import Host
    from prefork.worker.http import Means


def serve_in_threads(places: list[tuple[socket.socket, Slot]], first: int, host: Host, means: Means, limit: int) -> int:
    """Serve in one thread for each place until the dispatcher has closed all pairs; returns the process's exit status.

    The threads are named as the access log names the places, of which `first` is the number of the first one.
    """
    counted = itertools.count(1)  # one call in C: a step needs no lock
    ended: queue.SimpleQueue[int] = queue.SimpleQueue()

    def work(pair: socket.socket, slot: Slot) -> None:
        status = 1
        try:
            with pair:
                # The processor time of its requests is the thread's own, not that of all.
                serve(Desk(pair, slot, host, means, limit, counted, time.thread_time_ns))
            status = 0
        except BaseException:  # noqa: BLE001 - the last frame of this thread
            sys.excepthook(*sys.exc_info())
        finally:
            ended.put(status)

    for number, place in enumerate(places, first + 1):
        threading.Thread(target=work, args=place, name=f"http.{number}", daemon=True).start()
    for _ in places:
        if status := ended.get():  # the dispatcher waits for the death of the process: a thread has none of its own
            return status
    return 0
