"""The turns of the master's loop: all that follows at each tick, and in between no more than what workers use."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from prefork.master import loop
from prefork.master.loop import TICK, Master

if TYPE_CHECKING:
    from collections.abc import Callable

DUE = -1.0  # seconds until the next tick: it is overdue
FAR = 3600.0
NOW = 1000.0


def broken(now: float) -> bool:
    raise RuntimeError(now)


class Quiet(Master):
    """A master that only turns, with `left` seconds to its next tick: `looks` and `steps` count."""

    def __init__(
        self, left: float, *, heard: bool = False, state: str = "running", came: Callable[[float], bool] | None = None
    ) -> None:
        self.looks = self.steps = 0
        self.said = state
        self.came = came or (lambda _: False)
        self.next_step = time.monotonic() + left
        self.patience: list[float] = []
        self.selector: Any = SimpleNamespace(select=self.select)
        self.enforcer: Any = SimpleNamespace(wake=lambda _: 0.05, step=self.look)
        self.journal: Any = SimpleNamespace(emit=lambda _: None)
        self.arrived = [(SimpleNamespace(data=lambda: None), 1)] if heard else []

    def select(self, timeout: float) -> list[Any]:
        self.patience.append(timeout)
        return self.arrived

    def look(self, now: float) -> bool:
        self.looks += 1
        return self.came(now)

    def state(self) -> str:
        return self.said

    def step(self, now: float) -> None:
        self.steps += 1


def test_between_two_ticks_only_what_workers_use_is_looked_at() -> None:
    master = Quiet(FAR)
    for _ in range(3):
        master.turn()
    assert (master.looks, master.steps) == (3, 0)
    assert master.patience == [0.05] * 3


def test_a_tick_is_waited_for_no_longer_than_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: NOW))
    master = Quiet(0.02)
    master.next_step = NOW + 0.02
    master.turn()
    assert master.patience == [pytest.approx(0.02)]
    master.next_step = NOW + DUE
    master.turn()
    assert (master.patience[1:], master.steps) == ([0.0], 1)
    assert master.next_step == NOW + TICK


@pytest.mark.parametrize(
    "master",
    [
        Quiet(FAR, heard=True),
        Quiet(FAR, state="reloading"),
        Quiet(FAR, came=lambda _: True),
        Quiet(FAR, came=broken),
    ],
    ids=["something is heard", "a reload", "a limit is reached", "a fault"],
)
def test_what_follows_is_done_at_once(master: Quiet) -> None:
    master.turn()
    assert master.steps == 1
