"""What was measured, as charts and programs get it."""

import time

import pytest
from fastapi.testclient import TestClient
from tests.unit.console.conftest import bearing, somebody

from prefork.instances import history
from prefork.instances.database import Database
from prefork.usage.reading import Mark
from prefork.usage.sample import Sample

PLACE = "/api/v1/instances/default/worker-usage"


@pytest.fixture
def headers(db: Database, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setattr("prefork.usage.report.WINDOW", 0.0)
    return bearing(db, somebody(db, "viewer"))


def test_usage_has_both_measures_and_what_they_were(client: TestClient, db: Database, headers: dict[str, str]) -> None:
    now = time.time()
    for minutes, share in ((90, 10.0), (10, 50.0), (5, 100.0)):
        history.record(db, "default", Sample(at=now - 60 * minutes, seconds=300.0, configured=2, in_flight=share))
    history.note(db, "default", [Mark(now - 400, "reload", "generation 2")])
    said = client.get(PLACE, params={"range": "1h"}, headers=headers).json()
    assert {"configured", "in_flight", "cpu", "level", "recommendation"} <= said.keys()
    assert [point["in_flight"] for point in said["history"]["points"]] == [50.0, 100.0]
    assert [(mark["kind"], mark["text"]) for mark in said["history"]["marks"]] == [("reload", "generation 2")]
    assert said["history"]["resolution"] == 60
    day = client.get(PLACE, params={"range": "24h", "resolution": 86_400}, headers=headers).json()["history"]
    assert 1 <= len(day["points"]) <= 2


@pytest.mark.parametrize("query", [{"range": "2h"}, {"range": "180d", "resolution": 10}, {"resolution": "nan"}, {"resolution": 0}])
def test_a_history_has_an_end_and_a_bounded_number_of_points(
    client: TestClient, headers: dict[str, str], query: dict[str, str]
) -> None:
    assert client.get(PLACE, params=query, headers=headers).status_code == 422
