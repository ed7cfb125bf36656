"""The life of instances that a console runs itself, without and with a real nginx before them; the console dies meanwhile."""

import os
import random
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import httpx2
import pytest
from tests.proxies.nginx import RenderedNginx

from prefork.instances import tokens, users
from prefork.instances.database import NAME, Database
from prefork.testing import Load, free_port, processes
from prefork.testing.client import Request

pytestmark = pytest.mark.timeout(240)  # six servers and consoles start here, one after the other
WAIT, PAUSE = 60.0, 0.05  # seconds
TREE = Path(__file__).parents[1] / "stand_in"
CODE = """
from wsgiref.validate import validator

@validator
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
    return [b"{word}"]
"""
WAITING = "server {{ listen 127.0.0.1:{port}; return 204; }}\n"


class Console:
    """A console that runs instances, which may be killed and started again."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self.data_dir, self.log = directory / "console", directory / "console.log"
        self.port, ports = free_port(), random.randrange(10_000, 32_000, 20)
        own = ["--data-dir", str(self.data_dir), "--port", str(self.port), "--ports", f"{ports}-{ports + 19}"]
        self.command = [sys.executable, "-m", "prefork", "console", *own, *arguments]
        self.mark = str(uuid.uuid4())
        self.web = httpx2.Client(base_url=f"http://127.0.0.1:{self.port}/api/v1", timeout=WAIT)

    def start(self) -> Self:
        """Start it, and come with a token."""
        before = self.said()
        with self.log.open("ab") as log:
            environment = {**os.environ, processes.MARK: self.mark}
            self.process = subprocess.Popen(self.command, env=environment, stdout=log, stderr=log, start_new_session=True)
        self.until(lambda: "The console is at" in self.said()[len(before) :], "a console")
        if "Authorization" not in self.web.headers:
            with Database(self.data_dir / NAME) as db:
                admin = users.named(db, "admin")
                assert admin
                self.web.headers["Authorization"] = f"Bearer {tokens.make(db, admin.id, 'story', 'administrator', 600.0)[1]}"
        return self

    def die(self) -> None:
        """Be killed."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(WAIT)

    def close(self) -> None:
        """End it with all that it runs."""

        self.web.close()
        self.process.terminate()
        self.process.wait(WAIT)
        self.until(lambda: not processes.kill_all(self.left()) and not self.left(), "an end of its instances")

    def left(self) -> list[int]:
        """The processes of its instances, and itself."""
        return processes.marked(self.mark, self.process.pid)

    def said(self) -> str:
        """Its log."""
        return self.log.read_text() if self.log.exists() else ""

    def until(self, fact: Any, what: str) -> None:
        """Wait for a fact."""
        for _ in range(int(WAIT / PAUSE)):
            if fact():
                return
            threading.Event().wait(PAUSE)
        raise AssertionError(f"there was never {what}; the console's log:\n{self.said()}")

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx2.Response:
        """One call, which is not refused."""
        answer = self.web.request(method, path, json=body)
        assert answer.status_code < 400, answer.text
        return answer

    def end_of(self, answer: httpx2.Response) -> dict[str, Any]:
        """How something went."""
        work: dict[str, Any] = {}

        def over() -> bool:
            work.update(self.web.get(answer.headers["Location"].removeprefix("/api/v1")).json())
            return work["state"] != "running"

        self.until(over, f"an end of what {answer.request.url} began")
        return work

    def state(self, identity: str) -> str:
        """That of an instance."""
        found: str = self.ask("GET", f"/instances/{identity}").json()["state"]
        return found

    def given(self, identity: str) -> dict[str, Any]:
        """What an instance has."""
        found: dict[str, Any] = self.ask("GET", f"/instances/{identity}/provision").json()["given"]
        return found


def calm(_thread: int, _number: int) -> Request:
    """A request now and then: the machine has a console to start meanwhile."""
    threading.Event().wait(PAUSE)
    return Request("/")


def code(place: Path, text: str) -> str:
    place.mkdir()
    (place / "shop.py").write_text(text)
    return str(place)


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    """A console that runs."""
    made = Console(tmp_path).start()
    try:
        yield made
    finally:
        made.close()


