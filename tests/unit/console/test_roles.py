"""Who may do what: every call of the API as every role and as nobody. A call that is missing from the table fails the last test."""

import re
import time
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.unit.console.conftest import Stand, bearing, logged_in, somebody

from prefork.instances import audit, tokens, users
from prefork.instances.database import Database
from prefork.instances.users import Declined

API = "/api/v1"
NOBODY, METRICS, NONE, VIEWER, OPERATOR, ADMINISTRATOR = "nobody", "metrics", "none", "viewer", "operator", "administrator"
WHO = (NOBODY, METRICS, NONE, VIEWER, OPERATOR, ADMINISTRATOR)
ALL = {METRICS, NONE, VIEWER, OPERATOR, ADMINISTRATOR}
PEOPLE = ALL - {METRICS}
SEEING = {VIEWER, OPERATOR, ADMINISTRATOR}
STEERING = {OPERATOR, ADMINISTRATOR}
RULING = {ADMINISTRATOR}
ONE = "/instances/{instance_id}"
# The call, what it takes along, who may. 404 and 409 about a thing mean that one may: there are no jobs and incidents here.
CALLS: list[tuple[str, str, dict[str, Any] | None, set[str]]] = [
    ("GET", "/instances", None, ALL),
    ("POST", "/instances", {"id": "other", "name": "other", "data_dir": "/nowhere"}, RULING),
    ("POST", "/instances", {"id": "made", "name": "made", "run": {"app": "shop:app"}}, RULING),
    ("GET", ONE, None, SEEING),
    ("PATCH", ONE, {"name": "shop"}, RULING),
    ("DELETE", ONE, None, RULING),
    ("GET", ONE + "/status", None, SEEING),
    ("GET", ONE + "/health", None, SEEING),
    ("POST", ONE + "/reload", None, STEERING),
    ("GET", ONE + "/provision", None, SEEING),
    ("GET", ONE + "/provision/works", None, SEEING),
    ("GET", ONE + "/provision/works/{number}", None, SEEING),
    ("POST", ONE + "/start", None, STEERING),
    ("POST", ONE + "/stop", None, STEERING),
    ("POST", ONE + "/restart", None, STEERING),
    ("POST", ONE + "/upgrade", {"app": "shop:other"}, RULING),
    ("GET", ONE + "/worker-usage", None, SEEING),
    ("GET", ONE + "/routes", None, SEEING),
    ("GET", ONE + "/settings", None, SEEING),
    ("PATCH", ONE + "/settings", {"settings": {"workers": 2}}, STEERING),
    ("PATCH", ONE + "/settings", {"settings": {"plan": "pro"}}, RULING),
    ("GET", ONE + "/settings/changes", None, SEEING),
    ("GET", ONE + "/settings/changes/{number}", None, SEEING),
    ("POST", ONE + "/settings/changes/{number}/undo", None, STEERING),
    ("GET", ONE + "/workers", None, SEEING),
    ("POST", ONE + "/workers/stacks", None, STEERING),
    ("POST", ONE + "/workers/{pid}/retire", None, STEERING),
    ("GET", ONE + "/routes", None, SEEING),
    ("GET", ONE + "/incidents", None, SEEING),
    ("GET", ONE + "/incidents/{incident_id}", None, SEEING),
    ("GET", "/alerts", None, ALL),
    ("GET", ONE + "/alerts", None, SEEING),
    ("GET", ONE + "/jobs", None, SEEING),
    ("GET", ONE + "/jobs/{job}", None, SEEING),
    ("PATCH", ONE + "/jobs/{job}", {"priority": 1}, STEERING),
    ("GET", ONE + "/runs", None, SEEING),
    ("POST", ONE + "/jobs/{job}/run", None, STEERING),
    ("POST", ONE + "/jobs/{job}/pause", None, STEERING),
    ("POST", ONE + "/jobs/{job}/resume", None, STEERING),
    ("GET", ONE + "/events", None, SEEING),
    ("GET", "/plans", None, ALL),
    ("GET", "/me", None, ALL),
    ("POST", "/me/password", {"old": "wrong", "new": "another long one"}, PEOPLE),
    ("GET", "/tokens", None, PEOPLE),
    ("POST", "/tokens", {"name": "t", "scope": "metrics", "lifetime": 1}, PEOPLE),
    ("DELETE", "/tokens/{number}", None, PEOPLE),
    ("GET", "/users", None, RULING),
    ("POST", "/users", {"name": "new", "password": "correct horse battery", "role": "none"}, RULING),
    ("PATCH", "/users/{number}", {"role": "viewer"}, RULING),
    ("DELETE", "/users/{number}", None, RULING),
    ("GET", "/audit", None, RULING),
]
PLACES = {"instance_id": "default", "number": "999", "pid": "4711", "incident_id": "nothing", "job": "shop.jobs.mail"}


