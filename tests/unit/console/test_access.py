"""Logins, cookies, tokens: what keeps others out."""

import asyncio
import base64
from typing import Any

import pytest
from fastapi.testclient import TestClient
from markupsafe import escape
from tests.unit.console.conftest import PASSWORD, Stand, bearing, logged_in, somebody

from prefork.console.app import create
from prefork.console.desk import Desk
from prefork.console.login import local
from prefork.console.pace import Backoff, Pace
from prefork.instances import logins, tokens, users
from prefork.instances.database import Database

API = "/api/v1"
PATCH = {"settings": {"workers": 2}}


def log_in(client: TestClient, name: str = "operator", password: str = PASSWORD, **headers: str) -> int:
    return client.post("/login", data={"name": name, "password": password}, headers=headers).status_code


def test_a_login_opens_the_console_and_a_logout_closes_it(client: TestClient, db: Database) -> None:
    somebody(db, "operator")
    answer = client.post("/login?next=/instances/default", data={"name": "operator", "password": PASSWORD})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/instances/default")
    cookie = answer.headers["Set-Cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "secure" not in cookie
    assert client.get(f"{API}/me").json()["name"] == "operator"
    csrf = db.rows("SELECT csrf FROM sessions")[0]["csrf"]
    old = client.cookies["prefork_console"]
    assert client.post("/logout", data={"csrf": csrf}).status_code == 303
    assert client.get(f"{API}/me", headers={"Cookie": f"prefork_console={old}"}).status_code == 401


def test_a_cookie_is_for_tls_alone_where_there_is_tls(client: TestClient, db: Database) -> None:
    somebody(db, "operator")
    client.base_url = "https://console.example"  # type: ignore[assignment]
    answer = client.post("/login", data={"name": "operator", "password": PASSWORD})
    assert "secure" in answer.headers["Set-Cookie"].lower()
    assert "Strict-Transport-Security" in answer.headers


def test_a_login_gets_a_new_secret_and_the_old_one_is_nobodys(client: TestClient, db: Database) -> None:
    somebody(db, "operator")
    client.cookies["prefork_console"] = "planted-by-somebody-else"
    assert log_in(client) == 303
    assert client.cookies.get("prefork_console", domain="127.0.0.1") != "planted-by-somebody-else"
    assert logins.recognise(db, "planted-by-somebody-else") is None
    first = client.cookies.get("prefork_console", domain="127.0.0.1")
    client.cookies.clear()
    client.cookies["prefork_console"] = first or ""
    assert log_in(client) == 303
    assert logins.recognise(db, first or "") is None


def test_only_hashes_are_kept(argon2: None, client: TestClient, db: Database) -> None:
    user = somebody(db, "operator")
    secret = tokens.make(db, user, "t", "viewer", None)[1]
    assert log_in(client) == 303
    kept = " ".join(
        str(tuple(row)) for table in ("users", "tokens", "sessions", "audit") for row in db.rows(f"SELECT * FROM {table}")
    )
    assert "$argon2id$" in kept
    for each in (PASSWORD, secret, client.cookies["prefork_console"]):
        assert each not in kept


def test_a_login_ends(db: Database) -> None:
    login = logins.begin(db, somebody(db, "viewer"), now=1000.0)
    assert logins.recognise(db, login.secret, now=1000.0 + logins.IDLE - 1)
    assert logins.recognise(db, login.secret, now=1000.0 + 2 * logins.IDLE - 2)
    assert logins.recognise(db, login.secret, now=1000.0 + 4 * logins.IDLE) is None
    assert logins.recognise(db, login.secret, now=1001.0 + logins.LIFETIME) is None


def test_a_login_of_a_clock_that_was_ahead_does_not_last_until_then(db: Database) -> None:
    user = somebody(db, "viewer")
    login = logins.begin(db, user, now=1000.0 + 3 * 365 * 86_400)
    assert logins.recognise(db, login.secret, now=1000.0) is None
    step = logins.begin(db, user, now=1002.0)
    assert logins.recognise(db, step.secret, now=1000.0), "a clock is set back by a second now and then"
    logins.forget(db, 1000.0)
    assert [row["hash"] for row in db.rows("SELECT hash FROM sessions")] == [logins.digest(step.secret)]


def test_a_token_ends_and_can_be_taken_away(db: Database) -> None:
    user = somebody(db, "viewer")
    number, secret = tokens.make(db, user, "t", "viewer", 60.0, now=1000.0)
    assert tokens.recognise(db, secret, now=1059.0)
    assert tokens.recognise(db, secret, now=1060.0) is None
    assert not tokens.remove(db, number, user + 1)
    assert tokens.remove(db, number, user)
    assert tokens.recognise(db, secret, now=1059.0) is None


def test_a_token_comes_as_bearer_or_as_the_password_of_basic(client: TestClient, db: Database) -> None:
    secret = tokens.make(db, somebody(db, "viewer"), "t", "viewer", 60.0)[1]
    basic = base64.b64encode(f"anybody:{secret}".encode()).decode()
    for given, status in ((f"Bearer {secret}", 200), (f"Basic {basic}", 200), ("Basic %%%", 401), (secret, 401), ("Bearer ", 401)):
        assert client.get(f"{API}/me", headers={"Authorization": given}).status_code == status, given


def test_a_wrong_token_is_not_made_good_by_a_cookie(client: TestClient, db: Database) -> None:
    cookie, _ = logged_in(db, somebody(db, "viewer"))
    assert client.get(f"{API}/me", headers={**cookie, "Authorization": "Bearer wrong"}).status_code == 401


@pytest.mark.parametrize("given", [None, "", "wrong", "é"])
def test_a_change_with_a_cookie_needs_the_logins_token(client: TestClient, db: Database, stand: Stand, given: str | None) -> None:
    cookie, csrf = logged_in(db, somebody(db, "operator"))
    headers = {**cookie, "If-Match": "*", **({} if given is None else {"X-CSRF-Token": given.encode()})}  # type: ignore[dict-item]
    assert client.patch(f"{API}/instances/default/settings", json=PATCH, headers=headers).status_code == 403
    assert client.post(f"{API}/instances/default/reload", headers=headers).status_code == 403
    assert client.post("/logout", headers=headers, data={"csrf": given or ""}).status_code == 403
    assert "reload" not in stand.asked
    assert client.post(f"{API}/instances/default/reload", headers={**cookie, "X-CSRF-Token": csrf}).status_code == 200
    assert client.post(f"{API}/instances/default/reload", headers=cookie, data={"csrf": csrf}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "http://evil.example"}, {"Origin": "null"}],
)
def test_nobody_is_logged_in_from_another_site(client: TestClient, db: Database, headers: dict[str, str]) -> None:
    somebody(db, "operator")
    assert log_in(client, **headers) == 403
    assert log_in(client, Origin="http://127.0.0.1:8071") == 303


