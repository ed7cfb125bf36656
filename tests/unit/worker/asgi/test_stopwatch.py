"""For how long somebody has waited: each moment once, however many wait at a time, and however short each wait is."""

from __future__ import annotations

from prefork.worker.asgi.stopwatch import Stopwatch


class Clock:
    """Monotonic nanoseconds, as the test wants them."""

    def __init__(self) -> None:
        self.now = 100

    def __call__(self) -> int:
        return self.now


def test_it_runs_while_somebody_waits() -> None:
    clock = Clock()
    watch = Stopwatch(clock)
    for _ in range(3):
        with watch:
            clock.now += 5
        clock.now += 1000
    assert (watch.lap(clock.now), watch.lap(clock.now)) == (15, 0)


def test_a_wait_that_goes_on_is_told_of_piece_by_piece() -> None:
    clock = Clock()
    watch = Stopwatch(clock)
    with watch:
        clock.now += 5
        assert watch.lap(clock.now) == 5
        clock.now += 7
        assert watch.lap(clock.now) == 7
        clock.now += 2
    assert watch.lap(clock.now + 1000) == 2


def test_waits_that_overlap_are_one() -> None:
    clock = Clock()
    watch = Stopwatch(clock)
    with watch:
        clock.now += 5
        with watch:
            clock.now += 5
        clock.now += 5
    assert watch.lap(clock.now) == 15
