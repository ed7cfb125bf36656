"""The API does what its OpenAPI document says, whatever it is asked: no answer that is not described, and never a 500."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from pydantic import BaseModel
from tests.unit.console.conftest import bearing, somebody

from prefork.console import models
from prefork.console.desk import Desk
from prefork.console.models import JobPatch, provisions
from prefork.console.pace import Backoff, Pace
from prefork.instances.database import Database
from prefork.provision.premises import Premises
from prefork.store.board import EDITED


def test_answers_are_those_of_the_document(
    client: TestClient, db: Database, desk: Desk, premises: Premises, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Here, as it takes seconds to import, and every process of a run collects this file.
    import schemathesis
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

    checks = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
    desk.pace = Pace(rate=1e6, burst=1e6)
    desk.premises = premises
    monkeypatch.setattr(Backoff, "wait", lambda *_: 0.0)
    headers = bearing(db, somebody(db, "administrator"))
    app: Any = client.app
    schema = schemathesis.openapi.from_dict(app.openapi())
    schema.app = app
    called = set()

    def check(case: schemathesis.Case) -> None:
        if case.path.endswith("/events"):
            case.query = {"count": 1}  # it would go on for ever
        if case.path_parameters and "instance_id" in case.path_parameters:
            case.path_parameters["instance_id"] = "default"
        response = case.call(headers={**(case.headers or {}), **headers})
        called.add(response.status_code)
        case.validate_response(response, checks=checks)

    explore = settings(
        max_examples=4,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    for operation in schema.get_all_operations():
        explore(given(case=operation.ok().as_strategy())(check))()
    assert {200, 404, 422} <= called


def test_each_call_says_what_it_does(client: TestClient) -> None:
    document = client.app.openapi()  # type: ignore[attr-defined]
    assert document["openapi"].startswith("3.1")
    calls = [call for path in document["paths"].values() for call in path.values()]
    assert [call["operationId"] for call in calls if not (call.get("description") and call["tags"])] == []


def test_each_call_shows_what_it_takes_and_answers(client: TestClient) -> None:
    """Put together from examples of models, and of no part is nothing known."""
    document = client.app.openapi()  # type: ignore[attr-defined]
    shown = 0
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            for body in (call.get("requestBody", {}), *call["responses"].values()):
                for kind, media in body.get("content", {}).items():
                    if "json" in kind:
                        found = media["example"]
                        items = found.get("items", [found])
                        assert items, (method, path)
                        assert all(items), (method, path)
                        shown += 1
    assert shown > 300


def test_the_examples_are_valid() -> None:
    shown = 0
    for each in {**vars(models), **vars(provisions)}.values():
        if isinstance(each, type) and issubclass(each, BaseModel):
            for example in each.model_json_schema().get("examples", []):
                each.model_validate(example)
                shown += 1
    assert shown >= 30


def test_the_jobs_of_the_document_are_those_of_the_code() -> None:
    """What a patch leaves out has no value; what it can say is what a row has."""
    assert JobPatch.model_fields.keys() - {"active"} == set(EDITED)
    assert not [field for field in JobPatch.model_json_schema()["properties"].values() if "default" in field]
