"""What requests would wait with other workers: the latest ones done again. Pure, and quick enough for somebody who types."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from prefork.sizing.advice import SHARE, lacking
from prefork.sizing.simulate import simulate

if TYPE_CHECKING:
    from prefork.sizing.simulate import Outcome
    from prefork.sizing.traffic import Traffic

LATEST = 10_000  # requests that are done again


class Wanted(NamedTuple):
    """How many workers there shall be, from `fewest` to `most`: the same where the server does not find their number; the queue."""

    fewest: int
    most: int
    target: float
    queue_size: int
    queue_timeout: float


class Prediction(NamedTuple):
    """How the latest `requests` fare with the workers that there are, and with those that are wanted."""

    requests: int
    seconds: float
    now: Outcome
    then: Outcome


def obstacle(traffic: Traffic) -> str:
    """Why nothing can be predicted; empty where nothing is in the way."""
    return unlike(traffic) or lacking(traffic.requests, traffic.seconds, traffic.kept)


def unlike(traffic: Traffic) -> str:
    """Why these workers cannot be simulated; empty where they can."""
    if traffic.threads:
        return "threaded mode (workers = 0) is for development; predictions are about worker processes"
    if traffic.concurrency:
        return "its workers serve many requests at a time, and only those that serve one can be predicted"
    return ""


def predict(traffic: Traffic, wanted: Wanted) -> Prediction:
    """Do the latest requests again. Where the server finds the number, it is the fewest that keep its target."""
    recording = traffic.recording(LATEST)
    place = replace(traffic.place, queue_size=wanted.queue_size, queue_timeout=wanted.queue_timeout)
    known: dict[int, Outcome] = {}

    def outcome(workers: int) -> Outcome:
        if workers not in known:
            known[workers] = simulate(recording.work, replace(place, workers=workers))
        return known[workers]

    def kept(workers: int) -> bool:
        found = outcome(workers)
        return found.wait(SHARE) <= wanted.target and not found.lost

    numbers = range(wanted.fewest, wanted.most + 1)
    then = numbers[min(bisect_left(numbers, True, key=kept), len(numbers) - 1)] if len(numbers) > 1 else wanted.most
    return Prediction(len(recording.work), recording.seconds, simulate(recording.work, traffic.place), outcome(then))
