"""Jobs in the API: listed, edited, run; their rows are an operator's."""

import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.unit.console.conftest import Stand, bearing, logged_in, somebody

from prefork.instances.database import Database
from prefork.store import board, jobs
from prefork.store.address import Address
from prefork.store.connection import connect

ONE = "/api/v1/instances/default"
JOB = f"{ONE}/jobs/shop.tick"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def store(stand: Stand) -> Any:
    """The server's store, with one job of its code's and two runs that have ended."""
    dsn = f"sqlite:{stand.file.parent / 'store.db'}"
    stand.file.write_text(f"[options]\napp = shop:app\nworkers = 0\njobs = shop\nstore_dsn = {dsn}\n")
    declared = {"schedule": "every 2 hours", "tz": "UTC", "misfire": "once", "priority": 5, "retries": 3, "due_at": NOON}
    with connect(Address(dsn), "test") as connection:
        jobs.declare(connection, [{"name": "shop.tick", **declared}, {"name": "shop.tock", **declared}])
        jobs.attend(connection, "here", ["shop.tick", "shop.tock"])
        for number in range(3):
            run = board.run(connection, "shop.tick" if number else "shop.tock")
            held = jobs.claim(connection, jobs.Holder("here", "cron.1", 1), ["shop.tick", "shop.tock"])
            assert held
            assert jobs.complete(connection, run, held.attempt, jobs.Cost(1.5, 0.5, 1 << 20))
        yield connection


@pytest.fixture
def operator(db: Database, store: Any) -> dict[str, str]:
    return bearing(db, somebody(db, "operator"))


def test_an_edit_changes_what_it_names(client: TestClient, db: Database, operator: dict[str, str], store: Any) -> None:
    arguments = {"args": [1], "kwargs": {"full": True}}
    answer = client.patch(JOB, json={"priority": 1, "arguments": arguments}, headers=operator)
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert (said["priority"], said["arguments"], said["schedule"], said["retries"]) == (1, arguments, "every 2 hours", 3)
    assert datetime.fromisoformat(said["due_at"]) == NOON, "its schedule is what it was"
    (entry,) = client.get("/api/v1/audit", headers=bearing(db, somebody(db, "administrator"))).json()["items"]
    changed = {"priority": [5, 1], "arguments": [{"args": [], "kwargs": {}}, arguments]}
    assert (entry["action"], entry["details"]) == ("job changed", {"job": "shop.tick", "changes": changed})


def test_with_another_schedule_it_is_due_at_another_time(client: TestClient, operator: dict[str, str]) -> None:
    said = client.patch(JOB, json={"schedule": "30 3 * * *", "tz": "Europe/Berlin"}, headers=operator).json()
    due = datetime.fromisoformat(said["due_at"])
    assert timedelta() < due - datetime.now(UTC) <= timedelta(days=1)
    assert due.minute == 30
    assert client.patch(JOB, json={"schedule": None}, headers=operator).json()["due_at"] is None


def test_active_is_pause_and_resume(client: TestClient, operator: dict[str, str]) -> None:
    paused = client.patch(JOB, json={"active": False}, headers=operator).json()
    assert (paused["active"], paused["remark"]) == (False, "paused")
    resumed = client.patch(JOB, json={"active": True, "priority": 7}, headers=operator).json()
    assert (resumed["active"], resumed["remark"], resumed["priority"]) == (True, None, 7)


@pytest.mark.parametrize(
    ("patch", "field"),
    [
        ({"schedule": "whenever"}, "schedule"),
        ({"schedule": "every 0 minutes"}, "schedule"),
        ({"schedule": "every 00 minutes"}, "schedule"),
        ({"schedule": "every 99999999999 weeks"}, "schedule"),
        ({"schedule": "0 0 31 2 *"}, "schedule"),
        ({"schedule": "0 3 * * *", "tz": "Europe/Atlantis"}, "tz"),
        ({"tz": None}, "tz"),
        ({"priority": 1 << 40}, "priority"),
        ({"retries": -1}, "retries"),
        ({"misfire": "sometimes"}, "misfire"),
        ({"arguments": [1, 2]}, "arguments"),
        ({"arguments": {"args": ["a\0b"]}}, "arguments"),
        ({"arguments": {"kwargs": {"a": {"\0": 1}}}}, "arguments"),
        ({"name": "other"}, "name"),
        ({}, ""),
    ],
)
def test_what_cannot_be_is_refused(client: TestClient, operator: dict[str, str], patch: dict[str, Any], field: str) -> None:
    before = client.get(JOB, headers=operator).json()["job"]
    answer = client.patch(JOB, json=patch, headers=operator)
    assert answer.status_code == 422
    assert any(name.split(".")[-1] == (field or "body") for name in answer.json()["errors"]), answer.text
    assert client.get(JOB, headers=operator).json()["job"] == before


