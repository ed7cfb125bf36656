"""Durations in buckets: which bucket a duration falls into, and what the counts of all buckets say about most of them.

Buckets are 14 to 25 % wide from 50 µs to 28 minutes: each doubling is cut into four. A count is all that a duration leaves, so
noting one costs the same for ever, and two readings can be subtracted. Pure.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

from prefork.scoreboard import BUCKETS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

UNIT = 12.5e-6  # seconds: the width of the first eight buckets, up to 100 µs


def edge(number: int) -> float:
    """Where a bucket begins, in seconds; it ends where the next one begins."""
    shift = max(0, number // 4 - 1)
    return ((number - 4 * shift) << shift) * UNIT


EDGES = [edge(number) for number in range(BUCKETS + 1)]
INNER = EDGES[1:-1]  # what is beyond the last edge counts as below it


def bucket(seconds: float) -> int:
    """The bucket of a duration."""
    return bisect_right(INNER, seconds)


def percentiles(counts: Sequence[int], shares: Iterable[float], before: Sequence[int] = ()) -> list[float | None]:
    """For each share (0.95: 95 %) the seconds that so many durations did not exceed, None where there was none.

    `counts` of `before` are subtracted. The result is exact to the width of a bucket.
    """
    if before:
        counts = [count - earlier for count, earlier in zip(counts, before, strict=True)]
    total = sum(counts)
    return [reached(counts, share * total) if total else None for share in shares]


def reached(counts: Sequence[int], wanted: float) -> float:
    """The duration at which `wanted` of them have been counted, as if they lay evenly within their bucket."""
    passed = 0
    for number, count in enumerate(counts):
        if count and passed + count >= wanted:
            return EDGES[number] + (EDGES[number + 1] - EDGES[number]) * max(0.0, wanted - passed) / count
        passed += count
    return EDGES[-1]


def below(counts: Sequence[int], octaves: int) -> list[tuple[float, int]]:
    """How many durations were below each mark, from 100 µs on; marks are so many doublings apart."""
    marks = range(8, BUCKETS, 4 * octaves)
    sums = accumulate(sum(counts[start:end]) for start, end in zip((0, *marks), marks, strict=False))
    return [(round(EDGES[number], 7), passed) for number, passed in zip(marks, sums, strict=True)]
