"""A watched instance: its samples become history, its troubles become alerts, and people hear of them."""

import itertools
import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.unit.usage.conftest import saying

from prefork.config import Settings
from prefork.control.client import Unreachable
from prefork.incidents import Incident, Ledger
from prefork.instances import alerts, history
from prefork.instances.alerts import CALM
from prefork.instances.database import Database, Unusable
from prefork.instances.local import Local
from prefork.instances.notices import Undeliverable
from prefork.instances.provisions import Provision
from prefork.instances.watch import Watch, ending, secret
from prefork.usage.sampler import PACE

NOON = float(int(time.time()))  # the files of incidents have the times of the machine


class Instance:
    """An instance that says what it is told to say, watched every ten seconds."""

    def __init__(self, db: Database, directory: Path) -> None:
        self.now = NOON
        self.said: dict[str, Any] | None = saying()
        self.watch = Watch(db, "default", "shop", directory, lambda: self.now)
        self.watch.sampler.ask = self.status
        self.watch.sampler.clock = lambda: self.now
        self.watch.settings = Settings(alert_webhook="http://127.0.0.1:1/", alert_incidents=2)
        self.events: list[str] = []

    def status(self) -> dict[str, Any]:
        if self.said is None:
            raise Unreachable("no server runs there")
        return self.said

    def turn(self, times: int = 1) -> None:
        for _ in range(times):
            self.watch.open()
            self.watch.close()
            self.events += [event.name() for event in self.watch.judge()]
            self.now += PACE


@pytest.fixture
def instance(db: Database, tmp_path: Path) -> Instance:
    return Instance(db, tmp_path)


def test_spans_of_five_minutes_become_history(db: Database, instance: Instance) -> None:
    instance.turn(1 + 2 * 30)
    found = history.series(db, "default", NOON, instance.now, 1)
    assert [(sample.at - NOON, sample.seconds) for sample in found] == [(0.0, 300.0), (300.0, 300.0)]


def test_the_option_says_how_long_a_span_is(db: Database, instance: Instance) -> None:
    instance.watch.settings = Settings(usage_interval=60.0)
    instance.turn(1 + 18)
    assert len(history.series(db, "default", NOON, instance.now, 1)) == 3


def test_reloads_and_incidents_are_marked(db: Database, instance: Instance, tmp_path: Path) -> None:
    instance.turn(2)
    Ledger(tmp_path).add(incident("1a2b", NOON + 15))
    instance.said = saying(generation=2, incidents=1)
    instance.turn(2)
    assert [(mark.at - NOON, mark.kind, mark.text) for mark in history.marks(db, "default", NOON, instance.now)] == [
        (15.0, "incident", "1a2b: crash"),
        (20.0, "reload", "generation 2"),
    ]


def incident(name: str, at: float) -> Incident:
    return Incident(name, at, "n", "http.1", "http", 7, 1, "crash", "it died by signal 11", "")


def test_what_is_wrong_is_raised_once_and_waits_to_be_told(db: Database, instance: Instance, tmp_path: Path) -> None:
    for name in ("1a2b", "3c4d"):
        Ledger(tmp_path).add(incident(name, NOON))
    instance.turn(5)
    assert instance.events == ["alert_raised"]
    (row,) = db.rows("SELECT * FROM notices")
    told = json.loads(row["content"])
    assert (row["way"], told["event"], told["rule"], told["name"]) == ("webhook", "raised", "incidents", "shop")
    (failed,) = instance.watch.deliver()
    assert failed.sentence().startswith(
        "Nobody could be told by webhook about default (many incidents): 127.0.0.1 cannot be reached"
    )
    instance.turn(60 + round(CALM / PACE) + 1)
    assert instance.events == ["alert_raised", "alert_over"]
    assert [json.loads(row["content"])["event"] for row in db.rows("SELECT * FROM notices ORDER BY id")] == ["raised", "over"]
    assert instance.watch.alerts == []


def test_a_console_that_is_started_again_knows_what_it_has_said(db: Database, instance: Instance, tmp_path: Path) -> None:
    instance.said = saying(crash_loop={"failures": 3, "traceback": None})
    instance.turn(2)
    again = Instance(db, tmp_path)
    again.said = instance.said
    again.turn(2)
    assert (instance.events, again.events) == (["alert_raised"], [])
    again.said = saying()
    again.turn(round(CALM / PACE) + 2)
    assert again.events == ["alert_over"]


def test_who_does_not_answer_for_a_minute_is_an_alert(instance: Instance) -> None:
    instance.turn()
    instance.said = None
    instance.turn(6)
    assert instance.events == []
    instance.turn()
    assert instance.events == ["alert_raised"]
    assert [alert.text for alert in instance.watch.alerts] == ["no server runs there"]


