"""Who may see and do what on pages: every one of them as every role and as nobody."""

import threading
import time
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from invented import Invented
from tests.unit.console.conftest import STATUS, Stand, logged_in, somebody

from prefork.console.pages.routes import CHANGE, READ
from prefork.incidents import Incident, Ledger
from prefork.instances.database import Database
from prefork.instances.local import Local

ANSWERS = "meaning"  # says in its own place what is wrong
FORMS = {
    "retire": {"pid": "4711"},
    "job": {"name": "x", "action": "run"},
    "edit": {"name": "x", "priority": "1"},
    "settings": {"workers": "2", "etag": "*"},
    "undo": {"number": "1"},
    "tokens": {"name": "t", "scope": "metrics", "days": "30"},
    "revoke": {"number": "1"},
    "password": {"old": "wrong", "new": "another long one"},
    "server": {"action": "start"},
}
RULED = ("/new", "/prospect", "/upgrade", "/delete")  # what only administrators may
OF_INSTANCE = "{id}"
OF_PEOPLE = ("/people", "/audit")  # for administrators only


@pytest.fixture(autouse=True)
def whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """A status with all that pages show."""
    status = {**STATUS, **Invented(time.time()).status("default")}
    monkeypatch.setattr(Local, "status", lambda _server: status)


@pytest.fixture(autouse=True)
def settled(client: TestClient) -> Iterator[None]:
    """A change that a test has begun ends before its database does."""
    yield
    let_changes_end()


def let_changes_end() -> None:
    for thread in threading.enumerate():
        if thread.name == "change":
            thread.join(20)


def address(path: str) -> str:
    return path.replace("{id}", "default").replace("{name}", "none").replace("{number}", "1")


def test_nobody_is_led_to_the_login(client: TestClient) -> None:
    for path in (*READ, *CHANGE):
        answer = client.request("GET" if path in READ else "POST", address(path))
        assert answer.status_code == 303, path
        assert answer.headers["location"].startswith("/login"), path


def test_a_part_of_a_page_has_the_whole_of_it_renewed(client: TestClient) -> None:
    answer = client.get("/instances/default/workers", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["hx-refresh"]) == (401, "true")


def test_an_address_that_is_no_pages_is_one_and_those_of_programs_are_problems(client: TestClient, db: Database) -> None:
    cookie, _ = logged_in(db, somebody(db, "viewer"))
    page = client.get("/nonsense/and more", headers=cookie)
    assert (page.status_code, "There is no page at this address." in page.text, "All instances" in page.text) == (404, True, True)
    call = client.get("/api/v1/nonsense", headers=cookie)
    assert (call.status_code, call.headers["content-type"]) == (404, "application/problem+json")


@pytest.mark.parametrize("role", ["none", "viewer", "operator"])
def test_what_one_may_see(client: TestClient, db: Database, role: str) -> None:
    cookie, _ = logged_in(db, somebody(db, role))
    for path in READ.keys() - ({"/instances/{id}/live"} if role != "none" else set()):  # which goes on for minutes
        status = client.get(address(path), headers=cookie).status_code
        if role == "none" and OF_INSTANCE in path:
            assert status == 404, path
        elif path.endswith("/stacks"):
            assert status == (403 if role == "viewer" else 404)  # for an operator there is no worker without a name
        elif path.endswith("/new") or path.startswith(OF_PEOPLE):
            assert status == 403, path
        elif path.endswith("/server"):
            assert status == 404, path  # the console does not run it
        elif path.endswith("/job"):
            assert status == 409  # this server has none
        else:
            assert status == (404 if "{name}" in path else 303 if path == "/" else 200), path


@pytest.mark.parametrize("role", ["none", "viewer", "operator"])
def test_what_one_may_do(client: TestClient, db: Database, role: str) -> None:
    user = somebody(db, role)
    for path in CHANGE:
        cookie, csrf = logged_in(db, user)
        form = FORMS.get(path.rpartition("/")[2], {})
        assert client.post(address(path), headers=cookie, data=form).status_code == 403, f"{path} without the login's token"
        status = client.post(address(path), headers=cookie, data={**form, "csrf": csrf}).status_code
        if path.endswith(RULED):
            assert status == (404 if role == "none" and OF_INSTANCE in path else 403), path
        elif path.startswith(OF_PEOPLE):
            assert status == 403, path
        elif OF_INSTANCE not in path:
            assert status in {200, 303, 404} or path.endswith("password"), path
        elif role == "none":
            assert status == 404, path
        elif role == "viewer" and not path.endswith(ANSWERS):
            assert status == 403, path
        else:
            assert status not in {401, 403, 500}, path


