"""The API does what its OpenAPI document says, whatever it is asked: no answer that is not described, and never a 500."""

import json
from typing import Any

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance
from tests.unit.console.conftest import bearing, somebody

from prefork.console.desk import Desk
from prefork.console.pace import Backoff, Pace
from prefork.instances.database import Database

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def test_answers_are_those_of_the_document(client: TestClient, db: Database, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.pace = Pace(rate=1e6, burst=1e6)
    monkeypatch.setattr(Backoff, "wait", lambda *_: 0.0)
    headers = bearing(db, somebody(db, "administrator"))
    app: Any = client.app
    schema = schemathesis.openapi.from_dict(app.openapi())
    schema.app = app
    called = set()

    def check(case: schemathesis.Case) -> None:
        if case.path.endswith("/events"):
            case.query = {**(case.query or {}), "count": 1, "every": 0.5} if isinstance(case.query, dict) else {"count": 1}
        if case.path_parameters and "instance_id" in case.path_parameters:
            case.path_parameters["instance_id"] = "default"
        response = case.call(headers={**(case.headers or {}), **headers})
        called.add(response.status_code)
        case.validate_response(response, checks=CHECKS)

    explore = settings(
        max_examples=4,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    for operation in schema.get_all_operations():
        explore(given(case=operation.ok().as_strategy())(check))()
    assert {200, 404, 422} <= called


def test_examples_in_the_document_are_valid(client: TestClient) -> None:
    document = json.loads(json.dumps(client.app.openapi()))  # type: ignore[attr-defined]
    assert document["openapi"].startswith("3.1")
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            assert call.get("description"), f"{method} {path} does not say what it does"
            assert call["tags"]
