"""Odoo's sessions in Redis and in PostgreSQL: those of a browser that asks two nodes, while workers die and code is reloaded."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from facts import await_fact

from prefork.testing import free_port

from .conftest import Serve
from .installation import Estate, Installation, OdooServer
from .person import Person

pytestmark = pytest.mark.timeout(300)

PLACES = ("redis", "postgresql")


@contextmanager
def running_redis(place: Path) -> Iterator[tuple[str, int]]:
    """The address and the pid of a Redis of our own."""
    program = shutil.which("redis-server")
    assert program, "redis-server is missing: apt-get install redis-server"
    port = free_port()
    command = ["setpriv", "--pdeathsig", "KILL", program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", place]
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            assert any("eady to accept connections" in line for line in process.stdout)
            yield f"redis://127.0.0.1:{port}", process.pid
        finally:
            process.kill()


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, estate: Estate, tmp_path: Path) -> Iterator[str]:
    """What `session_store` says."""
    if request.param == "redis":
        with running_redis(tmp_path) as (url, _):
            yield url
    else:
        estate.postgres.query("postgres", "DROP DATABASE IF EXISTS kept WITH (FORCE)")
        estate.postgres.query("postgres", "CREATE DATABASE kept OWNER odoo")
        yield f"postgresql://odoo@127.0.0.1:{estate.postgres.port}/kept"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """The nodes' common one."""
    file = tmp_path / "secret"
    file.write_text("s" * 40)
    file.chmod(0o600)
    return file


def logged_in(server: OdooServer, cookie: str) -> bool:
    """Whether Odoo knows who has this cookie."""
    asked = Person(server.port)
    asked.cookie = cookie
    return "result" in asked.rpc(
        "/web/dataset/call_kw/res.users/search_count", model="res.users", method="search_count", args=[[]], kwargs={}
    )


def test_a_session_outlives_its_worker_a_reload_and_its_node(serve: Serve, place: str, secret: Path):
    kept = {"session_store": place, "session_secret_file": secret}
    with serve(**kept) as first:
        anna = Person(first.port)
        stranger = anna.ask("/web/login") and anna.cookie
        anna.log_in()
        assert anna.cookie != stranger, "a login has not changed the key"
        for name in first.workers():
            mark = first.mark()
            first.kill(name)
            first.wait_for("worker_died", after=mark)
        assert logged_in(first, anna.cookie)
        first.reload()
        assert logged_in(first, anna.cookie)
        with serve(databases=(), db_name="shop", **kept) as second:
            assert logged_in(second, anna.cookie)
            assert not logged_in(second, stranger)
            before, anna.port = anna.cookie, second.port
            anna.rpc("/web/session/destroy")
            assert not logged_in(first, before), "the other node still has the session that has ended"
        files = [file for file in Path(first.data_dir, "sessions").rglob("*") if file.is_file()]
        assert files == [], "Odoo has kept sessions in files"


def test_a_device_is_logged_out_from_another_one(serve: Serve, place: str, installation: Installation):
    with serve(session_store=place) as server:
        desk, train = Person(server.port), Person(server.port)
        desk.log_in()
        train.log_in()
        assert logged_in(server, train.cookie)  # which makes it a device that Odoo knows
        if installation.version > 17:
            gone = train.cookie.partition("=")[2][:42]
            assert desk.get(f"/probe/revoke?identifier={gone}") == b"revoked"
            assert logged_in(server, desk.cookie)
        else:
            desk.call("res.users", "change_password", "admin", "admin2")  # which changes what a session's token is made of
        assert not logged_in(server, train.cookie)


def test_odoo_removes_what_is_over(serve: Serve, place: str, installation: Installation, estate: Estate):
    with serve(session_store=place, session_idle=2) as server:
        anna = Person(server.port)
        anna.log_in()
        await_fact(lambda: not logged_in(server, anna.cookie), "the session's end", server)
        if place.startswith("postgresql") and installation.version > 15:
            later = Person(server.port)
            later.log_in()
            assert later.get("/probe/vacuum") == b"vacuumed"
            assert estate.postgres.query("kept", "SELECT id FROM prefork.sessions WHERE expires < now() - interval '1 s'") == []


def test_while_redis_is_away_nobody_is_logged_out(serve: Serve, tmp_path: Path):
    with running_redis(tmp_path) as (url, pid), serve(session_store=url, workers=1) as server:
        anna = Person(server.port)
        anna.log_in()
        os.kill(pid, signal.SIGSTOP)
        try:
            answer = anna.ask("/web/login")
            assert (answer.status, answer.headers.get("retry-after")) == (503, "5"), answer
        finally:
            os.kill(pid, signal.SIGCONT)
        await_fact(lambda: anna.ask("/web/login").status != 503, "sessions again", server)
        assert logged_in(server, anna.cookie)
        assert server.events("session_store_unreachable")
