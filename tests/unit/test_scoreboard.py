"""The shared memory: words that fit, slots that do not touch each other, and the same seen through every mapping."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefork.scoreboard import (
    ABANDONED,
    ARRIVED,
    BEGUN,
    BUCKETS,
    BUSY,
    DISPATCHER,
    DONE,
    LANE_WORDS,
    LANES,
    LENT,
    NAME,
    NOTHING,
    RECEIVED,
    REQUEST,
    ROUTES,
    SERVED,
    SERVICES,
    SINCE,
    SIZE,
    SLOTS,
    WAITED,
    WAITING,
    WAITS,
    WORDS,
    WORKING,
    WRITING,
    Progress,
    Scoreboard,
    mark,
    pack_progress,
    unpack_progress,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST = (1 << 64) - 1


@pytest.fixture
def scoreboard() -> Iterator[Scoreboard]:
    scoreboard = Scoreboard.create()
    yield scoreboard
    os.close(scoreboard.descriptor)


@given(
    st.integers(0, (1 << 48) - 1),
    st.sampled_from([NOTHING, RECEIVED, BEGUN, WRITING, DONE]),
    st.integers(0, 999),
    st.booleans(),
    st.booleans(),
)
def test_progress_fits_into_one_word(number: int, state: int, status: int, keep: bool, whole: bool) -> None:
    word = pack_progress(number, state, status, keep, whole)
    assert 0 <= word <= LARGEST
    assert unpack_progress(word) == Progress(number, state, status, keep, whole)


def test_states_are_in_the_order_of_events() -> None:
    assert NOTHING < RECEIVED < BEGUN < WRITING < DONE
    assert unpack_progress(0) == Progress(0, NOTHING, 0, keep=False, whole=False)


def test_a_new_one_is_empty(scoreboard: Scoreboard) -> None:
    assert not any(scoreboard.words)
    assert scoreboard.slot(0).progress().state == NOTHING


def test_slots_do_not_touch(scoreboard: Scoreboard) -> None:
    for index in (0, 1, SLOTS - 1, DISPATCHER):
        for word in range(WORDS):
            scoreboard.slot(index)[word] = LARGEST
        assert sum(1 for word in scoreboard.words if word) == WORDS
        scoreboard.slot(index).clear()
        assert not any(scoreboard.words)


def test_words_fit_into_a_slot() -> None:
    assert max(SIZE, REQUEST, BUSY, ABANDONED) < WORDS


def test_tags_belong_to_a_request(scoreboard: Scoreboard) -> None:
    first, last = scoreboard.slot(0), scoreboard.slot(SLOTS - 1)
    assert first.tag(0) == ""
    first.set_tag(7, "invoice 12")
    last.set_tag(8, "é" * 500)
    assert (first.tag(7), first.tag(8)) == ("invoice 12", "")
    assert last.tag(8).startswith("é" * 60)
    assert not any(scoreboard.words), "no tag is in anybody's words"
    first.set_tag(9, "short")
    assert (first.tag(7), first.tag(9)) == ("", "short")
    first.set_tag(10, "\udcff")
    assert first.tag(10) == "?"
    first.clear()
    assert first.tag(10) == ""
    assert last.tag(8)


def test_blocks_of_lanes_do_not_touch(scoreboard: Scoreboard) -> None:
    for index in (0, LANES - 1):
        for word in range(LANE_WORDS):
            scoreboard.lane(index)[word] = LARGEST
        assert scoreboard.lane(index).span(0, LANE_WORDS) == [LARGEST] * LANE_WORDS
    assert sum(1 for word in scoreboard.words if word) == 2 * LANE_WORDS
    assert not any(scoreboard.slot(DISPATCHER)[word] for word in range(WORDS))


def test_the_parts_of_a_lane_do_not_touch() -> None:
    assert max(NAME, ARRIVED, WAITING, WORKING, SINCE, WAITED, SERVED, LENT) < WAITS
    assert (SERVICES - WAITS, LANE_WORDS - SERVICES) == (BUCKETS, BUCKETS)


def test_the_mark_of_a_lane_is_not_that_of_none() -> None:
    assert len({0, *map(mark, ("default", "reports", "api", ""))}) == 5


def test_another_mapping_of_the_descriptor_sees_the_same(scoreboard: Scoreboard) -> None:
    other = Scoreboard(scoreboard.descriptor)
    scoreboard.slot(7)[REQUEST] = pack_progress(5, WRITING, 200, keep=True)
    assert other.slot(7).progress() == Progress(5, WRITING, 200, keep=True, whole=False)
    other.slot(7).clear()
    assert scoreboard.slot(7)[REQUEST] == 0


def test_a_child_writes_what_its_parent_reads(scoreboard: Scoreboard) -> None:
    child = os.fork()
    if child == 0:
        scoreboard.slot(3)[SIZE] = LARGEST
        os._exit(0)
    os.waitpid(child, 0)
    assert scoreboard.slot(3)[SIZE] == LARGEST


@pytest.mark.parametrize("value", [-1, LARGEST + 1])
def test_what_does_not_fit_is_a_fault(scoreboard: Scoreboard, value: int) -> None:
    with pytest.raises(ValueError):
        scoreboard.slot(0)[REQUEST] = value
    with pytest.raises(IndexError):
        scoreboard.route(ROUTES)[NAME] = 0
