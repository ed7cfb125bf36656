"""When lines of single workers cost those who wait more than a moment, and what evens them out."""

from __future__ import annotations

import heapq
from collections import deque
from typing import TYPE_CHECKING

import pytest

from prefork.dispatcher.fairness import LONG, MOMENT, MUCH, Pace, shorter

if TYPE_CHECKING:
    from collections.abc import Sequence

SERVICE = 50e-6
STEPS = 20_000


def pace(rate: int) -> Pace:
    """That of workers which answer so many requests in a second."""
    found = Pace()
    found.tick(1.0)
    for second in range(10):
        for _ in range(rate):
            found.answered()
        found.tick(2.0 + second)
    return found


def test_the_rate_is_that_of_the_last_seconds() -> None:
    found = pace(1000)
    assert found.rate == pytest.approx(1000, rel=0.01)
    assert found.takes(50) == pytest.approx(0.05, rel=0.01)
    found.tick(12.0)
    assert found.rate == pytest.approx(500, rel=0.01), "nothing was answered in the last one"


def test_without_answers_nothing_is_known() -> None:
    assert Pace().takes(10) == 0.0


def test_what_waits_not_much_longer_than_all_that_wait_take_is_served_fairly() -> None:
    found = pace(1000)
    assert not found.unfair(LONG + MUCH * 0.06, 31, 32)
    assert found.unfair(LONG + MUCH * 0.07, 31, 32)


def test_nobody_is_wronged_by_lines_in_which_nobody_stands() -> None:
    assert not pace(1000).unfair(10.0, 200, 0)


def lending(fetched_in_ten: int) -> Pace:
    """That of loans of which so many in ten have to be taken home."""
    found = pace(1000)
    for number in range(1000):
        if number % 10 < fetched_in_ten:
            found.fetch()
        else:
            found.spared()
    return found


@pytest.mark.parametrize(("fetched_in_ten", "pays"), [(0, True), (1, True), (4, False), (10, False)])
def test_loans_pay_as_long_as_few_are_taken_home(fetched_in_ten: int, pays: bool) -> None:
    assert lending(fetched_in_ten).pays is pays


def test_where_loans_do_not_pay_all_stand_in_one_line() -> None:
    found = lending(10)
    assert found.unfair(LONG + 0.001, 63, 1)
    assert not found.unfair(LONG, 63, 64)


def waits(connections: Sequence[int], even: bool) -> list[float]:
    """How long requests wait whose clients ask again at once, one line for each worker, so many `connections` in each at first.

    With `even` one moves each millisecond from a line into each that is far shorter.
    """
    lines = [deque([0.0] * count) for count in connections]
    turns = [(0.0, worker) for worker in range(len(lines))]
    found, looked = [], 0.0
    for _ in range(STEPS):
        now, worker = heapq.heappop(turns)
        if even and now - looked > MOMENT:
            looked = now
            for line in lines:
                for other in lines:
                    if len(line) > 1 and line is not other and shorter(len(line), len(other)):
                        other.append(line.popleft())
        if lines[worker]:
            found.append(now - lines[worker].popleft())
            lines[worker].append(now + SERVICE)
        heapq.heappush(turns, (now + SERVICE, worker))
    return sorted(found)


def worst(found: list[float]) -> float:
    """What one in a hundred waits at least."""
    return found[len(found) * 99 // 100]


@pytest.mark.parametrize("connections", [(60, 4), (250, 6), (64, 0), (90, 30, 8)])
def test_lines_become_alike(connections: tuple[int, ...]) -> None:
    fair = sum(connections) / len(connections) * SERVICE
    assert worst(waits(connections, even=False)) > 1.4 * fair
    late = waits(connections, even=True)
    assert late[len(late) // 2] < 1.4 * fair