def test_an_instance_outlives_the_console_and_bad_code(console: Console, tmp_path: Path) -> None:
    one = code(tmp_path / "one", CODE.format(word="one"))
    two = code(tmp_path / "two", CODE.format(word="two"))
    bad = code(tmp_path / "bad", "raise RuntimeError('this code is broken')\n")
    run = {"app": "shop:app", "app_dir": one, "plan": "base"}
    beyond = console.web.post("/instances", json={"id": "shop", "name": "Shop", "run": {**run, "workers": 3}})
    assert (beyond.status_code, beyond.json()["type"]) == (422, "urn:prefork:problem:plan-limit")
    assert "the plan base allows 2 HTTP workers, not 3" in beyond.json()["detail"]
    made = console.ask("POST", "/instances", {"id": "shop", "name": "Shop", "run": run})
    assert (made.status_code, made.json()["state"]) == (201, "starting")
    end = console.end_of(made)
    assert end["state"] == "done", end
    url = f"http://127.0.0.1:{console.given('shop')['http_port']}"
    with Load(url, calm, threads=1) as load:
        load.wait(5)
        console.die()
        load.wait(5)
        console.start()
        console.until(lambda: "Instance shop runs already" in console.said(), "an instance that is found again")
        assert console.state("shop") == "running"
        end = console.end_of(console.ask("POST", "/instances/shop/upgrade", {"app_dir": bad}))
        assert end["state"] == "rolled back"
        assert "this code is broken" in end["message"]
        load.wait(5)
        assert httpx2.get(url).text == "one"
        assert console.end_of(console.ask("POST", "/instances/shop/upgrade", {"app_dir": two}))["state"] == "done"
        assert httpx2.get(url).text == "two"
    assert load.stop().failed == [], load.stop().summary()
    pid = console.ask("GET", "/instances/shop/provision").json()["pid"]
    os.kill(pid, signal.SIGKILL)
    console.until(lambda: "Instance shop was started" in console.said(), "an instance that is started again")
    console.until(lambda: console.state("shop") == "running", "an instance that runs again")
    assert console.web.delete("/instances/shop").status_code == 409
    assert console.end_of(console.ask("POST", "/instances/shop/stop"))["state"] == "done"
    assert console.state("shop") == "stopped"
    assert set(console.left()) == {console.process.pid}
    console.ask("DELETE", "/instances/shop")
    assert (console.data_dir / "instances" / "shop" / "data").is_dir()
    assert console.ask("GET", "/instances").json()["items"] == []


class Live(BaseHTTPRequestHandler):
    """Stands in for what holds live connections."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"live")

    def log_message(self, *_said: object) -> None:
        """Say nothing."""


def tree(place: Path, version: int) -> str:
    """Odoo's stand-in, of another version."""
    shutil.copytree(TREE, place)
    (place / "odoo" / "release.py").write_text(f'version_info = ({version}, 0, 0, "final", 0, "")\n')
    return str(place)


def test_the_route_of_live_connections_switches_at_an_upgrade(tmp_path: Path, certificate: dict[str, str]) -> None:
    sites, main, port = tmp_path / "sites", tmp_path / "nginx", free_port()
    http, https = sorted((free_port(), free_port()))
    for place in (sites, main):
        place.mkdir()
    (sites / "waiting.conf").write_text(WAITING.format(port=port))
    trust = ssl._create_unverified_context()

    def body_of(path: str) -> bytes:
        try:
            with urllib.request.urlopen(f"https://127.0.0.1:{https}{path}", context=trust, timeout=WAIT) as answer:
                found: bytes = answer.read()
                return found
        except urllib.error.HTTPError as error:
            return str(error.code).encode()

    with RenderedNginx(sites / "*.conf", main, port):
        console = Console(tmp_path, "--sites", str(sites), "--nginx", str(main / "nginx.conf"), "--web", f"{http}-{https}")
        console.start()
        try:
            options = {"db_name": "shop", "websocket_workers": "0"}
            facts = {"domain": "erp.example", **{name: certificate[name] for name in ("certificate", "certificate_key")}}
            run = {"odoo": tree(tmp_path / "odoo-15", 15), "plan": "free", "options": options, **facts}
            end = console.end_of(console.ask("POST", "/instances", {"id": "erp", "name": "ERP", "run": run}))
            assert end["state"] == "done", end
            with ThreadingHTTPServer(("127.0.0.1", console.given("erp")["websocket_port"]), Live) as live:
                threading.Thread(target=live.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
                console.until(lambda: body_of("/longpolling/poll") == b"live", "a route for long polls")
                assert body_of("/websocket") != b"live"
                newer = {"odoo": tree(tmp_path / "odoo-18", 18)}
                end = console.end_of(console.ask("POST", "/instances/erp/upgrade", newer))
                assert end["state"] == "done", end
                console.until(lambda: body_of("/websocket") == b"live", "a route for WebSockets")
                console.until(lambda: body_of("/longpolling/poll") != b"live", "an end of the old route")
                live.shutdown()
        finally:
            console.close()
