"""When a clock is believed: it has gone evenly for an hour, and nobody has set it."""

import pytest

from prefork.instances import clock
from prefork.instances.clock import STEADY, STEP, Clock, Course, passed
from prefork.instances.database import Database

YEAR = 365 * 86_400.0


class Hands:
    """A clock that is set by hand, and the time that passes."""

    def __init__(self) -> None:
        self.now, self.gone = 1_790_035_200.0, 50.0
        self.clock = self.another("a", None)

    def another(self, boot: str, known: Course | None) -> Clock:
        """What a console that is started now knows of it."""
        return Clock(lambda: self.now, lambda: self.gone, boot, known)

    def go(self, seconds: float) -> None:
        self.now += seconds
        self.gone += seconds


@pytest.fixture
def hands() -> Hands:
    return Hands()


def test_it_is_believed_after_an_hour(hands: Hands) -> None:
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


def test_a_console_that_is_started_again_goes_on(hands: Hands, db: Database) -> None:
    assert clock.recall(db) is None
    for _ in range(4):
        hands.go(STEADY / 4)
        clock.keep(db, hands.clock.course)
        hands.clock = hands.another("a", clock.recall(db))
    assert hands.clock.steady()


def test_neither_where_the_machine_was_started_again_nor_where_it_was_set_meanwhile(hands: Hands) -> None:
    hands.go(STEADY)
    known = hands.clock.course
    assert hands.another("a", known).steady()
    assert not hands.another("b", known).steady()
    hands.now += STEP + 1
    assert not hands.another("a", known).steady()
    hands.gone = 10.0
    assert not hands.another("a", known).steady(), "it counts from another start"


def test_the_machines_own() -> None:
    assert Clock().look() == 0.0
    assert Clock().course.boot
    assert passed() <= passed()
