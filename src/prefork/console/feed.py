"""What happens at an instance, second by second: measured once, however many watch, and not at all while nobody does.

Who reads slowly misses the oldest turns; nobody else waits.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool

from prefork.usage.window import WINDOW

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from prefork.usage.sampler import Sampler

    Turn = list[tuple[str, dict[str, Any]]]  # events by name; an empty name where nothing is known

PACE = 1.0  # seconds between two samples
BEHIND = 10  # turns that somebody may have left to read


class Feed:
    """Of one instance. All of it is in the event loop's thread."""

    def __init__(self, sampler: Sampler, pace: float = PACE, window: float = WINDOW) -> None:
        self.sampler, self.pace, self.window = sampler, pace, window
        self.readers: set[asyncio.Queue[Turn | None]] = set()
        self._task: asyncio.Task[None] | None = None

    async def follow(self, turns: int) -> AsyncGenerator[tuple[str, dict[str, Any]]]:
        """What happens from now on, for so many turns."""
        mine: asyncio.Queue[Turn | None] = asyncio.Queue(BEHIND)
        self.readers.add(mine)
        self._task = self._task or asyncio.create_task(self._measure())
        try:
            for _ in range(turns):
                turn = await mine.get()
                if turn is None:
                    return
                for event in turn:
                    yield event
        finally:
            self.readers.discard(mine)
            if not self.readers and self._task:
                self._task.cancel()
                self._task = None

    async def _measure(self) -> None:
        try:
            while True:
                self._tell(await self._turn())
                await asyncio.sleep(self.pace - self.window)
        finally:
            self._tell(None)

    async def _turn(self) -> Turn:
        await run_in_threadpool(self.sampler.open)
        await asyncio.sleep(self.window)
        sample = await run_in_threadpool(self.sampler.close)
        if sample is None:
            return [("", {})]
        found: Turn = [("mark", mark._asdict()) for mark in self.sampler.marks]
        if sample.incidents:
            found.append(("mark", {"at": sample.at, "kind": "incident", "text": f"incidents: {sample.incidents}"}))
        return [*found, ("sample", sample.told())]

    def _tell(self, turn: Turn | None) -> None:
        for reader in self.readers:
            if reader.full():
                reader.get_nowait()
            reader.put_nowait(turn)


class Feeds:
    """Those of all instances that somebody watches, by the directories of their servers."""

    def __init__(self) -> None:
        self.known: dict[Path, Feed] = {}

    async def follow(self, place: Path, sampler: Sampler, turns: int) -> AsyncGenerator[tuple[str, dict[str, Any]]]:
        """What happens there; `sampler` is for whoever comes first."""
        feed = self.known.setdefault(place, Feed(sampler))
        try:
            async with aclosing(feed.follow(turns)) as happening:
                async for event in happening:
                    yield event
        finally:
            if not feed.readers and self.known.get(place) is feed:
                del self.known[place]
