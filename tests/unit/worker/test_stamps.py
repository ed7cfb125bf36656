"""What a worker says of itself when something begins."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from prefork.meters import Meter
from prefork.scoreboard import BEGUN, BEGUN_AT, CPU_AT, RESIDENT_AT, Scoreboard
from prefork.worker import stamps
from prefork.worker.stamps import RESIDENT_EVERY, Stamps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefork.scoreboard import Slot

MIB = 1 << 20


@pytest.fixture
def slot() -> Iterator[Slot]:
    scoreboard = Scoreboard.create()
    yield scoreboard.slot(3)
    os.close(scoreboard.descriptor)


def test_all_that_the_master_subtracts(slot: Slot) -> None:
    assert Stamps(slot, lambda: 77).begin(5) == 77
    assert (slot.progress().number, slot.progress().state, slot[CPU_AT]) == (5, BEGUN, 77)
    assert abs(slot[RESIDENT_AT] - Meter(os.getpid()).resident()) < 8 * MIB


def test_memory_is_read_once_in_a_while(slot: Slot, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 10 * RESIDENT_EVERY
    sizes = iter((1, 2))
    monkeypatch.setattr(stamps, "resident", lambda: next(sizes))
    monkeypatch.setattr(stamps.time, "monotonic_ns", lambda: now)
    said = Stamps(slot)
    said.begin(5)
    now += RESIDENT_EVERY
    said.begin(6)
    assert (slot[BEGUN_AT], slot[RESIDENT_AT]) == (now, 1)
    now += 1
    said.begin(7)
    assert slot[RESIDENT_AT] == 2


def test_where_no_descriptor_is_left_nobody_knows(slot: Slot, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(stamps.os, "open", refuse)
    Stamps(slot).begin(5)
    assert (slot.progress().number, slot[RESIDENT_AT]) == (5, 0)
