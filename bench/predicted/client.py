"""An open-loop client: each request is sent at its time, on a connection of its own, whatever became of those before it."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from predicted.mixes import Item

BEGUN = re.compile(rb"x-begun: ([\d.]+)", re.IGNORECASE)
TIMEOUT = 60.0  # seconds for an answer
EVERY = 0.25  # seconds between two counts of the workers


@dataclass
class Seen:
    """What came of it: what each request waited until it was begun (seconds, ascending), failures, the seconds of all workers."""

    waits: list[float] = field(default_factory=list)
    failures: int = 0
    worker_seconds: float = 0.0
    most_workers: int = 0

    def wait(self, share: float) -> float:
        """What so many requests waited at the most."""
        return self.waits[min(len(self.waits) - 1, int(share * len(self.waits)))] if self.waits else 0.0


async def send(port: int, item: Item, begin: float, seen: Seen) -> None:
    """One request, at its time."""
    await asyncio.sleep(max(0.0, begin + item.at - time.monotonic()))
    sent = time.monotonic()
    try:
        async with asyncio.timeout(TIMEOUT):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            request = f"GET /?cpu={item.cpu:.6f}&io={item.io:.6f} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n"
            writer.write(request.encode())
            answer = await reader.read(-1)
            writer.close()
    except (OSError, TimeoutError):
        answer = b""
    begun = BEGUN.search(answer)
    if begun is None or b" 200 " not in answer[:16]:
        seen.failures += 1
    else:
        seen.waits.append(max(0.0, float(begun[1]) - sent))


async def watch(workers: Callable[[], int], seen: Seen) -> None:
    """Count the workers until it is cancelled."""
    last = time.monotonic()
    while True:
        await asyncio.sleep(EVERY)
        now, count = time.monotonic(), workers()
        seen.worker_seconds += count * (now - last)
        seen.most_workers = max(seen.most_workers, count)
        last = now


async def play(port: int, items: Sequence[Item], workers: Callable[[], int] | None) -> Seen:
    """Send all of it and wait for every answer."""
    seen, begin = Seen(), time.monotonic() + 0.2
    watching = asyncio.create_task(watch(workers, seen)) if workers else None
    await asyncio.gather(*(send(port, item, begin, seen) for item in items))
    if watching:
        watching.cancel()
    seen.waits.sort()
    return seen


def replay(port: int, items: Sequence[Item], workers: Callable[[], int] | None = None) -> Seen:
    """Send requests at their times to a server on this machine; with `workers`, count these meanwhile."""
    return asyncio.run(play(port, items, workers))
