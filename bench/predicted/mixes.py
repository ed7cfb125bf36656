"""The traffic: six mixes, each with four numbers of workers, and the bursts of the race. Made by chance with a fixed seed. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Item(NamedTuple):
    """A request: when it is sent after the beginning, its processor time and what it waits for others (seconds)."""

    at: float
    cpu: float
    io: float


@dataclass(frozen=True)
class Mix:
    """A kind of traffic. `rate` gives the requests a second at a time, `takes` the processor time and the waiting of one."""

    name: str
    words: str
    counts: tuple[int, int, int, int]
    rate: Callable[[float], float]
    takes: Callable[[random.Random], tuple[float, float]]

    def items(self, seconds: float) -> list[Item]:
        """The requests of so many seconds: the same each time."""
        chance = random.Random(self.name)
        return [Item(at, *self.takes(chance)) for at in arrivals(chance, self.rate, seconds)]


def arrivals(chance: random.Random, rate: Callable[[float], float], seconds: float) -> Iterator[float]:
    """Poisson arrivals at a rate that may change."""
    now = 0.0
    while (now := now + chance.expovariate(rate(now))) < seconds:
        yield now


def about(cpu: float, io: float) -> Callable[[random.Random], tuple[float, float]]:
    """Exponential times with these means."""
    return lambda chance: (chance.expovariate(1 / cpu) if cpu else 0.0, chance.expovariate(1 / io) if io else 0.0)


def heavy(chance: random.Random) -> tuple[float, float]:
    """A few take a hundred times as long as most: Pareto, up to 2 s."""
    return 0.004, min(2.0, 0.02 * chance.paretovariate(1.2))


def of_all_kinds(chance: random.Random) -> tuple[float, float]:
    """Pages, searches, and now and then a report."""
    share = chance.random()
    if share < 0.7:
        return about(0.005, 0.01)(chance)
    return about(0.02, 0.04)(chance) if share < 0.95 else about(0.1, 0.3)(chance)


def bursts(every: float, length: float, high: float, low: float) -> Callable[[float], float]:
    """`high` for `length` seconds out of `every`, else `low`."""
    return lambda now: high if now % every > every - length else low


MIXES = (
    Mix("light", "8/s of 5 ms + 20 ms", (1, 2, 3, 4), lambda _: 8.0, about(0.005, 0.02)),
    Mix("heavy-tailed", "12/s of 4 ms + Pareto up to 2 s", (2, 3, 4, 6), lambda _: 12.0, heavy),
    Mix("bursty", "50/s for 2 s out of 6, else 4/s; 4 ms + 40 ms", (1, 2, 3, 4), bursts(6, 2, 50.0, 4.0), about(0.004, 0.04)),
    Mix("CPU-bound", "34/s of 40 ms", (1, 2, 3, 4), lambda _: 34.0, about(0.04, 0.0)),
    Mix("I/O-bound", "40/s of 2 ms + 80 ms", (3, 4, 5, 7), lambda _: 40.0, about(0.002, 0.08)),
    Mix("mixed", "30/s: 70 % pages, 25 % searches, 5 % reports", (1, 2, 3, 4), lambda _: 30.0, of_all_kinds),
)
RACE = Mix("race", "", (1, 2, 3, 6), bursts(40, 8, 50.0, 4.0), about(0.004, 0.06))