def test_who_only_looks_is_offered_nothing_to_do(client: TestClient, db: Database) -> None:
    viewer, _ = logged_in(db, somebody(db, "viewer"))
    operator, _ = logged_in(db, somebody(db, "operator"))
    for path, offer in (("settings", ">Save<"), ("workers", "/retire"), ("workers", "/stacks")):
        assert offer not in client.get(f"/instances/default/{path}", headers=viewer).text
        assert offer in client.get(f"/instances/default/{path}", headers=operator).text


def test_a_change_is_saved_as_the_form_has_it_and_no_more(client: TestClient, db: Database, stand: Stand) -> None:
    cookie, csrf = logged_in(db, somebody(db, "operator"))
    page = client.get("/instances/default/settings", headers=cookie).text
    etag = page.partition('name="etag" value="')[2].partition('"')[0].replace("&#34;", '"')
    form = {"csrf": csrf, "etag": etag, "workers": "2", "max_cron_threads": "1", "queue_timeout": "30 s"}
    beyond = client.post("/instances/default/settings", headers=cookie, data={**form, "workers": "3"})
    assert (beyond.status_code, "The plan base allows 2 HTTP workers, not 3" in beyond.text) == (422, True)
    stale = client.post("/instances/default/settings", headers=cookie, data={**form, "etag": '"old"'})
    assert (stale.status_code, "have changed since" in stale.text) == (412, True)
    saved = client.post("/instances/default/settings", headers=cookie, data=form)
    assert (saved.status_code, saved.headers["location"]) == (303, "/instances/default/settings?change=1")
    let_changes_end()
    assert stand.file.read_text() == "; the shop\n[options]\napp = shop:app\nplan = base\nworkers = 2 ; for now\n"


def test_a_server_that_is_gone_still_has_its_past(client: TestClient, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    cookie, _ = logged_in(db, somebody(db, "viewer"))
    page = client.get("/instances/default", headers=cookie)
    assert page.status_code == 200
    assert "The instance does not answer." in page.text
    assert client.get("/instances/default/series", headers=cookie).json()["time"] == []
    assert client.get("/instances/default/workers", headers=cookie).status_code == 503


def test_what_a_server_does_not_have_is_said_among_its_pages(client: TestClient, db: Database) -> None:
    cookie, _ = logged_in(db, somebody(db, "viewer"))
    for path, said in (("jobs", "This server has no scheduled jobs"), ("log", "This server logs to standard error")):
        page = client.get(f"/instances/default/{path}", headers=cookie).text
        assert said in page
        assert 'aria-current="page">Instances' in page


def test_an_incident_shows_the_other_requests_on_its_loop(client: TestClient, db: Database, stand: Stand) -> None:
    def request(identity: str, target: str, status: int | None) -> dict[str, object]:
        return {"method": "GET", "target": target, "client": "", "id": identity, "attempt": 1, "tag": "", "status": status}

    own, others = request("a1", "/guilty", None), [request("b2", "/calm", 200), request("c3", "/left", None)]
    ledger = Ledger(stand.file.parent)
    for identity, first, heading in (("with", own, "Other requests on its loop"), ("without", None, "Requests on its loop")):
        requests = [own, *others] if first else others
        ledger.add(
            Incident(identity, 1.0, "app1", "http.1", "http", 1, 1, "exit", "it ended", "", request=first, requests=requests)
        )
        cookie, _ = logged_in(db, somebody(db, "viewer", identity))
        page = client.get(f"/instances/default/incidents/{identity}", headers=cookie).text
        beside = page.partition(f">{heading}<")[2].partition("</section>")[0]
        assert [word in beside for word in ("/calm", "200", "/left", "elsewhere", "/guilty")] == [True, True, True, True, False]


def test_without_the_built_files_pages_say_so(client: TestClient, monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr("prefork.console.pages.paper.VENDOR", tmp_path / "nothing")  # type: ignore[operator]
    answer = client.get("/login")
    assert (answer.status_code, "npm was missing" in answer.text) == (503, True)


def test_a_worker_that_is_being_forked_has_no_pid(client: TestClient, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    status = Local.status(Local("nowhere"))
    coming = {**status["workers"][0], "name": "http.99", "pid": None, "state": "forking"}
    monkeypatch.setattr(Local, "status", lambda _server: {**status, "workers": [coming]})
    cookie, _ = logged_in(db, somebody(db, "operator"))
    page = client.get("/instances/default/workers", headers=cookie).text
    assert ("http.99" in page, "None" in page, ">pid " in page) == (True, False, False)
    (row,) = client.get("/api/v1/instances/default/workers", headers=cookie).json()["items"]
    assert (row["name"], row["pid"]) == ("http.99", None)
