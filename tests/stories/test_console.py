"""The console beside a server: settings saved and taken back under load, its own death, and what keeps it from starting."""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from click.testing import CliRunner, Result
from facts import await_fact

from prefork.cli import main
from prefork.testing import Load, Server
from prefork.testing.ports import free_port

MOST_MEMORY = 150 << 20  # bytes
WAIT = 30.0  # seconds for it to start, on a busy machine
SETTINGS = "/api/v1/instances/default/settings"
CODE = """
from wsgiref.validate import validator

@validator
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]
"""


class House:
    """A server with a console, and somebody who is logged in there."""

    def __init__(self, directory: Path) -> None:
        self.code = directory / "counter.py"
        self.code.write_text(CODE)
        self.server = Server("counter:app", app_dir=directory, workers=1, plan="base", console=True, console_port=free_port())
        self.password = ""
        self.web = httpx2.Client()

    def open(self) -> None:
        """Start both and log in."""
        self.server.start()
        self.password = self.server.wait_for("administrator_made", WAIT)["password"]
        self.web = httpx2.Client(base_url=self.server.wait_for("console_ready", WAIT)["address"], timeout=WAIT)
        self.log_in()

    def log_in(self) -> None:
        """Get a token with a new login."""
        assert self.web.post("/login", data={"name": "admin", "password": self.password}).status_code == 303
        self.web.headers["Authorization"] = f"Bearer {self.token()}"

    def token(self) -> str:
        """A token for everything, made with the cookie and the login's own token, which the file has."""
        import sqlite3

        with sqlite3.connect(f"{self.server.data_dir}/console.sqlite") as db:
            ((csrf,),) = db.execute("SELECT csrf FROM sessions ORDER BY created_at DESC LIMIT 1").fetchall()
        new = {"name": "story", "scope": "administrator", "lifetime": 600}
        with httpx2.Client(base_url=self.web.base_url, cookies=self.web.cookies, timeout=WAIT) as person:
            made = person.post("/api/v1/tokens", json=new, headers={"X-CSRF-Token": csrf})
        assert made.status_code == 201, made.text
        found: str = made.json()["token"]
        return found

    def save(self, **settings: object) -> httpx2.Response:
        """Change settings, as they are now."""
        tag = self.web.get(SETTINGS).headers["ETag"]
        return self.web.patch(SETTINGS, json={"settings": settings}, headers={"If-Match": tag})

    def end_of(self, saved: httpx2.Response) -> dict[str, Any]:
        """How a change went."""
        assert saved.status_code == 202, saved.text
        change: dict[str, Any] = {}

        def over() -> bool:
            change.update(self.web.get(saved.headers["Location"]).json())
            return change["state"] != "running"

        await_fact(over, "an end of the change", self.server, WAIT)
        return change

    def console(self) -> int:
        """The console's pid."""
        return next(pid for pid in self.server.tree() if b"prefork: console" in command(pid))


def command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("house"))
    try:
        made.open()
        yield made
        made.web.close()
        made.server.close()
    finally:
        made.server.crash()


def test_workers_go_up_to_the_plans_limit_and_no_request_notices(house: House) -> None:
    with Load(house.server.url) as load:
        load.wait(20)
        assert house.end_of(house.save(workers=2))["state"] == "done"
        beyond = house.save(workers=3)
        load.wait(20)
    assert len(house.server.workers()) == 2
    assert beyond.status_code == 422
    assert "the plan base allows 2 HTTP workers, not 3" in beyond.json()["detail"]
    assert load.stop().failed == [], load.stop().summary()


def test_settings_whose_reload_fails_are_taken_back(house: House) -> None:
    before = Path(house.server.configuration).read_bytes()
    generation = house.server.status()["generation"]
    house.code.write_text("raise RuntimeError('this code is broken')\n")
    with Load(house.server.url) as load:
        change = house.end_of(house.save(limit_request=7))
        load.wait(20)
    house.code.write_text(CODE)
    assert change["state"] == "rolled back"
    assert "this code is broken" in change["message"]
    assert Path(house.server.configuration).read_bytes() == before
    assert house.server.status()["generation"] == generation
    assert load.stop().failed == [], load.stop().summary()


def test_a_worker_is_replaced_on_demand_and_no_request_notices(house: House) -> None:
    with Load(house.server.url) as load:
        load.wait(20)
        pid = house.server.workers().popitem()[1]
        assert house.web.post(f"/api/v1/instances/default/workers/{pid}/retire").status_code == 202
        await_fact(lambda: pid not in house.server.workers().values(), "a worker less", house.server)
        load.wait(20)
    assert load.stop().failed == [], load.stop().summary()


