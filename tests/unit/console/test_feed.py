"""What happens at an instance is measured once for all who watch, and by nobody once nobody does."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from prefork.console.feed import BEHIND, Feed, Feeds
from prefork.usage.sample import Sample

if TYPE_CHECKING:
    from pathlib import Path

    from prefork.usage.reading import Mark


class Counting:
    """In the place of a sampler: its samples are numbered, and the first closing gives none, as there."""

    def __init__(self, fails_at: int = 1 << 30) -> None:
        self.opened, self.fails_at = 0, fails_at
        self.marks: list[Mark] = []

    def open(self) -> None:
        self.opened += 1
        if self.opened == self.fails_at:
            raise OSError("nothing can be measured")

    def close(self) -> Sample | None:
        return (
            Sample(at=float(self.opened), seconds=1.0, configured=1, incidents=int(self.opened == 3)) if self.opened > 1 else None
        )


def feed(sampler: Any) -> Feed:
    return Feed(sampler, pace=0.0, window=0.0)


async def read(found: Feed, turns: int) -> list[tuple[str, Any]]:
    return [(name, told.get("at")) async for name, told in found.follow(turns)]


def test_everybody_sees_the_same_measured_once() -> None:
    async def watch() -> None:
        sampler = Counting()
        found = feed(sampler)
        first, second = await asyncio.gather(read(found, 4), read(found, 4))
        assert first == second == [("", None), ("sample", 2.0), ("mark", 3.0), ("sample", 3.0), ("sample", 4.0)]
        assert sampler.opened <= 5

    asyncio.run(watch())


def test_nothing_is_measured_once_nobody_watches() -> None:
    async def watch() -> None:
        sampler = Counting()
        found = feed(sampler)
        async with aclosing(found.follow(100)) as happening:
            await anext(happening)
        assert not found.readers
        measured = sampler.opened
        for _ in range(50):
            await asyncio.sleep(0)
        assert sampler.opened <= measured + 1, "what had begun in a thread may end"
        assert await read(found, 1), "and somebody else may come"

    asyncio.run(watch())


def test_who_reads_slowly_misses_the_oldest_and_holds_up_nobody() -> None:
    async def watch() -> None:
        found = feed(Counting())
        async with aclosing(found.follow(1000)) as slow:
            await anext(slow)
            assert len(await read(found, 3 * BEHIND)) >= 3 * BEHIND
            late = [told["at"] for _, told in [await anext(slow) for _ in range(3)]]
        assert late[0] > BEHIND

    asyncio.run(watch())


def test_an_end_of_the_measuring_is_an_end_for_all() -> None:
    async def watch() -> None:
        found = feed(Counting(fails_at=3))
        assert await asyncio.wait_for(read(found, 100), 20) == [("", None), ("sample", 2.0)]

    asyncio.run(watch())


def test_each_instance_has_one_while_it_is_watched(tmp_path: Path) -> None:
    async def watch() -> None:
        feeds, samplers = Feeds(), [Counting(), Counting()]
        async with aclosing(feeds.follow(tmp_path, samplers[0], 9)) as one:
            await anext(one)
            async with aclosing(feeds.follow(tmp_path, samplers[1], 9)) as two:
                await anext(two)
                assert len(feeds.known) == 1
            assert list(feeds.known) == [tmp_path], "one still watches"
        assert feeds.known == {}
        assert samplers[1].opened == 0

    asyncio.run(watch())