def test_wrong_passwords_make_the_next_one_wait(client: TestClient, db: Database, desk: Desk) -> None:
    somebody(db, "operator")
    now = 1000.0
    desk.attempts = Backoff(lambda: now)
    assert [log_in(client, password="wrong") for _ in range(5)] == [401, 401, 401, 401, 429]
    assert log_in(client) == 429
    now += 1.1
    assert log_in(client, password="wrong") == 401
    now += 1.1
    assert log_in(client) == 429
    now += 1.0
    assert log_in(client) == 303
    assert log_in(client, password="wrong") == 401


def test_a_password_is_known_by_its_hash(argon2: None, db: Database) -> None:
    somebody(db, "viewer")
    assert users.recognise(db, "VIEWER", PASSWORD)
    assert users.recognise(db, "viewer", PASSWORD + " ") is None
    assert users.recognise(db, "nobody", PASSWORD) is None


def test_names_that_do_not_exist_are_told_apart_from_nothing(client: TestClient, db: Database) -> None:
    somebody(db, "operator")
    names = ("operator", "nobody", "O' OR 1=1 --")
    answers = [client.post("/login", data={"name": name, "password": "wrong"}) for name in names]
    assert {answer.status_code for answer in answers} == {401}
    # The field keeps what was typed into it.
    assert len({answer.text.replace(escape(name), "") for name, answer in zip(names, answers, strict=True)}) == 1


