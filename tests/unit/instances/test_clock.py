"""When a clock is believed: it has gone evenly for hours, and nobody has set it."""

import pytest

from prefork.instances.clock import STEADY, STEP, Clock, passed

YEAR = 365 * 86_400.0


class Hands:
    """A clock that is set by hand, and the time that passes."""

    def __init__(self) -> None:
        self.now, self.gone = 1_790_035_200.0, 50.0
        self.clock = Clock(lambda: self.now, lambda: self.gone)

    def go(self, seconds: float) -> None:
        self.now += seconds
        self.gone += seconds


@pytest.fixture
def hands() -> Hands:
    return Hands()


def test_it_is_believed_after_some_hours(hands: Hands) -> None:
    assert not hands.clock.steady(), "nobody knows what it did before"
    hands.go(STEADY - 1)
    assert (hands.clock.look(), hands.clock.steady()) == (0.0, False)
    hands.go(1)
    assert (hands.clock.look(), hands.clock.steady()) == (0.0, True)


@pytest.mark.parametrize("by", [3 * YEAR, -3 * YEAR, STEP + 1])
def test_one_that_was_set_is_not_and_that_is_found_once(hands: Hands, by: float) -> None:
    hands.go(STEADY)
    hands.now += by
    assert [hands.clock.look(), hands.clock.look()] == [by, 0.0]
    assert not hands.clock.steady()
    hands.go(600)
    hands.now -= by
    assert hands.clock.look() == -by
    hands.go(STEADY - 1)
    assert not hands.clock.steady()
    hands.go(1)
    assert hands.clock.steady()


def test_small_corrections_are_no_matter(hands: Hands) -> None:
    for _ in range(100):
        hands.go(STEADY / 100)
        hands.now += STEP / 2
        assert hands.clock.look() == 0.0
    assert hands.clock.steady()


def test_the_machines_own() -> None:
    assert Clock().look() == 0.0
    assert passed() <= passed()
