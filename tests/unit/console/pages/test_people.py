"""Administrators let others in by pages: with a password that is shown once, a role, and roles for single instances."""

import html
import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from tests.unit.console.conftest import PASSWORD, Stand, logged_in, somebody

from prefork.console.pages.words import details
from prefork.instances import audit, logins, registry, users
from prefork.instances.database import Database

Steps = tuple[TestClient, dict[str, str], str]


@pytest.fixture
def ruling(client: TestClient, db: Database, stand: Stand) -> Steps:
    """A client, the cookie of an administrator, and what their forms bring along."""
    return client, *logged_in(db, somebody(db, "administrator"))


def shown(page: str) -> str:
    """The password that a page tells."""
    found = re.search(r'class="secret">([^<]+)<', page)
    assert found, page
    return html.unescape(found[1])


def test_somebody_more_comes_in_with_the_password_that_is_shown(ruling: Steps, db: Database) -> None:
    client, cookie, csrf = ruling
    answer = client.post("/people", headers=cookie, data={"csrf": csrf, "name": "kim", "role": "none"})
    kim = users.recognise(db, "kim", shown(answer.text))
    assert kim is not None
    assert (kim.role, kim.grants) == ("none", {})
    assert 'class="secret"' not in client.get("/people", headers=cookie).text, "it is told once"

    form = {"csrf": csrf, "role": "viewer", "grant:default": "operator"}
    answer = client.post(f"/people/{kim.id}", headers=cookie, data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/people/{kim.id}?done=saved")
    assert users.find(db, kim.id) == kim._replace(role="viewer", grants={"default": "operator"})
    assert "default: operator" in client.get("/people", headers=cookie).text

    client.post(f"/people/{kim.id}", headers=cookie, data=form | {"grant:default": "none"})
    assert users.grants_of(db, kim.id) == {}


def test_a_form_that_stood_open_takes_back_nothing_that_somebody_else_has_saved(
    ruling: Steps, db: Database, tmp_path: Path
) -> None:
    client, cookie, csrf = ruling
    registry.add_local(db, "wiki", "wiki", tmp_path / "wiki")
    kim = somebody(db, "viewer", "kim", {"default": "operator"})
    page = client.get(f"/people/{kim}", headers=cookie).text
    fields = dict(re.findall(r'<input type="hidden" name="(before:[^"]+)" value="([^"]*)">', page))
    assert fields == {"before:role": "viewer", "before:grant:default": "operator", "before:grant:wiki": "none"}
    form = {"csrf": csrf, "role": "viewer", "grant:default": "operator", "grant:wiki": "none", **fields}

    users.set_grants(db, kim, {})  # in another tab
    assert client.post(f"/people/{kim}", headers=cookie, data=form | {"grant:wiki": "viewer"}).status_code == 303
    assert users.grants_of(db, kim) == {"wiki": "viewer"}, "what was taken away stays away"

    users.set_role(db, kim, "none")
    refused = client.post(f"/people/{kim}", headers=cookie, data=form | {"role": "operator"})
    assert (refused.status_code, "role was changed by somebody else meanwhile" in html.unescape(refused.text).lower()) == (
        412,
        True,
    )
    assert "<option selected>operator</option>" in refused.text, "what was chosen stays chosen"
    assert 'name="before:role" value="none"' in refused.text, "and is saved when that is wanted all the same"


def test_a_new_password_ends_the_logins_with_the_old_one(ruling: Steps, db: Database) -> None:
    client, cookie, csrf = ruling
    number = somebody(db, "viewer", "kim")
    login = logins.begin(db, number)
    answer = client.post(f"/people/{number}/password", headers=cookie, data={"csrf": csrf})
    assert users.recognise(db, "kim", shown(answer.text)) is not None
    assert users.recognise(db, "kim", PASSWORD) is None
    assert logins.recognise(db, login.secret) is None


def test_who_is_removed_is_gone_and_the_last_administrator_stays(ruling: Steps, db: Database) -> None:
    client, cookie, csrf = ruling
    number = somebody(db, "viewer", "kim")
    assert (
        client.post(f"/people/{number}/remove", headers=cookie, data={"csrf": csrf}).headers["location"] == "/people?done=removed"
    )
    assert users.find(db, number) is None

    ruler = users.named(db, "administrator")
    assert ruler is not None
    for path, form in ((f"/people/{ruler.id}/remove", {}), (f"/people/{ruler.id}", {"role": "viewer"})):
        answer = client.post(path, headers=cookie, data={"csrf": csrf, **form})
        assert (answer.status_code, "This is the last administrator" in answer.text) == (409, True)
    assert users.find(db, ruler.id) == ruler


def test_what_cannot_be_is_said_and_what_was_typed_stays(ruling: Steps, db: Database) -> None:
    client, cookie, csrf = ruling
    for name, role, status, said in (
        ("administrator", "viewer", 409, "There is a user administrator already"),
        ("", "viewer", 422, "Name:"),
        ("kim", "king", 422, "Role:"),
    ):
        answer = client.post("/people", headers=cookie, data={"csrf": csrf, "name": name, "role": role})
        assert (answer.status_code, said in answer.text) == (status, True), answer.text
        assert f'value="{name}"' in answer.text
    assert [each.name for each in users.listed(db)] == ["administrator"]


def test_nobody_is_no_page(ruling: Steps) -> None:
    client, cookie, _ = ruling
    for number in ("0", "999", "x", "9" * 400):
        answer = client.get(f"/people/{number}", headers=cookie)
        assert (answer.status_code, "There is no user" in answer.text) == (404, True), number


def test_entries_of_the_audit_log_read_well() -> None:
    assert details({"change": 3, "options": {"workers": ["3", "4"], "queue_timeout": [None, "9 s"]}, "remark": None}) == (
        "change: 3; options: workers 3 → 4, queue_timeout not set → 9 s"
    )


def test_the_audit_log_in_parts(ruling: Steps, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prefork.console.pages.users.ENTRIES", 3)
    client, cookie, _ = ruling
    for place in range(5):
        audit.note(db, "kim", "192.0.2.7", "job paused", "default", job=f"shop.tasks:job_{place}", remark=None)
    page = client.get("/audit", headers=cookie).text
    assert "job: shop.tasks:job_4" in page
    assert "remark" not in page
    older = re.search(r'href="(/audit\?before=\d+)"', page)
    assert older
    rest = client.get(older[1], headers=cookie).text
    assert "job: shop.tasks:job_1<" in rest
    assert "Older ones" not in rest