@pytest.mark.parametrize("value", ["NaN", "Infinity", '"\\ud800"'])
def test_what_python_alone_takes_for_json_is_refused(client: TestClient, operator: dict[str, str], value: str) -> None:
    body = f'{{"arguments": {{"args": [{value}]}}}}'
    answer = client.patch(JOB, content=body, headers={**operator, "Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text


def test_a_backslash_before_u0000_is_text(client: TestClient, operator: dict[str, str]) -> None:
    arguments = {"args": ["\\u0000", "\U0001f600"], "kwargs": {}}
    assert client.patch(JOB, json={"arguments": arguments}, headers=operator).json()["arguments"] == arguments


def test_a_name_that_no_job_can_have_is_nobodys(client: TestClient, db: Database, operator: dict[str, str]) -> None:
    cookie, _ = logged_in(db, somebody(db, "administrator"))
    assert client.get(f"{ONE}/jobs/a%00", headers=operator).status_code == 404
    assert client.get(f"{ONE}/runs?job=%00", headers=operator).status_code == 404
    assert client.get("/instances/default/job?name=%00", headers=cookie).status_code == 404


def test_what_was_done_in_parts(client: TestClient, operator: dict[str, str]) -> None:
    first = client.get(f"{ONE}/runs?limit=2", headers=operator).json()
    rest = client.get(f"{ONE}/runs?limit=2&cursor={first['next']}", headers=operator).json()
    assert [each["run"] for each in (*first["items"], *rest["items"])] == [3, 2, 1]
    assert rest["next"] is None
    assert [each["job"] for each in client.get(f"{ONE}/runs?job=shop.tock", headers=operator).json()["items"]] == ["shop.tock"]
    assert client.get(f"{ONE}/runs?job=nothing", headers=operator).status_code == 404
    assert len(client.get(f"{ONE}/jobs?limit=1", headers=operator).json()["items"]) == 1


def test_the_page_saves_what_was_touched_and_shows_what_was_refused(client: TestClient, db: Database, operator: object) -> None:
    cookie, csrf = logged_in(db, somebody(db, "administrator"))
    form = {"csrf": csrf, "name": "shop.tick", "schedule": "every 2 hours", "tz": "UTC", "priority": "5", "arguments": "{"}
    refused = client.post("/instances/default/job/edit", headers=cookie, data=form)
    assert refused.status_code == 422
    assert "Write JSON, such as" in refused.text
    saved = client.post("/instances/default/job/edit", headers=cookie, data={**form, "arguments": '{"args": [7]}', "priority": "2"})
    assert (saved.status_code, saved.headers["location"]) == (303, "/instances/default/job?name=shop.tick&done=edit")
    (entry,) = client.get("/api/v1/audit", headers=cookie).json()["items"]
    assert entry["details"]["changes"].keys() == {"priority", "arguments"}
    assert "Saved" in client.get(saved.headers["location"], headers=cookie).text


def test_a_form_that_stood_open_takes_back_nothing_that_was_saved_meanwhile(
    client: TestClient, db: Database, operator: dict[str, str]
) -> None:
    cookie, csrf = logged_in(db, somebody(db, "administrator"))
    page = client.get("/instances/default/job?name=shop.tick", headers=cookie).text
    before = {name: html.unescape(text) for name, text in re.findall(r'name="(before:[^"]+)" value="([^"]*)"', page)}
    form = {"csrf": csrf, "name": "shop.tick", **before, **{name.partition(":")[2]: text for name, text in before.items()}}
    assert client.patch(JOB, json={"schedule": "every 3 hours", "priority": 7}, headers=operator).status_code == 200

    assert client.post("/instances/default/job/edit", headers=cookie, data={**form, "retries": "9"}).status_code == 303
    kept = client.get(JOB, headers=operator).json()["job"]
    assert (kept["schedule"], kept["priority"], kept["retries"]) == ("every 3 hours", 7, 9), "only what was touched is saved"

    refused = client.post("/instances/default/job/edit", headers=cookie, data={**form, "priority": "1"})
    assert (refused.status_code, "was changed by somebody else meanwhile" in refused.text) == (412, True)
    assert 'name="priority" value="1"' in refused.text, "what was typed stays"
    assert 'name="schedule" value="every 3 hours"' in refused.text, "and the rest is as it is"
    assert client.get(JOB, headers=operator).json()["job"]["priority"] == 7
