"""Whether a process sleeps that does not do what it should, or only lacks a processor: what several looks at it say together.

One look says little: a process that is about to go on sleeps for moments, as for a page of a file. Between two looks the kernel
counts for how long it had a processor or waited for one, and the rest of the time it slept.
"""

from __future__ import annotations

from typing import NamedTuple

from prefork.meters import awake, state_of

APART = 0.2  # seconds between two looks that say something together, at least
TOGETHER = 3.0  # and at the most
MOST = 0.5  # of the time between two looks: who has slept for longer did not lack a processor


class Look(NamedTuple):
    """At a process, at so many monotonic seconds; `awake` as of `meters`. `word`: what it had done by then."""

    pid: int
    word: int
    at: float
    awake: float


class Slumber:
    """`looks` are the last ones, by the places in which something should have been done."""

    def __init__(self) -> None:
        self.looks: dict[int, Look] = {}

    def found(self, place: int, pid: int, word: int, now: float) -> bool:
        """Look at a process that has done nothing since `word`; whether it has slept since the last look."""
        before, look = self.looks.get(place), Look(pid, word, now, awake(pid))
        if before is None or not continues(before, look):
            self.looks[place] = look
            return False
        if now - before.at < APART:
            return False
        self.looks[place] = look
        return state_of(pid) != "R" and has_slept(before, look)


def continues(before: Look, look: Look) -> bool:
    """Whether two looks are about the same thing that was not done."""
    return (before.pid, before.word) == (look.pid, look.word) and look.at - before.at <= TOGETHER


def has_slept(before: Look, look: Look) -> bool:
    """Whether a process that does not run has slept most of the time between two looks."""
    return (look.awake - before.awake) < (1 - MOST) * (look.at - before.at)
