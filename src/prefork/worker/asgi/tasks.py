"""What the tasks of an event loop wait for: written behind the stacks of the threads when somebody asks for those.

A task that is not running is on no thread's stack; its chain of coroutines tells where it stands.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import signal
from typing import TYPE_CHECKING, Any

from prefork.kernel import STACKS
from prefork.worker.traces import OURS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST_TASKS = 200
MOST_FRAMES = 100  # of a task: as many as faulthandler writes of a thread
CHAIN = (("cr_frame", "cr_await"), ("gi_frame", "gi_yieldfrom"), ("ag_frame", "ag_await"))  # coroutines and generators of all kinds


def write_with_stacks(loop: asyncio.AbstractEventLoop, descriptor: int) -> None:
    """Have the tasks of a loop written to a file whenever the threads' stacks are: by Python, so only once it gets to run."""
    faulthandler.unregister(STACKS)
    signal.signal(STACKS, lambda *_: write(descriptor, asyncio.all_tasks(loop)))
    faulthandler.register(STACKS, file=descriptor, all_threads=True, chain=True)


def write(descriptor: int, tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Write where each task stands, in the form of faulthandler."""
    for task in sorted(tasks, key=lambda task: task.get_name())[:MOST_TASKS]:
        lines = [f"\nTask {task.get_name()} (most recent call first):", *reversed(list(frames(task.get_coro())))]
        os.write(descriptor, "\n".join((*lines, "")).encode(errors="replace"))


def frames(awaited: Any) -> Iterator[str]:
    """The lines in which a coroutine and all that it awaits stand, the outermost first, without our own."""
    for _ in range(MOST_FRAMES):
        frame, following = next(((getattr(awaited, f), getattr(awaited, a)) for f, a in CHAIN if hasattr(awaited, f)), (None, None))
        if frame is None:
            return
        if not frame.f_code.co_filename.startswith(OURS):
            yield f'  File "{frame.f_code.co_filename}", line {frame.f_lineno} in {frame.f_code.co_name}'
        awaited = following
