"""What Prometheus and other programs read of a server through the console."""

import base64

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families as parsed
from tests.unit.console.conftest import Stand, bearing, somebody

from prefork.instances.database import Database
from prefork.metrics import CONTENT_TYPE


@pytest.mark.parametrize(
    ("role", "scope", "status"), [("viewer", "viewer", 200), ("administrator", "metrics", 200), ("none", "viewer", 403)]
)
def test_who_may_read_metrics(client: TestClient, db: Database, stand: Stand, role: str, scope: str, status: int) -> None:
    answer = client.get("/metrics", headers=bearing(db, somebody(db, role), scope))
    assert answer.status_code == status
    if status == 200:
        assert answer.headers["Content-Type"] == CONTENT_TYPE
        assert "prefork_info" in {family.name for family in parsed(answer.text)}
        assert stand.asked == ["metrics"]


def test_a_scraper_may_come_with_basic(client: TestClient, db: Database, stand: Stand) -> None:
    token = bearing(db, somebody(db, "viewer"), "metrics")["Authorization"].partition(" ")[2]
    credentials = base64.b64encode(f"prometheus:{token}".encode()).decode()
    assert client.get("/metrics", headers={"Authorization": f"Basic {credentials}"}).status_code == 200
    assert client.get("/metrics").status_code == 401


def test_routes_have_their_share_and_what_would_help(client: TestClient, db: Database, stand: Stand) -> None:
    answer = client.get("/api/v1/instances/default/routes", headers=bearing(db, somebody(db, "viewer")))
    (route,) = answer.json()["items"]
    assert (route["path"], route["share"], route["tips"]) == ("/orders/{id}", 1.0, [])
    assert route["service"]["p95"] == 0.05
