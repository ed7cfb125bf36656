"""A session outlives its worker, a reload and its node, in each store; so does a file."""

import json
import os
import shutil
import subprocess
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from facts import await_fact

from prefork.testing import Request, Server, free_port
from prefork.testing.client import Answer, Connection

from .postgres import Postgres

APPS = Path(__file__).parent / "visits"
STORES = ["file", "redis", "postgresql", "the store"]


class Redis:
    """A Redis of our own, which can be killed and started again; it keeps what it has on the disk."""

    def __init__(self, place: Path) -> None:
        self.place, self.port = place, free_port()
        self.url = f"redis://127.0.0.1:{self.port}"

    @contextmanager
    def running(self) -> Iterator[None]:
        program = shutil.which("redis-server")
        assert program, "redis-server is missing: apt-get install redis-server"
        options = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.place), "--appendonly", "yes"]
        command = ["setpriv", "--pdeathsig", "KILL", program, *options, "--appendfsync", "always"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            try:
                assert any("eady to accept connections" in line for line in process.stdout)
                yield
            finally:
                process.kill()


class Browser:
    """One visitor, who may ask any node."""

    def __init__(self) -> None:
        self.cookie = ""

    def ask(self, server: Server, target: str, method: str = "GET", body: bytes = b"", **headers: str) -> Answer:
        with Connection("127.0.0.1", server.port) as connection:
            sent = {**headers, **({"Cookie": self.cookie} if self.cookie else {})}
            got = connection.exchange(Request(target, method, sent, body))
        if "set-cookie" in got.headers:
            self.cookie = got.headers["set-cookie"].partition(";")[0]
        return got

    def see(self, server: Server, target: str) -> Any:
        got = self.ask(server, target)
        assert got.status == 200, got
        return json.loads(got.body)


@pytest.fixture(scope="module")
def postgres(tryton: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    database = Postgres(tryton, tmp_path_factory.mktemp("postgres") / "data")
    database.create()
    with database:
        yield database


@pytest.fixture
def redis(tmp_path: Path) -> Redis:
    place = tmp_path / "redis"
    place.mkdir()
    return Redis(place)


Node = Callable[..., Server]


@pytest.fixture(params=STORES)
def node(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Node]:
    """Makes nodes that share their sessions, their files and their secret."""
    secret = tmp_path / "secret"
    secret.write_text("s" * 40)
    shared: dict[str, object] = {
        "session_secret_file": secret,
        "session_dir": tmp_path / "sessions",
        "filestore": tmp_path / "files",
    }
    if request.param in {"postgresql", "the store"}:
        uri = request.getfixturevalue("postgres").uri
        shared["session_store"] = uri if request.param == "postgresql" else "postgresql"
        shared["env"] = {"PREFORK_STORE_DSN": uri} if request.param == "the store" else {}
        shared["python"] = request.getfixturevalue("tryton") / "bin" / "python"
        yield lambda **more: Server("visits:app", app_dir=APPS, **{**shared, **more})
    elif request.param == "redis":
        shared["session_store"] = request.getfixturevalue("redis").url
        with request.getfixturevalue("redis").running():
            yield lambda **more: Server("visits:app", app_dir=APPS, **{**shared, **more})
    else:
        yield lambda **more: Server("visits:app", app_dir=APPS, **{**shared, **more})


def test_a_session_outlives_its_worker_a_reload_and_its_node(node: Node) -> None:
    ada = Browser()
    with node() as first:
        assert ada.see(first, "/login?ada")["user"] == "ada"
        for visits in range(1, 4):
            assert ada.see(first, "/count")["visits"] == visits
            mark = first.mark()
            for name in first.workers():
                first.kill(name)
            first.wait_for("worker_died", after=mark)
        assert ada.ask(first, "/die", "POST").status == 502
        first.reload()
        with node() as second:
            seen = ada.see(second, "/")
            assert (seen["user"], seen["visits"], "lost" in seen) == ("ada", 3, False)
            assert ada.see(second, "/count")["visits"] == 4
            assert ada.see(first, "/count")["visits"] == 5
            other = Browser()
            other.cookie = ada.cookie
            ada.see(second, "/logout")
            assert "user" not in other.see(first, "/"), "the other node still has the session that has ended"


def test_a_file_that_one_node_takes_another_one_sends(node: Node) -> None:
    content = os.urandom(3_000_000)
    with node() as first, node() as second:
        key = json.loads(Browser().ask(first, "/upload", "POST", content).body)["key"]
        got = Browser().ask(second, f"/files/{key}")
        assert (got.body == content, got.headers["etag"]) == (True, f'"{key}"')
        assert got.headers["content-disposition"] == 'attachment; filename="ledger.txt"'
        assert Browser().ask(second, f"/files/{key}", Range="bytes=1000-1999").body == content[1000:2000]
        assert Browser().ask(second, f"/files/{key}", **{"If-None-Match": f'"{key}"'}).status == 304


def knows(browser: Browser, server: Server) -> bool:
    """Whether it is answered who that is; a worker that has not tried its store again yet cannot."""
    got = browser.ask(server, "/")
    return got.status == 200 and json.loads(got.body)["user"] == "ada"


def test_a_store_that_is_out_loses_no_login(redis: Redis) -> None:
    ada = Browser()
    with redis.running():
        server = Server("visits:app", app_dir=APPS, session_store=redis.url, workers=1)  # who finds it out finds it back
        server.start()
        ada.see(server, "/login?ada")
    cookie = ada.cookie
    try:
        for target in ("/", "/count", "/logout"):
            got = ada.ask(server, target)
            assert (got.status, got.headers["retry-after"], ada.cookie) == (503, "5", cookie)
        assert Browser().ask(server, "/count").status == 503, "a visitor was told that something was kept"
        assert ada.ask(server, "/plain").status == 200, "a page that needs no session was refused"
        with redis.running():
            await_fact(lambda: knows(ada, server), "sessions again", server)
            server.wait_for("session_store_reachable")  # told by the worker, by way of the master
    finally:
        server.close()
    for worker in {event["worker"] for event in server.log.events("session_store_unreachable")}:
        told = [event["event"] for event in server.log.events() if event.get("worker") == worker and "store" in event]
        assert told[:1] == ["session_store_unreachable"]
        assert "session_store_unreachable" not in told[1:], "an outage was told twice"


def test_without_its_driver_postgresql_is_refused_in_one_sentence(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    venv.create(empty, symlinks=True)
    options = {"python": empty / "bin" / "python", "session_store": "postgresql://postgres:secret@127.0.0.1/x"}
    server = Server("visits:app", app_dir=APPS, **options).launch()
    try:
        assert server.exit_status() == 3
        reason = server.wait_for("template_failed")["reason"]
        assert "psycopg 3 cannot be imported" in reason
        assert "secret@" not in server.log.text()
    finally:
        server.close()
