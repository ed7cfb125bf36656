"""What a worker's death means for the request it had. Pure; the slot is the only witness."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from prefork.http.head import SAFE
from prefork.scoreboard import BEGUN, DONE, WRITING

if TYPE_CHECKING:
    from prefork.scoreboard import Progress

MOST_DELIVERIES = 5  # a request that its worker never begins: something is wrong with it, or with all workers


class Verdict(Enum):
    """What happens to the request."""

    AGAIN = "it was not begun: another worker takes it, whatever its method"
    RETRY = "it was begun, and a safe request may be made twice"
    FAIL = "it was begun, and making it twice could do its work twice"
    CUT = "a part of the answer is out: only a cut connection tells the client that the rest is missing"
    DONE = "the answer was complete, only its end was not announced"


def corrected(progress: Progress, size: int, out: int | None) -> Progress:
    """What a WRITING worker had really done, by the bytes that its client's socket took (`out`), given its SIZE word.

    The worker says that it writes before it does, and that it has written afterwards; it may die between these words. Where the
    socket does not tell (None), its first word stands: a second head would be worse than a connection cut for nothing. As long as
    there is no status, all that it writes are hints, which any head may follow.
    """
    if progress.state != WRITING or out is None:
        return progress
    if out == 0 or (progress.status == 0 and out == size):
        return progress._replace(state=BEGUN)
    return progress._replace(state=DONE) if progress.whole and out == size else progress


def judge(progress: Progress, number: int, method: str, attempt: int, deliveries: int) -> Verdict:
    """The verdict on request `number`, given a dead worker's `progress`.

    `attempt` counts how often the request was begun, including this time; `deliveries` how often it was given to a worker.
    """
    if progress.number != number or progress.state < BEGUN:
        return Verdict.AGAIN if deliveries < MOST_DELIVERIES else Verdict.FAIL
    if progress.state == DONE:
        return Verdict.DONE
    if progress.state == WRITING:
        return Verdict.CUT
    return Verdict.RETRY if method in SAFE and attempt == 1 else Verdict.FAIL