def test_a_new_password_ends_every_login(client: TestClient, db: Database) -> None:
    user = somebody(db, "viewer")
    cookie, csrf = logged_in(db, user)
    other, _ = logged_in(db, user)
    new = {"old": PASSWORD, "new": "an entirely new one"}
    headers = {**cookie, "X-CSRF-Token": csrf}
    assert client.post(f"{API}/me/password", json={**new, "old": "wrong"}, headers=headers).status_code == 403
    assert client.post(f"{API}/me/password", json={**new, "new": "short"}, headers=headers).status_code == 422
    assert client.post(f"{API}/me/password", json=new, headers=headers).status_code == 204
    assert client.get(f"{API}/me", headers=cookie).status_code == 401
    assert client.get(f"{API}/me", headers=other).status_code == 401
    assert users.recognise(db, "viewer", "an entirely new one")


def test_the_last_administrator_stays(client: TestClient, db: Database) -> None:
    user = somebody(db, "administrator")
    headers = bearing(db, user)
    assert client.delete(f"{API}/users/{user}", headers=headers).status_code == 409
    assert client.patch(f"{API}/users/{user}", json={"role": "viewer"}, headers=headers).status_code == 409
    assert client.get(f"{API}/users", headers=headers).json()["items"][0]["role"] == "administrator"


def test_what_was_done_is_written_down(client: TestClient, db: Database) -> None:
    somebody(db, "operator")
    ruler = bearing(db, somebody(db, "administrator"))
    log_in(client, password="wrong")
    log_in(client)
    client.post(f"{API}/instances/default/reload", headers=ruler)
    client.post(f"{API}/users", json={"name": "kim", "password": PASSWORD, "role": "none"}, headers=ruler)
    entries = client.get(f"{API}/audit", headers=ruler).json()["items"]
    assert [(entry["who"], entry["action"]) for entry in entries] == [
        ("administrator", "user added"),
        ("administrator", "reload"),
        ("operator", "login"),
        ("operator", "login refused"),
    ]
    assert PASSWORD not in str(entries)
    part = client.get(f"{API}/audit?limit=3", headers=ruler).json()
    rest = client.get(f"{API}/audit?limit=3&cursor={part['next']}", headers=ruler).json()
    assert [len(part["items"]), len(rest["items"]), rest["next"]] == [3, 1, None]


def test_too_many_requests_are_told_when_to_come_again(client: TestClient, db: Database, desk: Desk) -> None:
    headers = bearing(db, somebody(db, "viewer"))
    now = 1000.0
    desk.pace = Pace(lambda: now, rate=1.0, burst=2.0)
    assert [client.get(f"{API}/me", headers=headers).status_code for _ in range(3)] == [200, 200, 429]
    assert client.get(f"{API}/me", headers=headers).headers["Retry-After"] == "1"
    now += 1.0
    assert client.get(f"{API}/me", headers=headers).status_code == 200
    assert client.get(f"{API}/me").status_code == 401, "others have a pace of their own"


def test_each_answer_says_what_browsers_may_do_with_it(client: TestClient, db: Database) -> None:
    headers = bearing(db, somebody(db, "viewer"))
    for answer in (client.get("/login"), client.get(f"{API}/me"), client.get(f"{API}/me", headers=headers), client.get("/")):
        policy = answer.headers["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("scheme", "client", "insecure", "status"),
    [
        ("http", "127.0.0.1", False, 303),
        ("http", "::1", False, 303),
        ("http", "192.0.2.7", False, 403),
        ("http", "2001:db8::1", False, 403),
        ("https", "192.0.2.7", False, 303),
        ("http", "192.0.2.7", True, 303),
    ],
)
def test_nobody_logs_in_over_an_open_network(
    db: Database, stand: Stand, scheme: str, client: str, insecure: bool, status: int
) -> None:
    somebody(db, "operator")
    with TestClient(create(db, insecure=insecure), f"{scheme}://console", client=(client, 1), follow_redirects=False) as web:
        assert log_in(web) == status


