"""What the console runs under the machine's systemd: a unit for each instance, with the memory of its plan."""

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from documented import PROGRAM, installed
from server import Server, await_fact, get, held, shown, systemctl

DATA = Path("/var/lib/consoles")
ACCOUNT = "shops"
GIB = 1 << 30
PORT = 8071
READY = "The console is at"
CODE = Path("/srv/shops")
APPLICATION = """\
import json
from wsgiref.validate import validator


@validator
def app(environ, start_response):
    body = json.dumps("{word}").encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
"""
TOKEN = """\
from pathlib import Path
from prefork.instances import tokens, users
from prefork.instances.database import NAME, Database
with Database(Path("{data}") / NAME) as db:
    print(tokens.make(db, users.named(db, "admin").id, "machine", "administrator", 86400.0)[1])
"""


class Console:
    """The console as a unit of its own, and its REST API."""

    token = ""

    def start(self) -> None:
        command = [PROGRAM, "console", "--data-dir", DATA, "--port", str(PORT), "--account", ACCOUNT]
        before = self.said().count(READY)
        subprocess.run(["systemd-run", "--quiet", "--unit=consoles", "--collect", *command], check=True)
        await_fact(lambda: self.said().count(READY) > before, "a console")
        if not self.token:
            made = subprocess.run(
                ["/opt/prefork/bin/python", "-c", TOKEN.format(data=DATA)], check=True, capture_output=True, text=True
            )
            self.token = made.stdout.strip()

    def said(self) -> str:
        told = subprocess.run(["journalctl", "-u", "consoles", "--no-pager"], check=True, capture_output=True, text=True)
        return told.stdout

    def ask(self, method: str, path: str, body: dict | None = None) -> tuple[dict, str]:
        """What it answers, and where the end of what it began can be seen."""
        asked = urllib.request.Request(f"http://127.0.0.1:{PORT}/api/v1{path}", method=method)
        asked.add_header("Authorization", f"Bearer {self.token}")
        asked.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(asked, json.dumps(body).encode() if body is not None else None, timeout=120) as answer:
                return json.loads(answer.read() or b"{}"), answer.headers["Location"] or ""
        except urllib.error.HTTPError as refusal:
            raise AssertionError(f"{method} {path}: {refusal.code} {refusal.read().decode()}") from None

    def end_of(self, method: str, path: str, body: dict | None = None) -> dict:
        """How something went."""
        _, location = self.ask(method, path, body)
        work: dict = {}

        def over() -> bool:
            work.update(self.ask("GET", location.removeprefix("/api/v1"))[0])
            return work["state"] != "running"

        await_fact(over, f"an end of {method} {path}")
        return work


CONSOLE = Console()


def served() -> str:
    """What the instance answers."""
    status, word = get("/", CONSOLE.ask("GET", "/instances/shop/provision")[0]["given"]["http_port"])
    assert status == 200, word
    return word


def unit(identity: str) -> str:
    return f"prefork@{identity}.service"


def ceiling(identity: str) -> int:
    """What the kernel holds an instance to."""
    found = held(f"system-prefork.slice/{unit(identity)}")
    assert str(found) == shown(unit(identity), "MemoryMax")
    return found


def code(word: str) -> str:
    place = CODE / word
    place.mkdir(parents=True)
    (place / "shop.py").write_text(
        APPLICATION.format(word=word) if word != "bad" else "raise RuntimeError('this code is broken')\n"
    )
    return str(place)


def an_instance_is_a_unit_with_the_memory_of_its_plan(_server: Server) -> None:
    if not Path(PROGRAM).exists():
        installed()
        systemctl("stop", "mysite")
    subprocess.run(["useradd", "--system", ACCOUNT], check=True)
    CONSOLE.start()
    run = {"app": "shop:app", "app_dir": code("one"), "plan": "free"}
    end = CONSOLE.end_of("POST", "/instances", {"id": "shop", "name": "Shop", "run": run})
    assert end["state"] == "done", end
    assert served() == "one"
    assert (shown(unit("shop"), "ActiveState"), shown(unit("shop"), "UnitFileState")) == ("active", "enabled")
    assert ceiling("shop") == GIB
    print(f"   {shown(unit('shop'), 'StatusText')}", flush=True)
    master = int(shown(unit("shop"), "MainPID"))
    state = dict(line.split(":\t") for line in Path(f"/proc/{master}/status").read_text().splitlines() if ":\t" in line)
    assert state["NoNewPrivs"] == "1", state
    assert int(state["CapBnd"], 16) == 0, state
    assert Path(f"/proc/{master}").owner() == ACCOUNT


def it_outlives_its_console(_server: Server) -> None:
    before = shown(unit("shop"), "MainPID")
    systemctl("kill", "--signal=KILL", "consoles")
    await_fact(lambda: shown("consoles", "LoadState") == "not-found", "the console's end")
    CONSOLE.start()
    assert served() == "one"
    await_fact(lambda: "Instance shop runs already" in CONSOLE.said(), "that it is found again")
    assert shown(unit("shop"), "MainPID") == before


