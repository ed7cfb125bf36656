"""The console's application over a database of its own, and a server that answers what it is told to."""

import json
import threading
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.unit.test_metrics import TOLD
from tests.unit.usage.test_tips import ROUTE

from prefork.console.app import create
from prefork.console.desk import Desk
from prefork.instances import logins, registry, tokens, users
from prefork.instances.database import Database
from prefork.instances.local import Denied, Local
from prefork.instances.users import passwords
from prefork.provision.files import Place
from prefork.provision.premises import Premises
from prefork.provision.process import Process

ROW = {
    "name": "http.1",
    "pool": "http",
    "pid": 4711,
    "generation": 1,
    "state": "idle",
    "requests": 3,
    "age": 1.5,
    "busy_for": None,
    "job": None,
    "memory": 1 << 20,
    "in_flight": None,
    "lag": None,
}
NOTHING = {"p50": None, "p95": None, "p99": None}
STATUS = {
    "ok": True,
    "version": "0.1.0",
    "pid": 4700,
    "state": "running",
    "uptime": 60.0,
    "generation": 1,
    "app": "shop:app",
    "plan": "base",
    "addresses": ["http://127.0.0.1:8069"],
    "threads": None,
    "concurrency": 0,
    "wanted": 1,
    "ready": 1,
    "cron": {"wanted": 0, "ready": 0},
    "websocket": {"wanted": 0, "ready": 0, "connections": 0},
    "queue": {"length": 0, "size": 100, "oldest": 0},
    "wait": NOTHING,
    "service": NOTHING,
    "lanes": [
        {
            "name": "default",
            "reserved": 0,
            "limit": None,
            **dict.fromkeys(("waiting", "working", "oldest", "arrived", "shed", "served"), 0),
            "wait": NOTHING,
            "service": NOTHING,
        }
    ],
    "histograms": {"wait": [], "service": []},
    "dispatcher": {
        "pid": None,
        "cpu": None,
        **dict.fromkeys(("connections", "requests", "lent", "retried", "failed", "refused", "abandoned"), 0),
        "classes": {"2xx": 0, "3xx": 0, "4xx": 0, "5xx": 0},
    },
    "lending": {"on": False, "obstacles": []},
    "autoscale": None,
    "fuse": {"path": None, "version": None, "reason": "no group"},
    "occupied": {"workers": 0, "seconds": 1.0, "at": 5.0},
    "workers": [ROW],
    "incidents": 0,
    "crash_loop": None,
}
SCRAPED = {
    "dispatcher": {**STATUS["dispatcher"], **TOLD["dispatcher"], "classes": {"2xx": 8, "3xx": 0, "4xx": 0, "5xx": 1}},
    "distributions": {**TOLD["distributions"], "routes": [{**row, "growth": 0} for row in TOLD["distributions"]["routes"]]},
}
PASSWORD = "correct horse battery"


def traced(records: bytes) -> dict[str, Any]:
    """An answer to `trace` of a server with one worker and two processors."""
    return {
        "records": b64encode(records).decode(),
        "kept": 50_000,
        "workers": 1,
        "threads": None,
        "concurrency": 0,
        "cpus": 2.0,
        "lanes": [{"name": "default", "reserved": 0, "limit": None}],
        "queue_size": 1024,
        "queue_timeout": 30.0,
        "wait_target": 0.05,
        "memory": 100 << 20,
        "bounds": [],
    }


@dataclass
class Stand:
    """What stands in for a server: its file, its answers, what it was asked. A reload answers `reload`, or is denied with it."""

    file: Path
    asked: list[str] = field(default_factory=list)
    reload: dict[str, Any] | Denied = field(
        default_factory=lambda: {"ok": True, "generation": 2, "seconds": 0.1, "restart_needed": []}
    )
    flags: dict[str, str] = field(default_factory=dict)
    trace: dict[str, Any] = field(default_factory=lambda: traced(b""))

    def ask(self, _server: Local, command: str, timeout: float = 0, **fields: Any) -> dict[str, Any]:
        self.asked.append(command)
        if command == "reload":
            if isinstance(self.reload, Denied):
                raise self.reload
            return self.reload
        if command == "retire" and fields["pid"] != ROW["pid"]:
            raise Denied(f"no worker with the pid {fields['pid']} is ready; it may have left just now")
        environ = {"HOME": str(self.file.parent)}
        answers: dict[str, dict[str, Any]] = {
            "status": STATUS,
            "origin": {"file": str(self.file), "flags": self.flags, "cwd": str(self.file.parent), "environ": environ},
            "routes": {"uptime": 60.0, "routes": [ROUTE]},
            "metrics": json.loads(json.dumps({**STATUS, **SCRAPED})),
            "stacks": {"workers": [{"worker": "http.1", "pid": 4711, "state": "idle", "stacks": "File x"}]},
            "retire": {"worker": "http.1", "pid": 4711},
            "trace": self.trace,
        }
        return answers[command]


