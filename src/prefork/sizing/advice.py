"""How many workers recorded traffic needs so that hardly a request waits, found by doing it again with one more and one less. Pure.

It says what binds, how sure that is, and nothing where too little was recorded. Times are seconds, memory is bytes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from prefork.sizing.bounds import allowed
from prefork.sizing.simulate import quantile, simulate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prefork.sizing.bounds import Cap
    from prefork.sizing.recording import Recording
    from prefork.sizing.simulate import Outcome, Place

LEAST_REQUESTS, LEAST_SECONDS = 1000, 600.0
MOST_REQUESTS = 500_000  # that trace_requests may be: a server whose ten minutes are more is advised by what they are the end of
MANY_REQUESTS, LONG = 10_000, 3600.0  # what makes one sure
SHARE = 0.95  # of the requests wait no longer than the target
BEFORE, BEHIND = 2, 4  # rows of the table, before and behind the advised number
FURTHER = 64  # workers beyond those that are always busy: more are not tried
COMPUTING = 0.8  # of the processors' time: from here on they may be what is waited for
BETTER = 0.98  # of an answer's time: an improvement
MORE_CPUS = 8  # that are tried
CLOSE, NEAR = 0.25, 0.01  # a prediction is right within this share, or so many seconds
TWO = 2  # with one, a slow request holds up all others


class Need(NamedTuple):
    """The fewest workers that keep the target; without `met` those beyond which more improve nothing."""

    workers: int
    met: bool


class Row(NamedTuple):
    """What a number of workers comes to. `memory` is None where nobody knows what one takes."""

    outcome: Outcome
    memory: int | None


class Sure(NamedTuple):
    """How far the advice can be trusted, and why."""

    level: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Question:
    """What is asked: the traffic, the place with today's workers, what bounds their number, the memory of one, the target."""

    recording: Recording
    place: Place
    caps: Sequence[Cap]
    each: int | None
    target: float


@dataclass(frozen=True)
class Advice:
    """The answer. `binding` names what decided; `cpus` is how many processors would do where theirs is what is short of."""

    workers: int
    need: Need
    binding: str
    rows: tuple[Row, ...]
    sure: Sure
    cpus: float | None


def lacking(count: int, seconds: float, kept: int) -> str:
    """What so many recorded requests of so much time lack for advice, of `kept` that could be there; empty where it is nothing."""
    full = 0 < kept - 1 <= count
    if count >= LEAST_REQUESTS and (seconds >= LEAST_SECONDS or (full and kept >= MOST_REQUESTS)):
        return ""
    if full:
        enough = min(math.ceil(count * LEAST_SECONDS / max(seconds, 1.0) / 1000 + 1) * 1000, MOST_REQUESTS)
        return (
            f"the last {count:,} requests are kept, which came within {seconds / 60:.1f} minutes, and advice takes "
            f"{LEAST_SECONDS / 60:.0f}; set trace_requests to {enough} and restart"
        )
    wanted = []
    if count < LEAST_REQUESTS:
        wanted.append(f"{LEAST_REQUESTS - count:,} more requests")
    if seconds < LEAST_SECONDS:
        wanted.append(f"{(LEAST_SECONDS - seconds) / 60:.1f} more minutes")
    have = f"{count:,} of {LEAST_REQUESTS:,} requests and {seconds / 60:.1f} of {LEAST_SECONDS / 60:.0f} minutes are recorded"
    return f"{have}; ask again after {' and '.join(wanted)} of usual traffic"


def advise(question: Question) -> Advice:
    """Find the number, and what its neighbours would be like."""
    trial = Trial(question)
    need = trial.need(question.recording, question.place)
    wanted = max(TWO, need.workers)
    most = min((allowed(cap) for cap in question.caps), default=math.inf)
    if wanted > most:
        workers, binding = max(1, int(most)), min(question.caps, key=allowed).what
    else:
        workers, binding = wanted, "target" if need.met else "cpu"
    rows = [
        Row(trial.outcome(count), question.each * count if question.each else None)
        for count in range(max(1, workers - BEFORE), workers + BEHIND + 1)
    ]
    return Advice(workers, need, binding, tuple(rows), trial.sure(need), None if need.met else trial.cpus())


class Trial:
    """Tries numbers of workers, each once."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.known: dict[int, Outcome] = {}

    def outcome(self, workers: int) -> Outcome:
        """What all that was recorded comes to with so many workers."""
        if workers not in self.known:
            self.known[workers] = simulate(self.question.recording.work, replace(self.question.place, workers=workers))
        return self.known[workers]

    def need(self, recording: Recording, place: Place) -> Need:
        """The fewest workers with which the target is kept. More of them never make up for processors that are short."""
        whole = recording is self.question.recording and place is self.question.place
        first, before = max(1, math.floor(recording.load)), None
        for workers in range(first, first + FURTHER):
            outcome = self.outcome(workers) if whole else simulate(recording.work, replace(place, workers=workers))
            if outcome.wait(SHARE) <= self.question.target and not outcome.lost:
                return Need(workers, met=True)
            in_vain = before is not None and outcome.answer(SHARE) > BETTER * before.answer(SHARE)
            if in_vain and outcome.computing > COMPUTING:
                return Need(workers - 1, met=False)
            before = outcome
        return Need(first + FURTHER - 1, met=False)

    def cpus(self) -> float | None:
        """With how many processors the target could be kept, None where it takes more than are tried."""
        for more in range(1, MORE_CPUS + 1):
            place = replace(self.question.place, cpus=math.floor(self.question.place.cpus) + more)
            if self.need(self.question.recording, place).met:
                return place.cpus
        return None

    def sure(self, need: Need) -> Sure:
        """Whether both halves of the recording say the same, and whether the replay of what was measured comes to what was."""
        recording = self.question.recording
        count, minutes = len(recording.work), recording.seconds / 60
        reasons = [f"{count:,} requests in {minutes:.{0 if recording.seconds >= LEAST_SECONDS else 1}f} minutes"]
        halves = [self.need(half, self.question.place).workers for half in recording.halves() if half.work]
        apart = max(halves) - min(halves) if halves else 0
        reasons.append(f"its halves say {' and '.join(map(str, halves))}")
        wrong, said = self.replayed()
        reasons.append(said)
        if wrong or apart > max(1, CLOSE * need.workers):
            level = "low"
        else:
            level = "high" if count >= MANY_REQUESTS and recording.seconds >= LONG else "fair"
        return Sure(level, tuple(reasons))

    def replayed(self) -> tuple[bool, str]:
        """Whether the replay with the workers that there were is wrong about the waits that were measured, in words."""
        fewest, most = self.question.recording.workers
        if fewest != most:
            return False, f"there were {fewest} to {most} workers meanwhile, so the replay cannot be compared"
        real = quantile(sorted(self.question.recording.waits), SHARE)
        found = self.outcome(most).wait(SHARE)
        said = f"replayed with the {most} of then, p95 is {found * 1000:.0f} ms; measured were {real * 1000:.0f} ms"
        return not is_right(found, real), said


def is_right(predicted: float, measured: float) -> bool:
    """Whether a prediction is as good as it is promised to be."""
    return abs(predicted - measured) <= max(CLOSE * measured, NEAR)
