"""Instances of the console's own, by its API and its pages: who may, what is answered, and what becomes of it."""

import re
import threading
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.unit.console.conftest import bearing, logged_in, somebody

from prefork.console.desk import Desk
from prefork.instances import audit, provisions, registry
from prefork.instances.database import Database
from prefork.instances.local import Local, Unreachable
from prefork.provision.premises import Premises

API = "/api/v1"
ONE = f"{API}/instances/wiki"


@pytest.fixture(autouse=True)
def own(desk: Desk, premises: Premises, monkeypatch: pytest.MonkeyPatch) -> None:
    """A console that runs instances, none of which answers."""
    desk.premises = premises

    def ask(server: Local, *_asked: Any, **_fields: Any) -> Any:
        raise Unreachable(f"no server runs at {server.directory}")

    monkeypatch.setattr(Local, "ask", ask)


@pytest.fixture
def new(tmp_path: Path) -> dict[str, Any]:
    """What makes an instance."""
    return {"id": "wiki", "name": "Wiki", "run": {"app": "wiki:app", "app_dir": str(tmp_path), "plan": "free", "memory": "1G"}}


def ended(client: TestClient, headers: dict[str, str], place: str) -> dict[str, Any]:
    for thread in threading.enumerate():
        if thread.name == "work":
            thread.join(20)
    found: dict[str, Any] = client.get(place, headers=headers).json()
    return found


def test_a_dry_run_says_what_it_would_get(client: TestClient, db: Database, new: dict[str, Any]) -> None:
    headers = bearing(db, somebody(db, "administrator"))
    answer = client.post(f"{API}/instances?dry_run=true", json=new, headers=headers)
    assert answer.status_code == 200
    assert {name: answer.json()["given"][name] for name in ("workers", "cron", "hard")} == {
        "workers": 1,
        "cron": 1,
        "hard": 500 << 20,
    }
    assert answer.json()["options"]["app"] == "wiki:app"
    assert registry.find(db, "wiki") is None


