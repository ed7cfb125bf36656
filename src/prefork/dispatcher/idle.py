"""Which idle worker works next. Pure.

A worker alone: the one that was idle last, so that its caches are warm and the others can rest. Places of one process with an event
loop: those of the loop that has the most of them left, among loops that turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

W = TypeVar("W")

MANY = 16  # requests from which on lines count as equally long: they are evened out anyway (`relief.py`), and to count takes time


class Idle(Generic[W]):
    """`loop_of` tells the loop that a worker shares with others, None where it is alone; `turns` whether that loop does.

    `line` tells how many requests a worker alone has found by itself, and yet to answer, up to a number; `rank` how good a loop is
    for the next request when so many of its places are idle (the greatest is the best, and None is no good); `inside` whether a
    place is in a request that its loop has found by itself.
    """

    def __init__(
        self,
        loop_of: Callable[[W], Any] = lambda _: None,
        turns: Callable[[Any], bool] = lambda _: True,
        line: Callable[[W, int], int] = lambda *_: 0,
        rank: Callable[[Any, int], Any] = lambda _, idle: idle,
        inside: Callable[[W], bool] = lambda _: False,
    ) -> None:
        self.loop_of = loop_of
        self.turns = turns
        self.line = line
        self.rank = rank
        self.inside = inside
        self.alone: list[W] = []
        self.loops: dict[Any, list[W]] = {}

    def __len__(self) -> int:
        return len(self.alone) + sum(map(len, self.loops.values())) if self.loops else len(self.alone)

    def __bool__(self) -> bool:
        return bool(self.alone or self.loops)  # which has no loop without places

    def __contains__(self, worker: object) -> bool:  # which compiled code does not make of `__iter__` by itself
        return any(each is worker for each in self)

    def __iter__(self) -> Iterator[W]:
        yield from self.alone
        for places in self.loops.values():
            yield from places

    def add(self, worker: W) -> None:
        """A worker has nothing to do."""
        loop = self.loop_of(worker)
        if loop is None:
            self.alone.append(worker)
        else:
            self.loops.setdefault(loop, []).append(worker)

    def remove(self, worker: W) -> None:
        """A worker is gone that was idle."""
        loop = self.loop_of(worker)
        if loop is None:
            self.alone.remove(worker)
        else:
            self.loops[loop].remove(worker)
            self._tidy(loop)

    def take(self) -> W | None:
        """The worker for the next request, no longer idle. None: no loop turns that has room."""
        if self.alone:
            return self.alone.pop(self._freest())
        found, best = None, None
        for loop, places in self.loops.items():
            if self.turns(loop):
                rank = self.rank(loop, len(places))
                if rank is not None and (best is None or rank > best):
                    found, best = loop, rank
        if found is None:
            return None
        worker = self.loops[found].pop(self._vacant(self.loops[found]))
        self._tidy(found)
        return worker

    def freest(self) -> W | None:
        """The worker alone that `take` would give, which stays idle."""
        return self.alone[self._freest()] if self.alone else None

    def _freest(self) -> int:
        """The place of the last one that has found nothing by itself; where all have, of that which has found least."""
        if len(self.alone) == 1:
            return 0
        freest, least = -1, MANY
        for place in range(len(self.alone) - 1, -1, -1):
            line = self.line(self.alone[place], least)
            if not line:
                return place
            if line < least:
                freest, least = place, line
        return freest

    def _vacant(self, places: list[W]) -> int:
        """The last of a loop's idle places that is in no request; where all are, the last one, which declines what it is given."""
        for place in range(len(places) - 1, -1, -1):
            if not self.inside(places[place]):
                return place
        return -1

    def _tidy(self, loop: Any) -> None:
        if not self.loops[loop]:
            del self.loops[loop]
