"""What the API says of an instance's past: charts and alerts."""

import time
from dataclasses import asdict, fields
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.unit.console.conftest import bearing, logged_in, somebody

from prefork.console.desk import Desk
from prefork.console.models import Incident as Told
from prefork.incidents import Incident, Ledger
from prefork.instances import alerts, history, registry
from prefork.instances.alerts import Alert
from prefork.instances.database import Database
from prefork.instances.remote import Remote
from prefork.usage.reading import Mark
from prefork.usage.sample import Sample

ONE = "/api/v1/instances/default"


@pytest.fixture
def viewer(db: Database) -> dict[str, str]:
    return bearing(db, somebody(db, "viewer"))


def test_a_chart(client: TestClient, db: Database, viewer: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prefork.usage.report.WINDOW", 0.0)
    monkeypatch.setattr("prefork.usage.report.PATIENCE", 0.0)
    hour = time.time() // 3600 * 3600 - 3600
    for number in range(4):
        history.record(
            db, "default", Sample(at=hour + 300 * number, seconds=300, configured=2, in_flight=50.0, succeeded=7, waits={9: 3})
        )
    history.note(db, "default", [Mark(hour + 60, "reload", "generation 2")])
    told = client.get(f"{ONE}/worker-usage?range=24h", headers=viewer).json()["history"]
    assert (told["range"], told["resolution"], len(told["points"])) == ("24h", 300, 4)
    assert told["points"][0]["requests"]["2xx"] == 7
    assert told["points"][0]["wait"]["p95"] > 0
    assert told["marks"] == [{"at": hour + 60, "kind": "reload", "text": "generation 2"}]
    (coarse,) = client.get(f"{ONE}/worker-usage?range=24h&resolution=3600", headers=viewer).json()["history"]["points"]
    assert (coarse["at"], coarse["seconds"], coarse["requests"]["2xx"], coarse["in_flight"]) == (hour, 1200, 28, 50.0)
    assert client.get(f"{ONE}/worker-usage", headers=viewer).json()["history"] == told, "the last day, where nobody says which time"
    assert client.get(f"{ONE}/worker-usage?range=2h", headers=viewer).status_code == 422


def test_the_last_hour_is_live(client: TestClient, desk: Desk, viewer: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prefork.usage.report.WINDOW", 0.0)
    monkeypatch.setattr("prefork.usage.report.PATIENCE", 0.0)
    now = time.time()
    history.record(desk.db, "default", Sample(at=now - 1800, seconds=300, configured=2, succeeded=1))
    history.record(desk.db, "default", Sample(at=now - 300, seconds=300, configured=2, succeeded=999))
    live = [
        Sample(at=now - 300 + 10 * number, seconds=10, configured=2, succeeded=number, workers={"http.1": 5}) for number in range(3)
    ]
    monkeypatch.setattr(desk.monitor, "live", lambda _instance: live)
    told = client.get(f"{ONE}/worker-usage?range=1h", headers=viewer).json()["history"]
    assert (told["resolution"], [point["requests"]["2xx"] for point in told["points"]]) == (10, [1, 0, 1, 2])
    assert told["points"][-1]["memory"]["workers"] == {"http.1": 5}


def raised(db: Database, number: int, over: float | None = None) -> Alert:
    made = Alert("default", "job_failing", f"job{number}", f"job {number} fails", "raised", 1.0, 2.0, raised=2.0)
    kept = alerts.keep(db, made)
    if over is not None:
        alerts.keep(db, Alert(**{**vars(kept), "state": "clearing", "over": over}))
    return kept


def test_alerts_the_current_ones_first(client: TestClient, db: Database, viewer: dict[str, str]) -> None:
    for number in range(5):
        raised(db, number, over=9.0)
    raised(db, 7)
    first = client.get(f"{ONE}/alerts?limit=3", headers=viewer).json()
    assert [(each["subject"], each["over"]) for each in first["items"]] == [
        ("job7", None),
        ("job4", 9.0),
        ("job3", 9.0),
        ("job2", 9.0),
    ]
    rest = client.get(f"{ONE}/alerts?limit=3&cursor={first['next']}", headers=viewer).json()
    assert ([each["subject"] for each in rest["items"]], rest["next"]) == (["job1", "job0"], None)
    (now,) = client.get("/api/v1/alerts", headers=viewer).json()["items"]
    assert (now["rule"], now["level"], now["title"], now["instance"]) == ("job_failing", "warning", "a job fails", "default")


def test_the_page_of_alerts_is_there_where_a_server_is_on_another_machine(client: TestClient, db: Database) -> None:
    raised(db, 1)
    registry.add_remote(db, "far", "far", Remote("http://127.0.0.1:9", "theirs"))
    cookie, _ = logged_in(db, somebody(db, "viewer"))
    answer = client.get("/alerts", headers=cookie)
    assert (answer.status_code, "job 1 fails" in answer.text.lower()) == (200, True)


def test_nobody_sees_the_alerts_of_what_is_not_theirs(client: TestClient, db: Database) -> None:
    raised(db, 1)
    assert client.get("/api/v1/alerts", headers=bearing(db, somebody(db, "none"))).json()["items"] == []


REQUEST = {"method": "GET", "target": "/feed", "client": "10.0.0.9:5151", "id": "b2d4", "attempt": 1, "tag": "", "status": 502}


def test_incidents(client: TestClient, desk: Desk, viewer: dict[str, str]) -> None:
    base: dict[str, Any] = {
        "node": "app1",
        "worker": "http.1",
        "pool": "http",
        "pid": 4711,
        "generation": 1,
        "reason": "it was killed",
    }
    ledger = Ledger(desk.server("default").directory)
    plain = Incident(id="51d2bb08", time=1.0, cause="crash", request=REQUEST, advice="", stacks="File x", curve=[(-1.0, 5)], **base)
    shared = Incident(id="9ac1f07e", time=2.0, cause="exit", requests=[REQUEST, {**REQUEST, "id": "c3"}], advice="", **base)
    for each in (plain, shared):
        ledger.add(each)
    listed = client.get(f"{ONE}/incidents", headers=viewer).json()["items"]
    assert [each["id"] for each in listed] == ["9ac1f07e", "51d2bb08"], "the latest first"
    assert {each[name] for each in listed for name in ("stacks", "curve", "requests")} == {None}, "without what is long"
    assert [each["id"] for each in client.get(f"{ONE}/incidents?cause=crash", headers=viewer).json()["items"]] == ["51d2bb08"]
    for each in (plain, shared):
        told = client.get(f"{ONE}/incidents/{each.id}", headers=viewer).json()
        assert told == {**asdict(each), "curve": [list(point) for point in each.curve]}
    assert client.get(f"{ONE}/incidents/c3", headers=viewer).json()["id"] == "9ac1f07e", "by its request's id"


def test_an_incident_is_told_whole() -> None:
    assert set(Told.model_fields) == {each.name for each in fields(Incident)}
