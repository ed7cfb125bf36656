"""The ring of the last requests: what is noted is read again, the oldest go, and noting costs next to nothing."""

from __future__ import annotations

import os
import time
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefork.trace import LONGEST, RECORD, UNSERVED, Call, Trace, calls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIZE = 8
MOST = 10  # times what it costs to pack the record; it is 6


@pytest.fixture
def trace() -> Iterator[Trace]:
    trace = Trace.create(SIZE)
    yield trace
    os.close(trace.descriptor)


def note(trace: Trace, number: int) -> None:
    trace.note(float(number), 0.001, 0.02, 3_000_000, 1, 4)


def test_a_request_is_read_as_it_was_noted(trace: Trace) -> None:
    trace.note(12.5, 0.25, 1.5, 40_000_000, 2, 4)
    trace.note(12.0, 30.0, None, 0, 0, 3)
    assert calls(trace.read()) == [
        Call(12_000_000, 30_000_000, UNSERVED, 0, 0, 3),
        Call(12_500_000, 250_000, 1_500_000, 40_000, 2, 4),
    ]


def test_what_is_too_long_for_its_place_is_as_long_as_it_can_be(trace: Trace) -> None:
    trace.note(1.0, 1e6, 1e6, 10**18, 0, 1)
    assert calls(trace.read())[0][1:4] == (LONGEST, LONGEST, LONGEST)


@given(st.integers(0, 5 * SIZE))
def test_the_last_ones_are_kept_in_their_order(count: int) -> None:
    trace = Trace.create(SIZE)
    for number in range(count):
        note(trace, number)
    kept = [call.arrived // 1_000_000 for call in calls(trace.read())]
    assert kept == list(range(count))[-(SIZE - 1) :], "the place of the next one is never read"
    os.close(trace.descriptor)


def test_another_process_goes_on_where_the_first_one_ended(trace: Trace) -> None:
    note(trace, 1)
    successor = Trace(trace.descriptor)
    note(successor, 2)
    assert [call.arrived for call in calls(trace.read())] == [1_000_000, 2_000_000]


def test_it_can_begin_anew_and_can_be_switched_off(trace: Trace) -> None:
    note(trace, 1)
    trace.forget()
    assert trace.read() == b""
    off = Trace.create(0)
    note(off, 1)
    assert off.read() == b""
    os.close(off.descriptor)


def test_a_request_costs_next_to_no_processor_time(trace: Trace) -> None:
    record = bytearray(RECORD.size)

    def pack(number: int) -> None:
        RECORD.pack_into(record, 0, number, 1000, 20_000, 3000, 1, 4)

    assert median(cost(partial(note, trace)) / cost(pack) for _ in range(20)) < MOST


def cost(act: Callable[[int], object]) -> float:
    """Seconds of processor time for a hundred."""
    begun = time.thread_time()
    for number in range(100):
        act(number)
    return time.thread_time() - begun
