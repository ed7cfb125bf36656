"""The routes that requests are told apart by, learned from their paths, and never more than the scoreboard has room for.

A route is a method and a pattern of segments. Where one place in the paths has too many names, the busiest keep theirs and the
others become one, `{any}`; where the table is full, so does the place with most names; what still has no room is `(other)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.dispatcher.patterns import ANY, segments, signed
from prefork.scoreboard import LONGEST_NAME, ROUTE, ROUTE_SERVED, ROUTE_WORDS, ROUTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prefork.scoreboard import Scoreboard

    Key = tuple[str, ...]  # the method and the segments

OTHER = "(other)"
MOST_NAMES = 32  # at one place in the paths
KEPT_NAMES = 8  # of them, when they become one
MOST_KNOWN = 2048  # paths of a method whose routes are remembered
LONGEST_KNOWN = 256  # bytes of such a path
EMPTY = [0] * ROUTE_WORDS


class Routes:
    """Finds the place of each request's route on the scoreboard, and goes on with what an earlier dispatcher has learned."""

    def __init__(self, scoreboard: Scoreboard) -> None:
        self.blocks = [scoreboard.route(index) for index in range(ROUTES)]
        self.places: dict[Key, int] = {}
        self.wide: set[Key] = set()  # where a name that nobody knows is `{any}`
        self.full = False  # and no place has names to spare
        for index, block in enumerate(self.blocks):
            name, _ = block.read()
            if name and index:
                self.places[key_of(name)] = index
        if not self.blocks[0][ROUTE]:
            self.blocks[0].give(OTHER, EMPTY)
        self._survey()

    def of(self, method: str, target: bytes, *, learn: bool) -> int:
        """The place of a request's route. `learn` one that is new: else it is `(other)`, 0."""
        path = target.partition(b"?")[0]
        known = self.known.get(method)
        if known is None:
            known = self.known[method] = {}
        index = known.get(path)
        if index is None:
            path = signed(path)
            index = known.get(path)
        return index if index is not None else self._look_up(method, path, learn)

    def _look_up(self, method: str, path: bytes, learn: bool) -> int:
        key = (method, *segments(path))
        index = self.places.get(key)
        if index is None:
            key = self._place(key)
            index = self.places.get(key)
            if index is None and learn and not self.full:
                index = self._learn(key)
            if index is None:
                return 0
        if len(path) <= LONGEST_KNOWN:
            known = self.known.setdefault(method, {})  # what was learned may have emptied it
            if len(known) >= MOST_KNOWN:
                known.clear()
            known[path] = index
        return index

    def _place(self, key: Key) -> Key:
        """A key as it is known: with `{any}` where names have become one, and no longer than there is room for."""
        placed = key[:1]
        for segment in key[1:]:
            deeper = (*placed, segment)
            placed = (*placed, ANY) if placed in self.wide and deeper not in self.prefixes else deeper
        while len(name_of(placed)) > LONGEST_NAME:
            placed = (*placed[:-2], "*")
        return placed

    def _learn(self, key: Key) -> int | None:
        """A place for a new route; None where there is no room."""
        for depth in range(1, len(key)):
            before = key[:depth]
            if key[: depth + 1] not in self.prefixes and len(self._names(before)) >= MOST_NAMES:
                self._fold(before)
                return self._settle(self._place(key))
        while (index := self._settle(key)) is None:
            widest = max(self.prefixes, key=lambda prefix: len(self._names(prefix)))
            if len(self._names(widest)) <= KEPT_NAMES:
                self.full = True
                return None
            self._fold(widest)
            key = self._place(key)
        return index

    def _settle(self, key: Key) -> int | None:
        """The place of a key, a free one where it has none."""
        if key in self.places:
            return self.places[key]
        taken = set(self.places.values())
        index = next((index for index in range(1, ROUTES) if index not in taken), None)
        if index is not None:
            self.blocks[index].give(name_of(key), EMPTY)
            self.places[key] = index
            self.prefixes.update(prefixes(key))
        return index

    def _names(self, prefix: Key) -> list[str]:
        """The names that follow at a place: not the data, and not what has become one."""
        depth = len(prefix)
        return [
            each[depth] for each in self.prefixes if len(each) == depth + 1 and each[:depth] == prefix and each[depth][:1] != "{"
        ]

    def _fold(self, prefix: Key) -> None:
        """Make most names at a place one: those whose requests have taken least time of workers."""
        depth = len(prefix)
        spent = dict.fromkeys(self._names(prefix), 0)
        below = [key for key in self.places if key[:depth] == prefix and len(key) > depth and key[depth] in spent]
        for key in below:
            spent[key[depth]] += self.blocks[self.places[key]][ROUTE_SERVED]
        kept = sorted(spent, key=lambda name: spent[name], reverse=True)[:KEPT_NAMES]
        for key in below:
            if key[depth] not in kept:
                self._move(key, (*prefix, ANY, *key[depth + 1 :]))
        self._survey()

    def _move(self, key: Key, to: Key) -> None:
        """Add a route's figures to those of another one."""
        block = self.blocks[self.places.pop(key)]
        words = block.span(0, ROUTE_WORDS)
        block.give("", EMPTY)
        index = self._settle(to)
        assert index is not None  # its own place is free now
        there = self.blocks[index]
        there.give(name_of(to), added(words, there.span(0, ROUTE_WORDS)))

    def _survey(self) -> None:
        """Draw everything else from the places."""
        self.prefixes = {prefix for key in self.places for prefix in prefixes(key)}
        self.wide = {prefix[:-1] for prefix in self.prefixes if prefix[-1] == ANY}
        self.known: dict[str, dict[bytes, int]] = {}
        self.full = False


def prefixes(key: Key) -> Iterator[Key]:
    """All beginnings of a key, from its method alone to the whole."""
    return (key[:length] for length in range(1, len(key) + 1))


def added(words: Sequence[int], others: Sequence[int]) -> list[int]:
    """The figures of two routes together."""
    return [(one + other) % (1 << 64) for one, other in zip(words, others, strict=True)]


def name_of(key: Key) -> str:
    """A route as people read it: `GET /orders/{id}`."""
    return f"{key[0]} /{'/'.join(key[1:])}"


def key_of(name: str) -> Key:
    """The key of a name that `name_of` has made."""
    method, _, path = name.partition(" /")
    return (method, *path.split("/"))
