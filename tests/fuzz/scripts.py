"""What a fuzzing connection sends and what must come back, worked out beforehand: sending and checking cost next to nothing."""

from __future__ import annotations

import json
import random
from typing import NamedTuple

from tests.corpus import CASES
from tests.corpus.mutation import mutate
from tests.unit.dispatcher.conversation import converse

SHORT = [case.sent for case in CASES.values() if len(case.sent) < 3000]
POOL = 1500  # different requests that are served although they were changed


class Script(NamedTuple):
    """The bytes of one connection. What the application's `answers` say, then a refusal (0: none); `ends`: the server closes."""

    sent: bytes
    answers: list[bytes]
    refused: int
    ends: bool

    @property
    def requests(self) -> int:
        """How many requests are to be answered, in whichever way."""
        return len(self.answers) + (self.refused > 0)


def near_miss(chance: random.Random) -> bytes:
    """An entry of the corpus with one to four changes."""
    return mutate(chance.choice(SHORT), chance, chance.randrange(1, 5))


def survivors(chance: random.Random) -> list[bytes]:
    """Near misses that are requests all the same, with nothing left over, and behind which the connection goes on."""
    found: list[bytes] = []
    while len(found) < POOL:
        data = near_miss(chance)
        outcome = converse([data])
        if outcome.open and outcome.served and outcome.served[-1].end == len(data):
            found.append(data)
    return found


def scripts(seed: int, count: int) -> list[Script]:
    """Connections of up to twenty survivors, pipelined, and one near miss of any kind behind them."""
    chance = random.Random(seed)
    pool = survivors(chance)
    made = []
    for _ in range(count):
        sent = b"".join([*chance.choices(pool, k=chance.randrange(21)), near_miss(chance)])
        outcome = converse([sent])
        answers = [json.dumps((method, target, body.decode("latin-1"))).encode() for method, target, body in outcome.seen()]
        made.append(Script(sent, answers, outcome.refused, not outcome.open))
    return made
