"""Which of Tryton's due actions is next, and when to look again; what an action does is tried with Tryton itself."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from prefork import tryton
from prefork.tryton import Action, Crons, source, utc
from prefork.worker.cron import Identity

if TYPE_CHECKING:
    from collections.abc import Iterator


class Given(Crons):
    """Crons whose databases have these actions due: their methods, and since how many minutes."""

    def __init__(self, due: dict[str, dict[str, int]], *fatal: str) -> None:
        super().__init__(list(due), fatal)
        self.given = due

    def due(self, name: str) -> Iterator[Action]:
        for number, (method, minutes) in enumerate(self.given[name].items()):
            yield Action(self, name, number, method, utc() - timedelta(minutes=minutes))


def claimed(crons: Crons) -> str | None:
    action = crons.claim()
    return action.name if action else None


def test_the_one_that_has_waited_longest_is_next() -> None:
    assert claimed(Given({"here": {"a": 5, "b": 90}, "there": {"c": 60}})) == "here: b"
    assert claimed(Given({"here": {}})) is None


def test_those_that_workers_have_died_in_come_last_and_the_last_of_them_at_the_end() -> None:
    due = {"here": {"a": 5, "b": 90}, "there": {"c": 60}}
    assert claimed(Given(due, "here: b")) == "there: c"
    assert claimed(Given({"here": {"a": 5, "b": 90}}, "here: a", "here: b")) == "here: a"


def test_one_without_a_time_has_always_been_due() -> None:
    crons = Given({"here": {}})
    assert crons.rank(Action(crons, "here", 1, "new", None)) < crons.rank(Action(crons, "here", 2, "old", datetime(2000, 1, 1)))  # noqa: DTZ001


def test_each_run_has_a_number_of_its_own() -> None:
    crons = Given({"here": {"a": 1}})
    first, second = crons.claim(), crons.claim()
    assert first
    assert second
    assert first.number < second.number


def test_it_looks_again_when_something_is_due_or_another_has_had_the_time_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tryton.time, "monotonic", lambda: 100.0)
    crons = Given({"here": {}})
    crons.claim()
    assert crons.patience() == tryton.POLL
    crons.aside = {("here", 1): 90.0, ("here", 2): 104.0}
    assert crons.patience() == 4.0
    crons.next_due = 2.5
    assert crons.patience() == 2.5
    assert crons.fileno() == -1


def test_without_a_database_it_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(tryton.NAMES, raising=False)
    worker = Identity("node", "cron", 1, 4711, 1, (), lambda *_, **__: None)
    with pytest.raises(ValueError, match="set TRYTOND_DATABASE_NAMES to the databases"):
        source(worker)