def test_the_death_of_the_console_is_nobodys_and_it_comes_back_as_it_was(house: House) -> None:
    mark = house.server.mark()
    pid = house.console()
    with Load(house.server.url) as load:
        load.wait(20)
        os.kill(pid, signal.SIGKILL)
        house.server.wait_for("console_died", WAIT, after=mark)
        house.server.wait_for("console_ready", WAIT, after=mark)
        load.wait(20)
    assert load.stop().failed == [], load.stop().summary()
    assert house.web.get("/api/v1/me").json()["name"] == "admin"
    house.log_in()
    assert len(house.server.events("administrator_made")) == 1
    assert house.console() != pid


def test_commands_reach_the_server_through_it(house: House) -> None:
    there = ["--console", str(house.web.base_url).rstrip("/")]
    token = {"PREFORK_CONSOLE_TOKEN": house.token(), "COLUMNS": "120"}

    def ask(*verb: str) -> Result:
        answer = CliRunner().invoke(main, [*verb, *there], env=token)
        assert answer.exit_code == 0, answer.output
        return answer

    assert "counter:app" in ask("status").output
    assert f"pid {house.server.pid}" in ask("status").output
    assert ask("health").output.startswith("● ok")
    assert "busy, over" in ask("usage").output
    assert "Reloaded in" in ask("reload").output
    (worker, pid), *_ = house.server.workers().items()
    assert worker in ask("workers").output
    assert f"{worker} (pid {pid})" in ask("stacks").output
    assert "leaves when another one is ready" in ask("retire", str(pid)).output
    await_fact(lambda: pid not in house.server.workers().values(), "a worker less", house.server)
    ask("routes")
    ask("incidents")


def test_its_memory_is_bounded(house: House, record_property: Callable[[str, object], None]) -> None:
    for _ in range(50):
        assert house.web.get("/api/v1/instances").status_code == 200
    rollup = Path(f"/proc/{house.console()}/smaps_rollup").read_text()
    memory = next(int(line.split()[1]) << 10 for line in rollup.splitlines() if line.startswith("Rss:"))
    record_property("console_rss", memory)
    assert memory < MOST_MEMORY


def test_what_keeps_it_from_starting_is_one_warning() -> None:
    port = free_port()
    with (
        socket.create_server(("127.0.0.1", port)),
        Server("probe:app", app_dir=Path(__file__).parent / "apps", console=True, console_port=port) as server,
    ):
        assert "choose another console_port" in server.wait_for("console_unavailable")["reason"]
        mark = server.mark()
        server.reload()
        assert server.events("console_unavailable", after=mark) == []
        assert server.events("console_died") == []


def test_one_that_cannot_start_is_tried_again_until_it_can() -> None:
    apps = Path(__file__).parent / "apps"
    with Server("probe:app", app_dir=apps, console=True, console_port=free_port()) as server:
        ready = server.wait_for("console_ready", WAIT)["address"]
        file, kept = Path(server.data_dir, "console.sqlite"), Path(server.data_dir, "kept.sqlite")
        mark = server.mark()
        file.rename(kept)
        file.mkdir()  # as a disk that is full: it cannot be opened
        os.kill(next(pid for pid in server.tree() if b"prefork: console" in command(pid)), signal.SIGKILL)
        assert "is a directory" in server.wait_for("console_failed", WAIT, after=mark)["reason"]
        file.rmdir()
        kept.rename(file)
        assert server.wait_for("console_ready", WAIT, after=mark)["address"] == ready
        assert len(server.events("console_failed", after=mark)) == 1
        assert server.events("administrator_made", after=mark) == []


def test_it_follows_the_log_through_a_rotation(tmp_path: Path) -> None:
    log, old = tmp_path / "log", tmp_path / "log.1"
    apps = Path(__file__).parent / "apps"
    server = Server("probe:app", app_dir=apps, logfile=log, console=True, console_port=free_port()).launch()
    try:
        await_fact(lambda: log.exists() and "server_ready" in log.read_text(), "a start", server)
        await_fact(lambda: "console_ready" in log.read_text(), "a console", server, WAIT)
        pid = next(pid for pid in server.tree() if b"prefork: console" in command(pid))
        log.rename(old)
        server.signal(signal.SIGUSR1)
        await_fact(lambda: os.readlink(f"/proc/{pid}/fd/2") == str(log), "a console that writes to the new file", server)
    finally:
        server.close()