def an_upgrade_to_bad_code_is_taken_back(_server: Server) -> None:
    before = shown(unit("shop"), "MainPID")
    end = CONSOLE.end_of("POST", "/instances/shop/upgrade", {"app_dir": code("bad")})
    assert end["state"] == "rolled back", end
    assert "this code is broken" in end["message"], end
    assert (shown(unit("shop"), "MainPID"), served()) == (before, "one")


def an_upgrade_has_the_new_code_and_the_new_memory(_server: Server) -> None:
    before = shown(unit("shop"), "MainPID")
    wanted = {"app_dir": code("two"), "plan": "pro", "memory": 5 * GIB // 4}
    end = CONSOLE.end_of("POST", "/instances/shop/upgrade", wanted)
    assert end["state"] == "done", end
    assert served() == "two"
    assert ceiling("shop") == 5 * GIB // 4
    print(f"   {'reloaded' if shown(unit('shop'), 'MainPID') == before else 'restarted'}", flush=True)


def what_is_killed_systemd_starts_again(_server: Server) -> None:
    before = int(shown(unit("shop"), "MainPID"))
    os.kill(before, signal.SIGKILL)
    await_fact(lambda: shown(unit("shop"), "MainPID") not in {"0", str(before)}, "another master")
    await_fact(lambda: shown(unit("shop"), "ActiveState") == "active", "a server that is ready")
    assert ceiling("shop") == 5 * GIB // 4
    pid = int(shown(unit("shop"), "MainPID"))
    await_fact(lambda: CONSOLE.ask("GET", "/instances/shop/provision")[0]["pid"] == pid, "that the console knows it")


def one_that_does_not_get_ready_stays_stopped(_server: Server) -> None:
    CONSOLE.end_of("POST", "/instances/shop/upgrade", {"plan": "free", "memory": GIB})
    end = CONSOLE.end_of("POST", "/instances/shop/stop")
    assert end["state"] == "done", end
    run = {"app": "shop:app", "app_dir": str(CODE / "bad"), "plan": "free"}
    end = CONSOLE.end_of("POST", "/instances", {"id": "broken", "name": "Broken", "run": run})
    assert end["state"] == "failed", end
    assert "this code is broken" in end["message"], end
    await_fact(lambda: shown(unit("broken"), "ActiveState") in {"inactive", "failed"}, "its end")
    restarts, until = shown(unit("broken"), "NRestarts"), time.monotonic() + 20
    await_fact(lambda: time.monotonic() > until, "the time in which systemd would start it again")
    assert shown(unit("broken"), "ActiveState") in {"inactive", "failed"}
    assert (shown(unit("broken"), "NRestarts"), shown(unit("broken"), "UnitFileState")) == (restarts, "disabled")
    CONSOLE.ask("DELETE", "/instances/broken")


def a_stop_is_also_for_the_next_start_and_a_start_for_good(_server: Server) -> None:
    assert (shown(unit("shop"), "ActiveState"), shown(unit("shop"), "UnitFileState")) == ("inactive", "disabled")
    assert shown(unit("shop"), "MemoryMax") == str(GIB)
    assert CONSOLE.end_of("POST", "/instances/shop/start")["state"] == "done"
    assert (shown(unit("shop"), "ActiveState"), shown(unit("shop"), "UnitFileState")) == ("active", "enabled")
    assert ceiling("shop") == GIB
    assert CONSOLE.end_of("POST", "/instances/shop/stop")["state"] == "done"


def what_is_deleted_leaves_its_data_alone(_server: Server) -> None:
    CONSOLE.ask("DELETE", "/instances/shop")
    assert shown(unit("shop"), "MemoryMax") == "infinity"
    assert shown(unit("shop"), "UnitFileState") == "disabled"
    assert not list(Path("/etc/systemd").glob("*/prefork@*.d"))
    assert sorted(each.name for each in (DATA / "instances/shop").iterdir()) == ["data"]
    assert CONSOLE.ask("GET", "/instances")[0]["items"] == []
    systemctl("stop", "consoles")


def checks() -> list[tuple]:
    """In their order."""
    server = Server(DATA / "instances/shop/data", log=DATA / "instances/shop/data/server.log")
    each = (
        an_instance_is_a_unit_with_the_memory_of_its_plan,
        it_outlives_its_console,
        an_upgrade_to_bad_code_is_taken_back,
        an_upgrade_has_the_new_code_and_the_new_memory,
        what_is_killed_systemd_starts_again,
        one_that_does_not_get_ready_stays_stopped,
        a_stop_is_also_for_the_next_start_and_a_start_for_good,
        what_is_deleted_leaves_its_data_alone,
    )
    return [(check, server) for check in each]