@pytest.fixture
def people(db: Database) -> dict[str, dict[str, str]]:
    """The headers of everybody."""
    found: dict[str, dict[str, str]] = {NOBODY: {}}
    for role in (NONE, VIEWER, OPERATOR, ADMINISTRATOR):
        found[role] = bearing(db, somebody(db, role))
    found[METRICS] = bearing(db, users.named(db, ADMINISTRATOR).id, "metrics")  # type: ignore[union-attr]
    return found


def test_every_call_as_everybody(client: TestClient, people: dict[str, dict[str, str]], stand: Stand) -> None:
    wrong = []
    for method, path, body, allowed in CALLS:
        for who in WHO:
            place = API + path.format(**PLACES) + ("?count=1" if path.endswith("/events") else "")
            headers = {**people[who], "If-Match": "*"}
            answer = client.request(method, place, json=body, headers=headers)
            let_in = answer.status_code < 400 or answer.status_code in {404, 409} or says(answer, "wrong-password")
            if who == NOBODY:
                right = answer.status_code == 401 and says(answer, "unauthorized")
            elif who in allowed:
                right = let_in and not says_hidden(answer)
            else:
                right = answer.status_code == 403 or says_hidden(answer)
            if not right:
                wrong.append((method, path, who, answer.status_code, answer.text[:150]))
    assert wrong == []
    assert "reload" in stand.asked


def says(answer: Any, kind: str) -> bool:
    return answer.headers["Content-Type"] == "application/problem+json" and answer.json()["type"].endswith(kind)


def says_hidden(answer: Any) -> bool:
    """Whether an instance is said not to be there, to somebody who may not see it."""
    return answer.status_code == 404 and "not yours to see" in answer.json()["detail"] and "instance" in answer.json()["detail"]


def test_the_table_has_every_call(client: TestClient) -> None:
    described = client.app.openapi()["paths"]  # type: ignore[attr-defined]
    calls = {(method.upper(), path.removeprefix(API)) for path, methods in described.items() for method in methods}
    assert calls == {(method, path) for method, path, _, _ in CALLS}


def test_a_grant_opens_one_instance_and_no_other(client: TestClient, db: Database) -> None:
    db.change("INSERT INTO instances (id, name, kind, directory, created_at) VALUES ('other', 'other', 'local', '/nowhere', 0)")
    headers = bearing(db, somebody(db, NONE, grants={"default": "operator"}))
    assert [each["id"] for each in client.get(f"{API}/instances", headers=headers).json()["items"]] == ["default"]
    assert client.post(f"{API}/instances/default/reload", headers=headers).status_code == 200
    assert client.get(f"{API}/instances/other", headers=headers).status_code == 404
    assert client.post(f"{API}/instances/other/reload", headers=headers).status_code == 404
    assert client.get(f"{API}/users", headers=headers).status_code == 403


def test_a_token_has_no_more_rights_than_its_scope_and_its_owner(client: TestClient, db: Database) -> None:
    ruler, viewer = somebody(db, ADMINISTRATOR), somebody(db, VIEWER)
    assert client.post(f"{API}/instances/default/reload", headers=bearing(db, ruler, "viewer")).status_code == 403
    assert client.post(f"{API}/instances/default/reload", headers=bearing(db, viewer, "administrator")).status_code == 403
    small = bearing(db, ruler, "viewer")
    answer = client.post(f"{API}/tokens", json={"name": "more", "scope": "administrator"}, headers=small)
    assert answer.status_code == 403
    users.set_role(db, viewer, "administrator")
    users.set_role(db, ruler, "none")
    assert client.get(f"{API}/users", headers=bearing(db, ruler)).status_code == 403


