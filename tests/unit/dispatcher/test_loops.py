"""A worker with an event loop, as the dispatcher sees it."""

import json
import os

from tests.unit.worker.conftest import SCOREBOARD

from prefork.dispatcher.loops import MOST_TOLD, EventLoop, fitting
from prefork.messages import LIMIT
from prefork.scoreboard import TURNED

SECOND = 10**9


def test_a_loop_turns_as_long_as_it_stamps() -> None:
    slot = SCOREBOARD.slot(9)
    slot.clear()
    loop = EventLoop(9, 64, 1, slot, os.memfd_create("pidfd"), None)
    slot[TURNED] = 5 * SECOND
    assert loop.turns(5 * SECOND + SECOND // 10 - 1)
    assert not loop.turns(5 * SECOND + SECOND // 10)
    assert not loop.stuck(6 * SECOND)
    assert loop.stuck(6 * SECOND + 1)
    loop.close()


def test_what_is_told_of_a_death_fits_a_message() -> None:
    told = [{"request": {"target": "/\xff" * 5000, "id": str(number)}} for number in range(240)]
    found = fitting(told)
    assert 0 < len(found) < 240
    assert found == told[: len(found)]
    assert len(json.dumps(found)) < MOST_TOLD * 1.1 < LIMIT
    assert fitting(told[:1] * 2) == told[:1] * 2


def test_a_loop_that_is_held_up_is_the_last_to_be_chosen_until_it_goes_on() -> None:
    slot = SCOREBOARD.slot(9)
    slot.clear()
    loop = EventLoop(9, 64, 1, slot, os.memfd_create("pidfd"), None)
    slot[TURNED] = SECOND
    before = loop.rank(3)
    loop.hold_up()
    assert loop.held_up
    assert loop.rank(64) < before, "one with fewer free places goes before it"
    slot[TURNED] += 1
    assert not loop.held_up
    assert loop.rank(3) == before
    loop.close()
