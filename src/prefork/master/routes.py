"""What the scoreboard says about each route: how often it was asked for, and what its requests have cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefork.master.lanes import distribution, spread
from prefork.scoreboard import (
    BUCKETS,
    CPU,
    ENDED,
    ERRORS,
    GROWTH,
    QUERIES,
    ROUTE_SERVED,
    ROUTE_SERVICES,
    ROUTE_WAITED,
    ROUTE_WAITS,
    ROUTES,
    SENT,
    SQL,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefork.scoreboard import Scoreboard

OCTAVES = 2  # between two marks of a route's histograms: there are many routes


def routes(scoreboard: Scoreboard) -> list[dict[str, Any]]:
    """All of them, those that took most time of workers first, with percentiles. Times in seconds, sizes in bytes."""
    rows = [{**totals(name, words), **spreads(words)} for name, words in figures(scoreboard)]
    return sorted(rows, key=lambda row: row["seconds"], reverse=True)


def distributions(scoreboard: Scoreboard) -> list[dict[str, Any]]:
    """All of them, with histograms in the place of percentiles."""
    return [
        {
            **totals(name, words),
            "wait": distribution(waits(words), words[ROUTE_WAITED], OCTAVES),
            "service": distribution(services(words), words[ROUTE_SERVED], OCTAVES),
        }
        for name, words in figures(scoreboard)
    ]


def figures(scoreboard: Scoreboard) -> Iterator[tuple[str, list[int]]]:
    """The names and words of all routes that have had a request."""
    for index in range(ROUTES):
        name, words = scoreboard.route(index).read()
        if name and words[ENDED]:
            yield name, words


def totals(name: str, words: list[int]) -> dict[str, Any]:
    """What a route's requests have come to since the server's start."""
    method, _, path = name.rpartition(" ")
    return {
        "method": method,
        "path": path,
        "requests": words[ENDED],
        "errors": words[ERRORS],
        "seconds": words[ROUTE_SERVED] / 1e9,
        "cpu": words[CPU] / 1e9,
        "bytes": words[SENT],
        "queries": words[QUERIES],
        "sql": words[SQL] / 1e9,
        "growth": words[GROWTH] - (1 << 64 if words[GROWTH] >> 63 else 0),
    }


def spreads(words: list[int]) -> dict[str, Any]:
    """The percentiles of a route."""
    return {"wait": spread(waits(words)), "service": spread(services(words))}


def waits(words: list[int]) -> list[int]:
    """The histogram of how long a route's requests waited."""
    return words[ROUTE_WAITS : ROUTE_WAITS + BUCKETS]


def services(words: list[int]) -> list[int]:
    """And of how long workers had them."""
    return words[ROUTE_SERVICES : ROUTE_SERVICES + BUCKETS]
