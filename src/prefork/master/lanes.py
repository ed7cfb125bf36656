"""What the scoreboard says about each lane and about all of them: how many wait and work, how long waiting and serving took."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefork.histogram import below, percentiles
from prefork.lanes import REST, Lane
from prefork.scoreboard import (
    ARRIVED,
    BUCKETS,
    LANE_WORDS,
    NAME,
    SERVED,
    SERVICES,
    SHED,
    SINCE,
    WAITED,
    WAITING,
    WAITS,
    WORKING,
    mark,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prefork.scoreboard import Scoreboard

SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def lanes(declared: tuple[Lane, ...], scoreboard: Scoreboard, now: float) -> dict[str, Any]:
    """Times in seconds; those of all lanes together are `wait` and `service`, and their counts by bucket `histograms`."""
    everything = (*declared, Lane(REST, ("*",), 0, None))
    words = [figures(scoreboard, number, lane.name) for number, lane in enumerate(everything)]
    waits = added(each[WAITS : WAITS + BUCKETS] for each in words)
    services = added(each[SERVICES : SERVICES + BUCKETS] for each in words)
    return {
        "wait": spread(waits),
        "service": spread(services),
        "histograms": {"wait": waits, "service": services},
        "lanes": [row(lane, each, now) for lane, each in zip(everything, words, strict=True)],
    }


def distributions(declared: tuple[Lane, ...], scoreboard: Scoreboard) -> list[dict[str, Any]]:
    """How long the requests of each lane waited and were served, in full."""
    everything = (*(lane.name for lane in declared), REST)
    words = [figures(scoreboard, number, name) for number, name in enumerate(everything)]
    return [
        {
            "name": name,
            "wait": distribution(each[WAITS : WAITS + BUCKETS], each[WAITED], 1),
            "service": distribution(each[SERVICES : SERVICES + BUCKETS], each[SERVED], 1),
        }
        for name, each in zip(everything, words, strict=True)
    ]


def figures(scoreboard: Scoreboard, number: int, name: str) -> list[int]:
    """The words of a lane; zeros while the dispatcher has yet to hear of it."""
    words = scoreboard.lane(number).span(0, LANE_WORDS)
    return words if words[NAME] == mark(name) else [0] * LANE_WORDS


def row(lane: Lane, words: list[int], now: float) -> dict[str, Any]:
    """One lane."""
    services = words[SERVICES : SERVICES + BUCKETS]
    return {
        "name": lane.name,
        "patterns": list(lane.patterns),
        "reserved": lane.reserved,
        "limit": lane.limit,
        "waiting": words[WAITING],
        "working": words[WORKING],
        "oldest": round(now - words[SINCE] / 1e9, 3) if words[SINCE] else 0,
        "arrived": words[ARRIVED],
        "shed": words[SHED],
        "served": sum(services),
        "wait": spread(words[WAITS : WAITS + BUCKETS]),
        "service": spread(services),
    }


def added(histograms: Iterable[list[int]]) -> list[int]:
    """Several histograms as one."""
    return [sum(counts) for counts in zip(*histograms, strict=True)]


def spread(counts: list[int]) -> dict[str, float | None]:
    """The percentiles of a histogram in seconds, None where nothing was counted."""
    return dict(zip(SHARES, percentiles(counts, SHARES.values()), strict=True))


def distribution(counts: list[int], nanoseconds: int, octaves: int) -> dict[str, Any]:
    """A histogram for those who count on: how many were below each mark, all of them, and their sum in seconds."""
    return {"below": below(counts, octaves), "count": sum(counts), "sum": nanoseconds / 1e9}
