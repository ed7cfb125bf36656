"""Servers that do not answer as one of this release does: they are shown as what they are, and disturb nobody."""

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.unit.console.conftest import STATUS, Stand, bearing, logged_in, somebody
from tests.unit.test_answers import NAMES, without

from prefork import __version__
from prefork.instances import registry
from prefork.instances.database import Database
from prefork.instances.local import Local

API = "/api/v1/instances"
OLDER: dict[str, Any] = {name: value for name, value in STATUS.items() if name not in {"plan", "lanes"}}


@pytest.fixture
def older(db: Database, stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of one whose status lacks what others have."""
    place = tmp_path / "older"
    registry.add_local(db, "older", "older", place)

    def ask(server: Local, command: str, timeout: float = 0, **fields: Any) -> dict[str, Any]:
        return OLDER if server.directory == place and command == "status" else stand.ask(server, command, timeout, **fields)

    monkeypatch.setattr(Local, "ask", ask)
    return place


def test_one_that_is_not_understood_is_shown_so_among_the_others(client: TestClient, db: Database, older: Path) -> None:
    headers = bearing(db, somebody(db, "viewer"))
    shown = {each["id"]: each for each in client.get(API, headers=headers).json()["items"]}
    assert shown["default"]["state"] == "running"
    assert shown["older"] == client.get(f"{API}/older", headers=headers).json()
    assert shown["older"]["state"] == "not understood"
    assert shown["older"]["error"] == (
        f"what the server in {older} says is not understood (plan, lanes): it is of another release, "
        f"this is Prefork {__version__}; restart what is older, or use the command line of the server's own release"
    )


@pytest.mark.parametrize("path", ["/status", "/workers", "/events?count=1", "/health"])
def test_what_is_asked_of_it_is_a_sentence(client: TestClient, db: Database, older: Path, path: str) -> None:
    answer = client.get(f"{API}/older{path}", headers=bearing(db, somebody(db, "viewer")))
    assert answer.status_code in {200, 409}
    assert f"what the server in {older} says is not understood" in answer.text


@pytest.mark.usefixtures("older")
@pytest.mark.parametrize("path", ["/instances", "/instances/older"])
def test_its_pages_say_it(client: TestClient, db: Database, path: str) -> None:
    cookie, _ = logged_in(db, somebody(db, "viewer"))
    answer = client.get(path, headers=cookie)
    assert (answer.status_code, "not understood" in answer.text) == (200, True)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [..., object()], ids=["missing", "of another kind"])
def test_whatever_it_lacks_nothing_breaks(
    client: TestClient, db: Database, monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    monkeypatch.setattr(Local, "ask", lambda *_, **__: without(STATUS, name, value))
    found = client.get(f"{API}/default", headers=bearing(db, somebody(db, "viewer"))).json()
    assert (found["state"], f"({name})" in found["error"]) == ("not understood", True)