@pytest.fixture
def stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stand:
    """A server of the plan base."""
    file = tmp_path / "prefork.conf"
    file.write_text("; the shop\n[options]\napp = shop:app\nplan = base\nworkers = 1 ; for now\n")
    made = Stand(file)
    monkeypatch.setattr(Local, "ask", lambda server, command, timeout=0, **fields: made.ask(server, command, timeout, **fields))
    return made


@pytest.fixture
def argon2() -> None:
    """Ask for the real hashes of passwords."""


@pytest.fixture(autouse=True)
def quick(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is measured, and hashes are slow by design: only those who ask for `argon2` get them."""
    monkeypatch.setattr("prefork.usage.report.WINDOW", 0.0)
    monkeypatch.setattr("prefork.usage.report.PATIENCE", 0.0)
    if "argon2" not in request.fixturenames:
        monkeypatch.setattr(passwords, "hash", lambda password: f"kept:{password[::-1]}")
        monkeypatch.setattr(passwords, "fits", lambda kept, password: kept == f"kept:{password[::-1]}")


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    """A console's database that knows one server."""
    with Database(tmp_path / "console.sqlite") as made:
        registry.keep_own(made, "shop", tmp_path)
        yield made


@pytest.fixture
def desk(client: TestClient) -> Desk:
    """What the application answers with."""
    found: Desk = client.app.state.desk  # type: ignore[attr-defined]
    return found


class Nobody:
    """A runner that starts nothing."""

    revives_after: float | None = None

    def start(self, identity: str, place: Place) -> None:
        raise OSError(f"nobody starts {identity} here")

    def process(self, identity: str, place: Place, known: Process | None) -> Process | None:
        return None

    def bound(self, identity: str, memory: int | None) -> None:
        """Nobody takes any."""

    def stop(self, identity: str, process: Process | None) -> None:
        """Nobody runs."""

    def how(self, identity: str) -> str:
        return "nobody saw it"

    def forget(self, identity: str) -> None:
        """Nobody runs."""


@pytest.fixture
def premises(db: Database, tmp_path: Path) -> Iterator[Premises]:
    """Where a console would run instances. What is being done with them ends before the database does."""
    yield Premises(db, tmp_path / "instances", Nobody(), ports=range(20_000, 32_000))
    for thread in threading.enumerate():
        if thread.name == "work":
            thread.join(20)


@pytest.fixture
def client(db: Database, stand: Stand) -> Iterator[TestClient]:
    """A client that nobody knows, and that follows nobody."""
    with TestClient(create(db), base_url="http://127.0.0.1:8071", follow_redirects=False) as made:  # one loop for all requests
        yield made


def somebody(db: Database, role: str, name: str | None = None, grants: dict[str, str] | None = None) -> int:
    """A user with a role."""
    number = users.add(db, name or role, PASSWORD, role)
    users.set_grants(db, number, grants or {})
    return number


def bearing(db: Database, user: int, scope: str = "administrator", lifetime: float = 3600.0) -> dict[str, str]:
    """The header of a token of somebody's, which ends in so many seconds."""
    return {"Authorization": f"Bearer {tokens.make(db, user, 'test', scope, lifetime)[1]}"}


def logged_in(db: Database, user: int) -> tuple[dict[str, str], str]:
    """The header with the cookie of somebody's login, and its token for changes."""
    login = logins.begin(db, user)
    return {"Cookie": f"prefork_console={login.secret}"}, login.csrf
