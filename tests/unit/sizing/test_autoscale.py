"""The controller: up at once, down slowly, within its bounds whatever it is shown, and calm under a load that stays the same."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from prefork.sizing.autoscale import CALM, DRAIN, FORGIVEN, MOST_PATIENT, STEP, Bounds, Controller, Decision, Look
from prefork.sizing.bounds import Cap

EVERY = 0.25  # seconds
FREE = Cap("memory", None, "plenty")
HOUR = 3600.0


def bounded(least: int = 1, most: int | None = 16, plan: int | None = None, memory: int | None = None) -> Bounds:
    return Bounds(least, [Cap("workers_max", most, "set so"), Cap("plan", plan, "the plan")], Cap("memory", memory, "what is free"))


@dataclass
class Server:
    """A server that always needs `demand` workers; requests are late where it has fewer."""

    workers: int
    bounds: Bounds = field(default_factory=bounded)
    controller: Controller = field(default_factory=Controller)
    now: float = 0.0
    spent: float = 0.0
    numbers: list[int] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)

    def look(self, demand: float, *, cramped: bool = False) -> Decision:
        self.now += EVERY
        busy = min(demand, self.workers)
        self.spent += busy * EVERY
        late = max(0, math.ceil(demand - self.workers))
        idle = self.workers - math.ceil(busy)
        seen = Look(self.now, self.workers, self.workers, idle, late, late * 0.2, self.spent, self.now, cramped)
        decision = self.controller.decide(seen, self.bounds)
        self.workers = decision.workers
        self.numbers.append(self.workers)
        self.decisions.append(decision)
        return decision

    def run(self, demand: float, seconds: float) -> list[int]:
        """The numbers that it had, each change once."""
        begin = len(self.numbers)
        for _ in range(int(seconds / EVERY)):
            self.look(demand)
        found = self.numbers[begin:]
        return [found[0], *(after for before, after in pairwise(found) if after != before)]


def turns(numbers: list[int]) -> int:
    """How often it goes down after it went up, or the other way."""
    directions = [after > before for before, after in pairwise(numbers)]
    return sum(one != other for one, other in pairwise(directions))


# Up.


def test_up_at_the_first_look_at_which_requests_wait() -> None:
    server = Server(2)
    assert server.look(3.0) == Decision(3, "1 request waited too long")


def test_as_many_as_do_what_waits_in_a_second_but_not_more_than_twice_as_many() -> None:
    bounds = bounded(most=100)
    for work, expected in ((0.1, 5), (3 * DRAIN, 7), (50 * DRAIN, 8)):
        assert Controller().decide(Look(1.0, 4, 4, 0, 9, work, 0.0, 1.0), bounds).workers == expected


def test_those_that_are_on_their_way_come_first() -> None:
    assert Controller().decide(Look(1.0, 4, 3, 0, 9, 9.0, 0.0, 1.0), bounded()) == Decision(4)


def test_what_binds_is_said() -> None:
    for bounds, what in ((bounded(plan=2), "plan"), (bounded(memory=2), "memory"), (bounded(most=2), "workers_max")):
        decision = Server(2, bounds).look(9.0)
        assert decision.workers == 2
        assert decision.bound is not None
        assert decision.bound.what == what


# Down.


def test_down_slowly_to_what_leaves_room() -> None:
    server = Server(8)
    numbers = server.run(2.0, CALM - 1)
    assert numbers == [8], "not before it has been calm"
    assert server.run(2.0, 10 * STEP) == [8, 7, 6, 5, 4, 3], "of three two may be busy, of two not"
    assert all("2.0 were busy" in each.reason for each in server.decisions if each.reason)


def test_one_at_a_time_and_only_an_idle_one() -> None:
    server = Server(8)
    server.run(0.0, CALM)
    begun = server.now
    server.run(0.0, 2 * STEP)
    assert server.workers >= 8 - math.ceil((server.now - begun) / STEP) - 1
    busy = Look(1000.0, 4, 4, 0, 0, 0.0, 0.0, 1000.0)
    assert server.controller.decide(busy, bounded()) == Decision(4)


def test_short_memory_sends_one_away_and_does_not_wait_for_calm() -> None:
    server = Server(4, bounded(least=2))
    assert server.look(1.0, cramped=True) == Decision(3, "memory is short")
    assert server.look(1.0, cramped=True) == Decision(3), "one after the other"


def test_a_lower_bound_counts_at_once() -> None:
    server = Server(8)
    server.bounds = bounded(most=3)
    assert server.look(8.0) == Decision(3, "workers_max allows no more: set so")
    server.bounds = bounded(least=5)
    assert server.look(0.0).workers == 5


# Bounds, whatever comes.

numbers = st.integers(1, 40)
caps = st.one_of(st.none(), numbers)


@given(
    st.lists(
        st.tuples(
            numbers, st.integers(0, 40), st.integers(0, 40), st.integers(0, 99), st.floats(0, 99), caps, caps, caps, st.booleans()
        ),
        max_size=60,
    ),
    numbers,
)
def test_it_is_never_beyond_its_bounds(
    shown: list[tuple[int, int, int, int, float, int | None, int | None, int | None, bool]], least: int
) -> None:
    controller, spent = Controller(), 0.0
    for place, (workers, ready, idle, late, work, most, plan, memory, cramped) in enumerate(shown):
        bounds = bounded(least, most, plan, memory)
        spent += place % 7 * EVERY
        found = controller.decide(Look(place * 7.0, workers, ready, idle, late, work, spent, place * 7.0, cramped), bounds).workers
        assert 1 <= found <= bounds.top
        assert found <= max(workers, bounds.ceiling), "more only where memory and all else allow it"
        assert found >= min(workers, bounds.floor), "fewer than the least only where there are fewer"


# Calm.


@settings(max_examples=25)
@given(st.floats(0, 20), st.integers(1, 16), st.integers(1, 6), st.integers(1, 16))
def test_under_a_constant_load_it_settles_and_stays(demand: float, start: int, least: int, more: int) -> None:
    bounds = bounded(least, least + more)
    server = Server(min(max(start, least), least + more), bounds)
    changes = server.run(demand, 600)
    assert turns(changes) <= 1, "up to what is needed, then down to it: no further turn"
    assert server.run(demand, HOUR) == [server.workers], "then it stays"
    assert server.workers >= min(demand, bounds.ceiling)


@settings(max_examples=4)
@given(st.integers(0, 10_000), st.floats(0.5, 8))
def test_under_a_load_that_flickers_around_a_mean_it_turns_ever_less(seed: int, mean: float) -> None:
    chance, server = random.Random(seed), Server(4)
    for _ in range(int(4 * HOUR / EVERY)):
        server.look(max(0.0, chance.gauss(mean, mean / 4)))
    found = server.numbers
    changes = [found[0], *(after for before, after in pairwise(found) if after != before)]
    assert turns(changes) <= 2 * math.log2(MOST_PATIENT) + 4 * HOUR / (MOST_PATIENT * CALM) * 2


def test_a_step_down_in_vain_makes_the_next_one_wait_longer() -> None:
    server, waits = Server(4, bounded(least=2)), []
    for _ in range(4):
        begun = server.now
        while server.workers == 4:
            server.look(1.0)
        waits.append(server.now - begun)
        while server.workers < 4:
            server.look(4.0)
    assert [round(wait / CALM) for wait in waits] == [1, 2, 4, 8]
    server.run(3.0, FORGIVEN + 1)
    begun = server.now
    server.run(1.0, CALM + 2)
    assert server.workers == 3, "an hour without is forgiven"