def test_who_may_look_may_look_when_the_disk_is_full(client: TestClient, db: Database) -> None:
    user = somebody(db, "operator")
    cookie, _ = logged_in(db, user)
    headers = bearing(db, user)
    db.change("UPDATE sessions SET seen_at = seen_at - 100")
    db.change("PRAGMA query_only = ON")
    assert client.get(f"{API}/me", headers=headers).status_code == 200
    assert client.get(f"{API}/me", headers=cookie).status_code == 200
    refused = client.post(f"{API}/tokens", json={"name": "t", "scope": "viewer", "lifetime": 1}, headers=headers)
    assert (refused.status_code, refused.json()["type"]) == (503, "urn:prefork:problem:unusable")
    assert "attempt to write a readonly database" in refused.json()["detail"]
    answer = client.post("/login", data={"name": "operator", "password": PASSWORD})
    assert (answer.status_code, "see to its disk" in answer.text) == (503, True)


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/login?next=\xff", {}, 400),
        ("/api/v1/me?a=\xff", {}, 400),
        ("/login", {"Content-Length": "0" * 5000}, 413),
        ("/login", {"Host": "["}, 200),
        ("/api/v1/me", {"Host": "a/login?"}, 401),
        ("/instances/default", {"Host": "a/static/#"}, 303),
    ],
)
def test_what_no_browser_sends_is_answered_all_the_same(
    client: TestClient, path: str, headers: dict[str, str], status: int
) -> None:
    path, _, query = path.partition("?")
    scope = {
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode("latin-1"),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8071),
    }
    assert asyncio.run(asked(client.app, scope)) == status


async def asked(app: Any, scope: dict[str, Any]) -> int:
    """The status that an application answers a request without a body with."""
    said: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    await app(scope, receive, send)
    return int(said[0]["status"])


def test_a_login_from_a_strange_origin_is_another_sites(client: TestClient, db: Database) -> None:
    somebody(db, "operator")
    origins = ("http://[", "//127.0.0.1:8071", "http://127.0.0.1:8071")
    assert [log_in(client, Origin=origin) for origin in origins] == [403, 403, 303]


def test_a_long_name_is_not_remembered_whole(client: TestClient, desk: Desk) -> None:
    assert log_in(client, name="n" * 900_000, password="wrong") == 401
    assert sum(map(len, desk.attempts._failures)) < 1000


def test_large_bodies_are_refused_before_they_are_read(client: TestClient) -> None:
    assert client.post("/login", content=b"x" * (1 << 20) + b"x").status_code == 413

    def pieces() -> object:
        yield b"name=a"

    assert client.post("/login", content=pieces()).status_code == 411  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/instances/..%2f..%2fetc",
        "/instances/default/incidents/..%2f..%2fconsole.sqlite",
        "/instances/default%00",
    ],
)
def test_no_path_leads_out(client: TestClient, db: Database, path: str) -> None:
    answer = client.get(API + path, headers=bearing(db, somebody(db, "administrator")))
    assert answer.status_code == 404
    assert b"SQLite" not in answer.content


@pytest.mark.parametrize("place", ["relative", "/etc/../root", ""])
def test_an_instance_has_an_absolute_place(client: TestClient, db: Database, place: str) -> None:
    headers = bearing(db, somebody(db, "administrator"))
    answer = client.post(f"{API}/instances", json={"id": "other", "name": "other", "data_dir": place}, headers=headers)
    assert answer.status_code in {409, 422}


@pytest.mark.parametrize(
    "path", ["//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nSet-Cookie: b", "javascript:x", ""]
)
def test_a_login_leads_to_the_consoles_own_pages(path: str) -> None:
    assert local(path) == "/"
