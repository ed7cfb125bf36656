"""When a run is renewed, and when others are freed from behind it: by the clock alone, as nobody wakes the thread."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from prefork.jobs.lease import AGAIN, INTERVAL, LATE, Lease
from prefork.jobs.tray import STALE, Tray
from prefork.store.jobs import Cost

if TYPE_CHECKING:
    from collections.abc import Callable

T = 1000.0


class Clock:
    """The lease's, which has `asked` for renewals and partings at those times. `reachable`: whether there is a database."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = T
        self.asked: list[tuple[float, str, int]] = []
        self.reachable = True
        self.tray = Tray()
        self.lease = Lease(None, "test", self.tray, lambda ended, known: None)
        monkeypatch.setattr("time.monotonic", lambda: self.now)
        monkeypatch.setattr(self.lease, "_renew", lambda held: self.ask("renew", held))
        monkeypatch.setattr(self.lease, "_part", self.part)

    def ask(self, what: str, held: Any) -> bool:
        self.asked.append((self.now, what, held.claim.id))
        return self.reachable

    def part(self, held: Any) -> bool:
        self.tray.take_ended()
        self.tray.take_ready()
        return self.ask("part", held)

    def run_until(self, end: float, events: dict[float, Callable[[], object]] | None = None) -> None:
        """Look as the thread does, with these things happening at their times in between; an alarm wakes it."""
        pending = dict(sorted((events or {}).items()))
        look_at = self.now
        while look_at <= end:
            for moment in [each for each in pending if each <= look_at]:
                self.now = moment
                pending.pop(moment)()
                if self.lease._alarm.is_set():
                    self.lease._alarm.clear()
                    self.lease.look(moment)
                    look_at = moment
                    break
            self.now = look_at
            look_at += self.lease.look(self.now)
        self.now = end


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def claim(number: int, retries: int = 3) -> Any:
    return SimpleNamespace(id=number, attempt=1, job="one", retries=retries)


def test_a_long_run_is_renewed_each_third_of_its_lease(clock: Clock) -> None:
    clock.tray.hold(claim(7))
    clock.run_until(T + 3 * INTERVAL)
    assert clock.asked == [(T + n * INTERVAL, "renew", 7) for n in (1, 2, 3)]


@pytest.mark.parametrize("after", [0.1, INTERVAL / 2, INTERVAL - 0.1])
def test_a_run_that_begins_while_the_thread_sleeps_is_renewed_when_it_is_as_old(clock: Clock, after: float) -> None:
    clock.run_until(T + 3 * INTERVAL, {T + after: lambda: clock.tray.hold(claim(7))})
    assert clock.asked[0] == (pytest.approx(T + after + INTERVAL), "renew", 7)


def test_short_runs_are_never_renewed(clock: Clock) -> None:
    starts = {T + n: lambda n=n: clock.tray.hold(claim(n)) for n in range(40)}
    ends = {T + n + 0.9: clock.tray.drop for n in range(40)}
    clock.run_until(T + 60, {**starts, **ends})
    assert clock.asked == []


def test_while_the_database_is_away_it_is_tried_again_soon(clock: Clock) -> None:
    clock.tray.hold(claim(7))
    clock.reachable = False
    clock.run_until(T + INTERVAL + 2 * AGAIN)
    assert [moment for moment, _, _ in clock.asked] == [T + INTERVAL + n * AGAIN for n in (0, 1, 2)]


def test_others_wait_a_moment_for_one_that_takes_long_after_all(clock: Clock) -> None:
    def begin() -> None:
        clock.tray.fill([claim(8), claim(9)])
        clock.lease.alert()
        clock.tray.hold(claim(7))

    clock.run_until(T + 20, {T + 3: begin})
    (parted, what, run), renewed = clock.asked
    assert (what, run) == ("part", 7)
    assert T + 3 + LATE <= parted <= T + 3 + 2 * LATE
    assert renewed == (pytest.approx(parted + INTERVAL), "renew", 7)


def test_the_thread_rests_again_when_no_more_are_claimed_at_once(clock: Clock) -> None:
    clock.tray.fill([claim(8), claim(9)])
    assert clock.lease.look(T) == LATE
    clock.lease.alert()
    assert not clock.lease._alarm.is_set(), "who is awake is not woken"
    assert clock.lease.look(T + 60) == INTERVAL
    clock.lease.alert()
    assert clock.lease._alarm.is_set()


def test_a_tray_gives_everything_once_and_nothing_that_is_old(clock: Clock) -> None:
    tray = clock.tray
    tray.fill([claim(1), claim(2), claim(3)])
    first = tray.next()
    assert first
    tray.end(first, Cost(0.001, 0.0, 0))
    assert tray.crowded
    assert [each.claim.id for each in tray.take_ended()] == [1]
    assert tray.take_ended() == []
    clock.now += STALE
    assert tray.next() is None, "it was begun on an old claim"
    assert [each.id for each in tray.take_ready()] == [2, 3]
    assert not tray.crowded


def test_several_are_claimed_of_jobs_that_are_quick_and_may_be_done_twice(clock: Clock) -> None:
    for number, (seconds, retries, quick) in enumerate([(0.001, 3, ["one"]), (0.5, 3, []), (0.001, 0, [])]):
        clock.tray.end(claim(number, retries), Cost(seconds, 0.0, 0))
        assert clock.tray.quick == quick