@pytest.mark.parametrize(("lifetime", "status"), [(None, 403), (61.0, 403), (10.0, 201)])
def test_a_token_makes_none_that_outlives_it(client: TestClient, db: Database, lifetime: float | None, status: int) -> None:
    user = somebody(db, ADMINISTRATOR)
    new = {"name": "more", "scope": "viewer", "lifetime": lifetime}
    began = time.time()
    answer = client.post(f"{API}/tokens", json=new, headers=bearing(db, user, lifetime=60.0))
    assert answer.status_code == status
    if status == 403:
        assert says(answer, "forbidden")
        told = re.fullmatch(
            "a token makes none that outlives it; give the new one a lifetime below (.+) seconds", answer.json()["detail"]
        )
        assert told
        assert began + 59 - time.time() <= int(told[1]) <= 60, "of the 60 those that have passed meanwhile are gone"
    lasting = tokens.make(db, user, "lasting", "administrator", None)[1]
    assert client.post(f"{API}/tokens", json=new, headers={"Authorization": f"Bearer {lasting}"}).status_code == 201
    cookie, csrf = logged_in(db, user)
    assert client.post(f"{API}/tokens", json=new, headers={**cookie, "X-CSRF-Token": csrf}).status_code == 201, "that is a person"


def test_a_token_takes_along_what_was_made_with_it(client: TestClient, db: Database) -> None:
    user = somebody(db, ADMINISTRATOR)
    lasting, lost = (tokens.make(db, user, name, "administrator", None) for name in ("lasting", "lost"))
    headers = [{"Authorization": f"Bearer {secret}"} for _, secret in (lasting, lost)]
    for _ in range(2):  # one that the lost one has made, and one that that one has made
        made = client.post(f"{API}/tokens", json={"name": "more", "scope": "administrator"}, headers=headers[-1])
        headers.append({"Authorization": f"Bearer {made.json()['token']}"})
    listed = client.get(f"{API}/tokens", headers=headers[0]).json()["items"]
    assert [each["made_by"] for each in listed] == [None, None, lost[0], lost[0] + 1]
    assert "made by token lost" in client.get("/account", headers=logged_in(db, user)[0]).text
    assert client.delete(f"{API}/tokens/{lost[0]}", headers=headers[0]).status_code == 204
    assert [client.get(f"{API}/me", headers=each).status_code for each in headers] == [200, 401, 401, 401]
    (entry,) = audit.read(db, None, 1)
    assert (entry.action, entry.details) == ("token removed", {"token": lost[0], "made": [lost[0] + 1, lost[0] + 2]})


def test_a_token_that_has_just_been_removed_makes_none(db: Database) -> None:
    user = somebody(db, ADMINISTRATOR)
    gone, secret = tokens.make(db, user, "gone", "viewer", None)
    visitor = tokens.recognise(db, secret)
    assert visitor
    assert tokens.remove(db, gone, user) == [gone]
    assert tokens.make(db, user, "another", "viewer", None)[0] == gone, "it has the number of the first"
    with pytest.raises(Declined, match="has just been removed"):
        tokens.make(db, user, "more", "viewer", None, made_by=visitor.token)


def test_metrics_are_for_a_token_of_theirs_and_for_who_may_see_them(
    client: TestClient, db: Database, people: dict[str, Any]
) -> None:
    allowed = {who for who in WHO if client.get("/metrics", headers=people[who]).status_code == 200}
    assert allowed == {METRICS, *SEEING}
    assert client.get("/metrics", headers=people[METRICS]).text.startswith("# HELP prefork_")
    granted = somebody(db, NONE, "granted", {"default": "viewer"})
    assert client.get("/metrics", headers=bearing(db, granted, "metrics")).status_code == 200
    stranger = somebody(db, NONE, "stranger")
    assert client.get("/metrics", headers=bearing(db, stranger, "metrics")).status_code == 403


@pytest.mark.parametrize("path", ["/", "/instances/default", "/settings", "/nothing"])
def test_pages_lead_nobody_to_the_login(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 303
    assert answer.headers["Location"].split("?")[0] == "/login"


@pytest.mark.parametrize("path", ["/api/v1/instances", "/api/v1/nothing", "/api/", "/metrics", "/api/v1/openapi.json"])
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_machines_are_told_that_nobody_knows_them(client: TestClient, method: str, path: str) -> None:
    answer = client.request(method, path, content=b"{ no json", headers={"Content-Type": "application/json"})
    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
