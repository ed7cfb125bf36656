"""Whether a process sleeps that should do something, or only lacks a processor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from prefork.master import slumber as module
from prefork.master.slumber import APART, TOGETHER, Look, Slumber, has_slept
from prefork.meters import state_of

PLACE, WORD, START = 3, 7 << 16, 1000.0


@pytest.mark.parametrize("stopped", [False, True])
def test_who_sleeps_from_one_look_to_the_next_is_found(sleeper: int, stopped: bool) -> None:
    if stopped:
        os.kill(sleeper, signal.SIGSTOP)
        while state_of(sleeper) != "T":
            pass
    slumber = Slumber()
    assert not slumber.found(PLACE, sleeper, WORD, START)
    assert slumber.found(PLACE, sleeper, WORD, START + 0.25)


def test_looks_say_something_together_that_are_apart_and_about_the_same(sleeper: int) -> None:
    slumber = Slumber()
    assert not slumber.found(PLACE, sleeper, WORD, START)
    assert not slumber.found(PLACE, sleeper, WORD, START + APART / 2), "it may be about to go on"
    assert not slumber.found(PLACE, sleeper, WORD + 1, START + 1), "it has gone on"
    assert not slumber.found(PLACE + 1, sleeper, WORD + 1, START + 1.5), "that is another request"
    later = START + 1 + TOGETHER + 0.1
    assert not slumber.found(PLACE, sleeper, WORD + 1, later), "what it did in between nobody knows"
    assert slumber.found(PLACE, sleeper, WORD + 1, later + APART)


def test_who_runs_does_not_sleep() -> None:
    """Once it has come to its loop: before that an interpreter reads files, and sleeps while it does."""
    loop = [sys.executable, "-S", "-c", "print(flush=True)\nwhile True: pass"]
    with subprocess.Popen(loop, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        slumber = Slumber()
        found = [slumber.found(PLACE, process.pid, WORD, START + number) for number in range(3)]
        process.kill()
    assert found == [False] * 3


@pytest.mark.parametrize(("awake", "slept"), [(0.0, True), (0.01, True), (0.2, False), (0.25, False), (1.3, False)])
def test_who_has_waited_for_a_processor_has_not_slept(awake: float, slept: bool) -> None:
    """Of a wait from before the first look the second one knows as well, once it is over."""
    assert has_slept(Look(1, WORD, START, 9.0), Look(1, WORD, START + 0.25, 9.0 + awake)) is slept


def test_who_goes_on_after_a_wait_and_sleeps_for_a_moment_is_not_taken_for_a_sleeper(
    sleeper: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it may do on its way to the request, when it gets a processor at last: that was enough to be killed."""
    spent = iter([1.0, 1.25, 1.25])
    monkeypatch.setattr(module, "awake", lambda _: next(spent))
    slumber = Slumber()
    found = [slumber.found(PLACE, sleeper, WORD, START + number * 0.25) for number in range(3)]
    assert found == [False, False, True]