def test_nothing_is_half_kept(db: Database, instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    instance.said = saying(crash_loop={"failures": 3, "traceback": None})
    with monkeypatch.context() as patch:
        patch.setattr("prefork.instances.notices.queue", full)
        with pytest.raises(OSError, match="No space"):
            instance.turn()
    assert (alerts.current(db, "default"), instance.watch.alerts) == ([], [])
    instance.turn()
    assert instance.events == ["alert_raised"]


def test_of_who_does_not_answer_nobody_knows_whether_its_jobs_were_missed(instance: Instance) -> None:
    due = datetime.fromtimestamp(NOON - 3600, UTC)
    row = {"name": "tick", "failures": 0, "active": True, "present": True, "remark": None, "due_at": due, "running": 0}
    instance.watch.jobs = [row]
    instance.said = None
    instance.turn(60)
    assert [alert.rule for alert in instance.watch.alerts] == ["unreachable"], "another node may do them"
    instance.said = saying()
    instance.turn()
    assert [alert.rule for alert in instance.watch.alerts] == ["unreachable", "job_missed"]


def test_a_span_that_cannot_be_kept_is_a_gap(db: Database, instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise Unusable("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("prefork.instances.history.record", full)
        instance.turn(30)
        with pytest.raises(Unusable):
            instance.turn()
        instance.now += PACE
    instance.turn(30)
    (found,) = history.series(db, "default", NOON, instance.now, 1)
    assert (found.at - NOON, found.seconds) == (300.0, 300.0)


def test_a_clock_that_is_set_back_makes_no_hour_a_minute(instance: Instance) -> None:
    for shed in range(30):
        instance.said = saying(lanes=[{"name": "default", "shed": shed}])
        instance.turn()
    instance.now -= 3600
    instance.watch.sampler.clock = lambda: instance.now + 3600
    instance.turn(3)
    minute = instance.watch.picture(instance.now).minute
    assert minute
    assert minute.shed == 0
    times = [sample.at for sample in instance.watch.sampler.live]
    assert times == sorted(times)


def test_incidents_of_a_clock_that_was_ahead_are_no_alert_for_ever(db: Database, instance: Instance, tmp_path: Path) -> None:
    ahead, ticks = 3 * 365 * history.DAY, itertools.count(step=PACE)
    instance.watch.sampler.clock = lambda: next(ticks)

    def happen(*names: str) -> None:
        for name in names:
            Ledger(tmp_path).add(incident(name, instance.now))
        os.utime(Ledger(tmp_path).path, (instance.now, instance.now))
        instance.said = saying(incidents=len(Ledger(tmp_path).latest(0.0)))

    instance.turn()
    instance.now += ahead
    happen("1a2b", "3c4d")
    instance.turn()
    instance.now -= ahead
    instance.turn(round(CALM / PACE) + 2)
    assert instance.events == ["alert_raised", "alert_over"]
    happen("5e6f")
    instance.turn()
    marked = [mark.text for mark in history.marks(db, "default", NOON, instance.now)]
    assert "5e6f: crash" in marked, "what comes after it has its mark"


@pytest.mark.parametrize(("ago", "said"), [(60.0, "it has ended: exit status 3"), (601.0, ""), (-3 * 365 * history.DAY, "")])
def test_an_end_is_told_of_for_ten_minutes_and_never_of_a_time_to_come(ago: float, said: str) -> None:
    provision = Provision("shop", {}, {}, "running", None, None, 1, 0.0, NOON - ago, "exit status 3")
    assert ending(provision, NOON) == said


def test_a_server_that_is_not_understood_is_an_alert_with_the_reason(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Local, "ask", lambda *_, **__: {"ok": True, "state": "running", "wanted": "many"})
    watch = Watch(db, "default", "shop", tmp_path)
    watch.open()
    assert watch.close() is None
    assert watch.picture(NOON).silent.startswith(f"what the server in {tmp_path} says is not understood (version, pid, ")
    assert "wanted" in watch.picture(NOON).silent


@pytest.mark.parametrize(("text", "said"), [("open sesame\nmore\n", "open sesame"), ("", "")])
def test_a_secret_is_the_first_line_of_its_file(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "secret").write_text(text)
    assert secret(tmp_path / "secret", "other") == said
    assert secret(None, "other") == "other"


def test_a_secret_that_cannot_be_read_names_its_file_and_is_tried_again(db: Database, instance: Instance, tmp_path: Path) -> None:
    options = {"smtp_user": "alerts", "smtp_password_file": tmp_path / "none", "smtp_port": 1}
    instance.watch.settings = Settings(alert_email=("ops@example.com",), **options)
    with pytest.raises(Undeliverable, match=f"{tmp_path}/none cannot be read: No such file"):
        secret(tmp_path / "none")
    instance.said = saying(crash_loop={"failures": 3, "traceback": None})
    instance.turn()
    assert [event.values()["way"] for event in instance.watch.deliver()] == ["email to ops@example.com"]
    (row,) = db.rows("SELECT attempts, error FROM notices")
    assert (row["attempts"], row["error"]) == (1, "localhost:1 did not take it: Connection refused")