@pytest.mark.parametrize(
    ("change", "kind", "member"),
    [
        ({"workers": 2}, "plan-limit", "workers"),
        ({"memory": "2G"}, "plan-limit", "memory"),
        ({"memory": "much"}, "invalid-settings", "memory"),
        ({"app_dir": "/nowhere"}, "invalid-settings", "app_dir"),
        ({"app": None}, "invalid-settings", "app"),
        ({"options": {"http_port": "80"}}, "invalid-settings", "http_port"),
    ],
)
def test_what_cannot_be_is_refused_by_its_member(
    client: TestClient, db: Database, new: dict[str, Any], change: dict[str, Any], kind: str, member: str
) -> None:
    headers = bearing(db, somebody(db, "administrator"))
    answer = client.post(f"{API}/instances", json={**new, "run": {**new["run"], **change}}, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (422, f"urn:prefork:problem:{kind}")
    assert member in answer.json()["errors"]


def test_what_was_done_is_told_and_noted(client: TestClient, db: Database, new: dict[str, Any]) -> None:
    headers = bearing(db, somebody(db, "administrator", "kim"))
    made = client.post(f"{API}/instances", json=new, headers=headers)
    assert made.status_code == 201
    end = ended(client, headers, made.headers["Location"])
    assert (end["action"], end["state"], end["message"]) == ("create", "failed", "nobody starts wiki here")
    assert client.get(ONE, headers=headers).json()["state"] == "stopped"
    told = client.get(f"{ONE}/provision", headers=headers).json()
    assert (told["wanted"], told["run"]["memory"], told["work"]["id"]) == ("stopped", 1 << 30, end["id"])
    begun = client.post(f"{ONE}/start", headers=headers)
    assert begun.status_code == 202
    ended(client, headers, begun.headers["Location"])
    works = client.get(f"{ONE}/provision/works?limit=1", headers=headers).json()
    assert ([each["action"] for each in works["items"]], works["next"]) == (["start"], works["items"][0]["id"])
    assert client.delete(f"{ONE}?data=true", headers=headers).status_code == 204
    noted = [(entry.action, entry.who) for entry in audit.read(db, None, 3)]
    assert noted == [("instance deleted", "kim"), ("instance start", "kim"), ("instance made", "kim")]


def test_what_settings_change_is_had_of_the_machine(
    client: TestClient, db: Database, premises: Premises, new: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = bearing(db, somebody(db, "administrator")) | {"If-Match": "*"}
    ended(client, headers, client.post(f"{API}/instances", json=new, headers=headers).headers["Location"])
    place = premises.place("wiki")
    origin = {"file": str(place.configuration), "flags": {}, "cwd": str(place.directory), "environ": {}}
    monkeypatch.setattr(Local, "ask", lambda _server, command, *_asked: origin if command == "origin" else {})
    monkeypatch.setattr(Local, "status", lambda _server: {"workers": [], "state": "reloading", "wanted": 1})
    given = client.get(f"{ONE}/provision", headers=headers).json()["given"]

    def patch(query: str = "", **settings: object) -> Any:
        return client.patch(f"{ONE}/settings{query}", json={"settings": settings}, headers=headers)

    beyond = patch(limit_memory_hard="1G", limit_memory_soft="500M")
    assert (beyond.status_code, beyond.json()["type"]) == (422, "urn:prefork:problem:plan-limit")
    assert "the plan free comes with 1 GiB" in beyond.json()["errors"]["limit_memory_hard"]
    meant = patch("?dry_run=true", max_cron_threads=0).json()
    assert meant["changes"] == {
        "max_cron_threads": ["1", "0"],
        "db_maxconn": [str(given["db_maxconn"]), str(meant["connections_each"])],
    }
    assert meant["connections_each"] > given["db_maxconn"]
    change = patch(max_cron_threads=0)
    assert change.status_code == 202, change.text
    settled(client, headers, change)
    fewer = client.get(f"{ONE}/provision", headers=headers).json()["given"]
    assert (fewer["cron"], fewer["memory"], fewer["db_maxconn"]) == (0, given["memory"] // 2, meant["connections_each"])
    undone = client.post(f"{change.headers['Location']}/undo", headers=headers)
    assert undone.status_code == 202, undone.text
    settled(client, headers, undone)
    assert client.get(f"{ONE}/provision", headers=headers).json()["given"] == given


def settled(client: TestClient, headers: dict[str, str], change: Any) -> None:
    for thread in threading.enumerate():
        if thread.name == "change":
            thread.join(20)
    assert client.get(change.headers["Location"], headers=headers).json()["state"] == "done"


def test_operators_start_and_stop_and_administrators_do_the_rest(client: TestClient, db: Database, new: dict[str, Any]) -> None:
    ruler = bearing(db, somebody(db, "administrator"))
    ended(client, ruler, client.post(f"{API}/instances", json=new, headers=ruler).headers["Location"])
    viewer = bearing(db, somebody(db, "viewer"))
    operator = bearing(db, somebody(db, "none", "op", {"wiki": "operator"}))
    for action in ("start", "stop", "restart"):
        assert client.post(f"{ONE}/{action}", headers=viewer).status_code == 403
        answer = client.post(f"{ONE}/{action}", headers=operator)
        assert answer.status_code == 202, answer.text
        ended(client, operator, answer.headers["Location"])
    assert client.post(f"{ONE}/upgrade", json={}, headers=operator).status_code == 403
    assert client.delete(ONE, headers=operator).status_code == 403


def test_what_others_have_started_is_not_stopped_here(client: TestClient, db: Database) -> None:
    headers = bearing(db, somebody(db, "operator"))
    answer = client.post(f"{API}/instances/default/stop", headers=headers)
    assert (answer.status_code, answer.json()["detail"]) == (
        409,
        "this console does not run default; what has started it, stops it",
    )


def test_a_console_beside_a_server_runs_none(client: TestClient, db: Database, desk: Desk, new: dict[str, Any]) -> None:
    desk.premises = None
    user = somebody(db, "administrator")
    answer = client.post(f"{API}/instances", json=new, headers=bearing(db, user))
    assert (answer.status_code, "prefork console --data-dir PATH" in answer.json()["detail"]) == (409, True)
    cookie, _ = logged_in(db, user)
    assert "New instance" not in client.get("/instances", headers=cookie).text
    assert client.get("/instances/new", headers=cookie).status_code == 409


def test_the_pages_make_one_and_say_why_not(client: TestClient, db: Database, new: dict[str, Any]) -> None:
    cookie, csrf = logged_in(db, somebody(db, "administrator"))
    form = {"csrf": csrf, "id": "wiki", "name": "<Wiki>", **new["run"], "options": "limit_request = 9\n\nqueue_size=7"}
    refused = client.post("/instances/new", headers=cookie, data={**form, "workers": "2"})
    assert (refused.status_code, "The plan free allows 1 HTTP worker, not 2" in refused.text) == (422, True)
    assert 'value="wiki:app"' in refused.text
    prospect = client.post("/instances/new/prospect", headers=cookie, data=form)
    assert "500 MiB" in prospect.text
    wrong = client.post("/instances/new", headers=cookie, data={**form, "options": "what is this"})
    assert (wrong.status_code, "what is this is no option" in wrong.text) == (422, True)
    made = client.post("/instances/new", headers=cookie, data={**form, "action": "make"})
    assert (made.status_code, made.headers["location"]) == (303, "/instances/wiki/server")
    end = ended(client, cookie, f"{ONE}/provision/works/1")
    assert end["state"] == "failed"
    page = client.get("/instances/wiki/server", headers=cookie).text
    assert "nobody starts wiki here" in page
    assert "&lt;Wiki&gt;" in page
    assert "<Wiki>" not in page
    assert provisions.find(db, "wiki").wish["options"] == {"limit_request": "9", "queue_size": "7"}  # type: ignore[union-attr]
    overview = client.get("/instances/wiki", headers=cookie).text
    assert "The instance is stopped." in overview
    same = client.post("/instances/wiki/server/upgrade", headers=cookie, data={"csrf": csrf, "app": "wiki:app", "memory": "1 GiB"})
    assert same.status_code == 303
    ended(client, cookie, f"{ONE}/provision/works/2")
    gone = client.post("/instances/wiki/server/delete", headers=cookie, data={"csrf": csrf})
    assert (gone.status_code, gone.headers["location"]) == (303, "/instances")


def test_a_form_that_stood_open_takes_no_plan_back(
    client: TestClient, db: Database, premises: Premises, new: dict[str, Any]
) -> None:
    cookie, csrf = logged_in(db, somebody(db, "administrator"))
    headers = bearing(db, somebody(db, "administrator", "kim"))
    ended(client, headers, client.post(f"{API}/instances", json=new, headers=headers).headers["Location"])
    page = client.get("/instances/wiki/server", headers=cookie).text
    before = dict(re.findall(r'<input type="hidden" name="(before:[^"]+)" value="([^"]*)">', page))
    form = {"csrf": csrf, **before, **{name.partition(":")[2]: text for name, text in before.items()}}
    assert (form["plan"], form["memory"]) == ("free", "1 GiB")
    upgraded = client.post(f"{ONE}/upgrade", json={"plan": "base"}, headers=headers)
    assert ended(client, headers, upgraded.headers["Location"])["state"] == "done"

    assert client.post("/instances/wiki/server/upgrade", headers=cookie, data={**form, "app": "wiki:other"}).status_code == 303
    for thread in threading.enumerate():
        if thread.name == "work":
            thread.join(20)
    wish = premises.provision("wiki").wish
    assert (wish["app"], wish["plan"]) == ("wiki:other", "base")
    refused = client.post("/instances/wiki/server/upgrade", headers=cookie, data={**form, "plan": ""})
    assert (refused.status_code, "was changed by somebody else meanwhile" in refused.text) == (412, True)
