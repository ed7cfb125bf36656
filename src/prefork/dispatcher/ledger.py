"""What each lane's requests waited and took, kept on the scoreboard for those who want to know.

It counts and never decides. A lane's words move with its name when the lanes change, also over a restart of the dispatcher.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.histogram import bucket
from prefork.scoreboard import (
    ARRIVED,
    BUSY,
    DISPATCHER,
    LANE_WORDS,
    LANES,
    LENT,
    NAME,
    SERVED,
    SERVICES,
    SHED,
    SHOWN_AT,
    SINCE,
    SPENT,
    WAITED,
    WAITING,
    WAITS,
    WORKING,
    WRAP,
    mark,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prefork.scoreboard import Scoreboard


class Ledger:
    """The words of all lanes. `wait` and `service` are seconds."""

    def __init__(self, scoreboard: Scoreboard) -> None:
        self.blocks = [scoreboard.lane(index) for index in range(LANES)]
        self.words = [block.words for block in self.blocks]
        self.counters = scoreboard.slot(DISPATCHER)
        self.spent = self.counters[SPENT] / 1e9  # seconds of all workers in requests that have ended

    def arrange(self, names: Sequence[str]) -> None:
        """Have other lanes: those of the same name go on, others begin with nothing."""
        kept = {block[NAME]: block.span(0, LANE_WORDS) for block in self.blocks}
        for index, block in enumerate(self.blocks):
            name = mark(names[index]) if index < len(names) else 0
            if block[NAME] == name:
                continue
            words = kept.get(name) or [0] * LANE_WORDS
            block[NAME] = 0
            for word in range(NAME + 1, LANE_WORDS):
                block[word] = words[word]
            block[NAME] = name

    def arrived(self, lane: int) -> None:
        """A request has come."""
        self.words[lane][ARRIVED] += 1

    def waited(self, lane: int, wait: float) -> None:
        """A request waits no longer: a worker has it, or it has waited too long."""
        words = self.words[lane]
        words[WAITS + bucket(wait)] += 1
        words[WAITED] = words[WAITED] + int(wait * 1e9) & WRAP

    def shed(self, lane: int) -> None:
        """A request is sent away: too many wait before it, or it has waited too long."""
        self.words[lane][SHED] += 1

    def served(self, lane: int, service: float) -> None:
        """A worker has a request no longer, whether it has answered it or is dead."""
        words = self.words[lane]
        words[SERVICES + bucket(service)] += 1
        words[SERVED] = words[SERVED] + int(service * 1e9) & WRAP
        self.spent += service

    def note(self, lane: int, wait: int, waits: int, service: int, services: int) -> None:
        """A request has come on a loan, waited and been answered, all by the time that it is told of: nanoseconds, and their
        buckets.
        """
        words = self.words[lane]
        words[ARRIVED] += 1
        words[LENT] += 1
        words[WAITS + waits] += 1
        words[WAITED] = words[WAITED] + wait & WRAP
        words[SERVICES + services] += 1
        words[SERVED] = words[SERVED] + service & WRAP
        self.spent += service / 1e9

    def show(self, lane: int, waiting: int, working: int, oldest: float | None) -> None:
        """How things are now; `oldest` is when the first waiting request arrived (monotonic seconds)."""
        block = self.blocks[lane]
        block[WAITING] = waiting
        block[WORKING] = working
        block[SINCE] = int(oldest * 1e9) if oldest is not None else 0

    def sum_up(self, assigned: Sequence[float], now: float) -> None:
        """How long workers have had requests until `now`, those included that they have had since they were `assigned`."""
        self.counters[SHOWN_AT] = 0
        self.counters[BUSY] = len(assigned)
        self.counters[SPENT] = int((self.spent + sum(max(0.0, now - begun) for begun in assigned)) * 1e9) & WRAP
        self.counters[SHOWN_AT] = int(now * 1e9)
