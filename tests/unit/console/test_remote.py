"""Servers on other machines: calls go to the console there, with its token, and only once it is known that somebody may."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.unit.console.conftest import bearing, somebody

from prefork.instances import registry
from prefork.instances.database import Database
from prefork.instances.remote import Remote, check
from prefork.instances.users import Declined

API = "/api/v1"
THERE = {"id": "default", "name": "their shop", "kind": "own", "state": "running", "role": "operator", "generation": 7}


class Other(BaseHTTPRequestHandler):
    """The console there."""

    heard: list[tuple[str, str, str | None, Any]]

    def answer(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"null")
        self.heard.append((self.command, self.path, self.headers.get("If-Match"), body))
        known = self.headers.get("Authorization") == "Bearer theirs"
        said = json.dumps(THERE if known else {}).encode()
        self.send_response((202 if self.command == "PATCH" else 200) if known else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Set-Cookie", "stays=there")
        self.send_header("Location", "/api/v1/instances/default/settings/changes/3")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_PATCH = do_POST = answer  # noqa: N815 - the base class calls them so

    def log_message(self, *_said: object) -> None:
        """Say nothing."""


@pytest.fixture
def other() -> Iterator[str]:
    Other.heard = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_calls_go_to_the_console_there_and_its_answers_come_back(client: TestClient, db: Database, other: str) -> None:
    headers = bearing(db, somebody(db, "administrator"))
    new = {"id": "far", "name": "far", "url": other, "token": "theirs"}
    assert client.post(f"{API}/instances", json=new, headers=headers).json()["state"] == "running"
    patch = {"settings": {"workers": 2}}
    answer = client.patch(
        f"{API}/instances/far/settings?dry_run=false", json=patch, headers={**headers, "If-Match": '"a"', "Cookie": "b=c"}
    )
    assert (answer.status_code, answer.headers["Location"]) == (202, f"{API}/instances/far/settings/changes/3")
    assert "Set-Cookie" not in answer.headers
    assert Other.heard[-1] == ("PATCH", f"{API}/instances/default/settings?dry_run=false", '"a"', patch)
    listed = {each["id"]: each for each in client.get(f"{API}/instances", headers=headers).json()["items"]}
    assert (listed["far"]["name"], listed["far"]["generation"], listed["far"]["role"]) == ("far", 7, "administrator")
    assert "theirs" not in client.get(f"{API}/audit", headers=headers).text
    assert client.get(f"{API}/instances/far/events", headers=headers).status_code == 501


def test_what_is_asked_stays_the_same_however_the_id_is_written(client: TestClient, db: Database, other: str) -> None:
    registry.add_remote(db, "far", "far", Remote(other, "theirs"))
    headers = bearing(db, somebody(db, "viewer"))
    for path in ("/instances/%66ar/workers", "/%69nstances/far/workers", "/instances/far/workers"):
        assert client.get(API + path, headers=headers).status_code == 200
    assert {path for _, path, _, _ in Other.heard} == {f"{API}/instances/default/workers"}


def test_who_may_not_never_gets_there(client: TestClient, db: Database, other: str) -> None:
    registry.add_remote(db, "far", "far", Remote(other, "theirs"))
    viewer = bearing(db, somebody(db, "viewer"))
    assert client.get(f"{API}/instances/far/workers", headers=viewer).status_code == 200
    assert client.post(f"{API}/instances/far/reload", headers=viewer).status_code == 403
    assert client.get(f"{API}/instances/far/workers", headers=bearing(db, somebody(db, "none"))).status_code == 404
    assert client.get(f"{API}/instances/far/workers").status_code == 401
    assert [command for command, *_ in Other.heard] == ["GET"]


def test_a_console_that_is_away_is_said_in_a_sentence(client: TestClient, db: Database, other: str) -> None:
    headers = bearing(db, somebody(db, "viewer"))
    registry.add_remote(db, "far", "far", Remote("http://127.0.0.1:9", "theirs"))
    registry.add_remote(db, "wrong", "wrong", Remote(other, "another"))
    for instance, said in (("far", "cannot be reached"), ("wrong", "does not know the token")):
        answer = client.get(f"{API}/instances/{instance}/workers", headers=headers)
        assert answer.status_code == 503
        assert said in answer.json()["detail"]
        shown = client.get(f"{API}/instances/{instance}", headers=headers).json()
        assert shown["state"] == "unreachable"
        assert said in shown["error"]


@pytest.mark.parametrize(
    ("said", "strange"),
    [
        ({**THERE, "news": 7}, None),
        ({name: value for name, value in THERE.items() if name != "state"}, "state"),
        ({**THERE, "uptime": "long", "workers": 3}, "uptime, workers"),
    ],
    ids=["a newer one says more", "one that says less", "one that says something else"],
)
def test_a_console_of_another_release_is_shown_as_far_as_it_is_understood(
    client: TestClient, db: Database, other: str, monkeypatch: pytest.MonkeyPatch, said: dict[str, Any], strange: str | None
) -> None:
    registry.add_remote(db, "far", "far", Remote(other, "theirs"))
    monkeypatch.setattr(Remote, "described", lambda _remote, _timeout: said)
    headers = bearing(db, somebody(db, "viewer"))
    for shown in (
        client.get(f"{API}/instances/far", headers=headers).json(),
        next(each for each in client.get(f"{API}/instances", headers=headers).json()["items"] if each["id"] == "far"),
    ):
        assert shown["state"] == ("not understood" if strange else "running")
        assert shown["error"] == (
            f"what the console at {other} says of its server is not understood ({strange}); "
            "it is of another release than this one: restart what is older"
            if strange
            else None
        )


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org",
        "ftp://example.org",
        "https://",
        "https://a@b",
        "https://a.b/path",
        "https://[",
        f"https://{'a' * 64}.b",
        "/etc/passwd",
        "",
    ],
)
def test_a_token_goes_to_consoles_over_tls_alone(url: str) -> None:
    with pytest.raises(Declined):
        check(url)


def test_where_a_console_is_is_kept_in_one_spelling() -> None:
    assert check("https://web2.example:8071/") == "https://web2.example:8071"
    assert check("http://[::1]:8071") == "http://[::1]:8071"
