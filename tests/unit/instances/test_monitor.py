"""All instances at once: none of them disturbs another one, and the console ends when it is told to."""

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from prefork.events import ClockSet
from prefork.instances import audit, clock, history, registry
from prefork.instances.clock import STEADY, Clock
from prefork.instances.database import Database
from prefork.instances.monitor import Monitor
from prefork.instances.watch import Watch
from prefork.journal import Journal, Sink
from prefork.usage.sample import Sample

DAY = 86_400.0


@pytest.fixture
def monitor(db: Database, monkeypatch: pytest.MonkeyPatch) -> Monitor:
    """Two instances, neither of which runs, and windows of no time."""
    monkeypatch.setattr("prefork.instances.monitor.WINDOW", 0.0)
    db.change("DELETE FROM instances")
    for name in ("one", "two"):
        registry.add_local(db, name, name, Path("/nowhere") / name)
    return Monitor(db)


def test_it_watches_those_that_there_are(db: Database, monitor: Monitor) -> None:
    monitor.measure()
    assert {name: watch.sampler.silent for name, watch in monitor.watches.items()} == {
        "one": "no server runs at /nowhere/one/prefork.sock",
        "two": "no server runs at /nowhere/two/prefork.sock",
    }
    registry.remove(db, "one")
    registry.rename(db, "two", "shop")
    kept = monitor.watches["two"]
    monitor.measure()
    assert monitor.watches == {"two": kept}
    assert kept.name == "shop"
    assert monitor.live("one") == []


def said(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_a_fault_with_one_is_said_once_and_disturbs_no_other(
    monitor: Monitor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = []

    def judge(watch: Watch) -> list[Any]:
        if watch.instance == "one":
            raise ZeroDivisionError("by none")
        judged.append(watch.instance)
        return []

    monkeypatch.setattr(Watch, "judge", judge)
    descriptor = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    journal = Journal(Sink(descriptor), level="info", as_json=True, logger="prefork.console")
    monitor.enlist()
    for _ in range(3):
        monitor.attend(time.monotonic())
    monitor._said.put(None)
    monitor._write(journal)
    assert judged == ["two"] * 3
    (event,) = said(tmp_path / "log")
    assert (event["event"], event["instance"], event["reason"]) == ("watch_failed", "one", "ZeroDivisionError: by none")
    assert "in judge" in event["traceback"]
    os.close(descriptor)


def test_one_whose_receiver_never_answers_holds_up_no_other(monitor: Monitor, monkeypatch: pytest.MonkeyPatch) -> None:
    answered, attended = threading.Event(), []

    def deliver(watch: Watch) -> list[Any]:
        attended.append(watch.instance)
        if watch.instance == "one":
            answered.wait(60)
        return []

    monkeypatch.setattr("prefork.instances.monitor.PACE", 0.5)
    monkeypatch.setattr(Watch, "deliver", deliver)
    monitor.enlist()
    for _ in range(3):
        monitor.attend(time.monotonic())
    assert attended.count("one") == 1, "it is still being told"
    assert attended.count("two") > 1
    answered.set()
    for thread in monitor._attended.values():
        thread.join(20)
    for _ in range(2):
        monitor.attend(time.monotonic())
    assert attended.count("one") > 1


class Hands:
    """A clock that is set by hand, and the time that passes."""

    def __init__(self) -> None:
        self.now, self.gone = 1_790_035_200.0, 50.0

    def go(self, monitor: Monitor, seconds: float) -> None:
        """Ten seconds and ten seconds, as the monitor looks."""
        for _ in range(round(seconds / 10)):
            self.now += 10
            self.gone += 10
            monitor.attend(self.gone)


def test_a_clock_that_is_years_ahead_for_ten_minutes_erases_nothing(db: Database) -> None:
    hands = Hands()
    monitor = Monitor(db, Clock(lambda: hands.now, lambda: hands.gone))
    for day in range(200):
        history.record(db, "default", Sample(at=hands.now - day * DAY, seconds=300.0))
    audit.note(db, "kim", "::1", "reload")

    def kept() -> tuple[int, int]:
        tables = ("samples WHERE grain = 0", "audit")
        samples, entries = (db.rows(f"SELECT count(*) AS n FROM {table}")[0]["n"] for table in tables)
        return samples, entries

    hands.now += 3 * 365 * DAY
    hands.go(monitor, 600)
    hands.now -= 3 * 365 * DAY
    hands.go(monitor, 600)
    assert kept() == (200, 1)
    found = [monitor._said.get() for _ in range(monitor._said.qsize())]
    assert found == [ClockSet(3 * 365 * DAY), ClockSet(-3 * 365 * DAY)], "each time it was set is said once"
    hands.go(monitor, STEADY)
    assert kept() == (14, 1), "it goes evenly, and what is old by it is"


def test_consoles_that_are_started_again_and_again_forget_as_well(db: Database) -> None:
    hands = Hands()
    history.record(db, "default", Sample(at=hands.now - 200 * DAY, seconds=300.0))
    for left in (1, 1, 0):
        hands.go(Monitor(db, Clock(lambda: hands.now, lambda: hands.gone, "a", clock.recall(db))), STEADY / 3)
        assert db.rows("SELECT count(*) AS n FROM samples WHERE grain = 0")[0]["n"] == left


def test_its_threads_end_when_it_is_told_to(monitor: Monitor, tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    monitor.start(Journal(Sink(descriptor), level="info", as_json=True, logger="prefork.console"))
    monitor.stop()
    os.close(descriptor)
    assert said(tmp_path / "log") == []
