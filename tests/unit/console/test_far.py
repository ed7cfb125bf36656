"""Commands to a server behind a console elsewhere: the same views, over its REST API; what goes wrong is a sentence."""

import json
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from click.testing import CliRunner, Result
from tests.unit.console.conftest import STATUS, Stand, bearing, somebody
from tests.unit.test_cli import STATUS as SHOWN

import prefork.cli
from prefork.cli.far import TIMES, Far
from prefork.cli.near import Near
from prefork.cli.server import Server
from prefork.console.app import create
from prefork.console.models import EndedRun, Job, RunUnderWay
from prefork.incidents import Incident, Ledger
from prefork.instances.database import Database
from prefork.instances.local import Local, Unreachable
from prefork.store import board, jobs
from prefork.store.address import Address
from prefork.store.connection import connect
from prefork.testing import free_port
from prefork.usage.reading import Mark

Run = Callable[..., Result]
REQUEST = {"method": "GET", "target": "/report", "client": "10.0.0.9:5151", "id": "5f0c3a1e9d", "attempt": 1, "tag": ""}


@pytest.fixture
def url(db: Database, stand: Stand, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where a console of this process answers."""
    monkeypatch.setattr(Local, "status", lambda _: {**STATUS, **SHOWN})
    config = uvicorn.Config(create(db), port=free_port(), log_config=None, access_log=False, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        threading.Event().wait(0.01)
    yield f"http://127.0.0.1:{config.port}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def run(url: str, db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command as an operator."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "token").write_text(secret(db, "operator") + "\n")

    def command(*arguments: str, token: str = "token") -> Result:
        return invoke(*arguments, "--console", url, "--token-file", token)

    return command


def secret(db: Database, role: str) -> str:
    return bearing(db, somebody(db, role))["Authorization"].removeprefix("Bearer ")


def invoke(*arguments: str, environ: dict[str, str] | None = None) -> Result:
    result = CliRunner().invoke(prefork.cli.main, arguments, env={"COLUMNS": "120", **(environ or {})})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_what_people_see_is_what_they_see_at_the_server(run: Run, stand: Stand, url: str) -> None:
    assert "● shop:app running" in run("status").output
    assert json.loads(run("status", "--json").output)["pid"] == 4242
    listed = run("workers").output.splitlines()
    assert [line.split()[0] for line in listed] == ["WORKER", "http.1", "http.2"]
    assert "SHARE" in run("routes", "--all").output
    assert json.loads(run("routes", "--json").output).keys() == {"uptime", "routes"}
    assert "File x" in run("stacks").output
    assert "Reloaded in 0.1 s: the server is at generation 2." in run("reload").output
    assert "busy" in run("usage").output
    assert "reload" in stand.asked


def test_a_worker_is_replaced_by_its_name_or_its_pid(run: Run, stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(
        Local, "ask", lambda _server, command, _timeout=0, **fields: asked.append((command, fields)) or {"worker": "x"}
    )
    assert "http.2 (pid 4251) leaves when another one is ready" in run("retire", "http.2").output
    assert run("retire", "4250").exit_code == 0
    assert asked == [("retire", {"pid": 4251}), ("retire", {"pid": 4250})]
    assert "there is no worker http.9" in run("retire", "http.9").output


def test_health_has_an_exit_code(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    well = run("health")
    assert (well.exit_code, well.output.split()[1]) == (0, "ok")
    assert "CPU" in well.output
    monkeypatch.setattr(Local, "status", lambda _: {**STATUS, **SHOWN, "ready": 1})
    ill = run("health")
    assert (ill.exit_code, "1 of 2 workers are ready" in ill.output) == (1, True)
    monkeypatch.setattr(Local, "status", raising)
    assert run("health").exit_code == 4
    gone = run("status")
    assert (gone.exit_code, gone.stderr) == (4, "prefork: no server runs at /there\n")


def raising(_server: object) -> None:
    raise Unreachable("no server runs at /there")


def test_the_past(run: Run, db: Database) -> None:
    from prefork.instances import history
    from prefork.usage.sample import Sample

    now = time.time()
    history.record(db, "default", Sample(at=now - 900, seconds=300, configured=2, in_flight=50.0, succeeded=7))
    history.note(db, "default", [Mark(now - 700, "reload", "generation 2")])
    assert "reload: generation 2" in run("usage", "--range", "24h").output
    told = json.loads(run("usage", "--range", "7d", "--json").output)
    assert (told["range"], told["points"][0]["requests"]["2xx"]) == ("7d", 7)


def test_incidents(run: Run, stand: Stand) -> None:
    base: dict[str, Any] = {"node": "app1", "worker": "http.1", "pool": "http", "pid": 4711, "generation": 1, "advice": "look"}
    ledger = Ledger(stand.file.parent)
    for number in range(3):
        ledger.add(
            Incident(
                id=f"incident{number}",
                time=float(number),
                cause="limit_time_real",
                reason="it took too long",
                request=REQUEST if number else None,
                stacks='  File "/srv/shop/totals.py", line 87 in order_totals\n',
                **base,
            )
        )
    assert [line.split()[0] for line in run("incidents").output.splitlines()] == ["ID", "incident0", "incident1", "incident2"]
    one = run("incidents", "incident2").output
    assert "totals.py" in one
    assert run("incidents", REQUEST["id"]).output.count("totals.py") == 2, "both attempts of the request"
    assert "there is no incident nothing of default at http://" in run("incidents", "nothing").output


@pytest.fixture
def store(stand: Stand) -> Iterator[Any]:
    dsn = f"sqlite:{stand.file.parent / 'store.db'}"
    stand.file.write_text(f"[options]\napp = shop:app\nworkers = 0\njobs = shop\nstore_dsn = {dsn}\n")
    declared = {"schedule": "every 2 hours", "tz": "UTC", "misfire": "once", "priority": 5, "retries": 3}
    with connect(Address(dsn), "test") as connection:
        jobs.declare(
            connection, [{"name": name, **declared, "due_at": datetime.now(UTC)} for name in ("a.tick", "b.tick", "b.tock")]
        )
        yield connection


def test_jobs(run: Run, store: Any) -> None:
    assert run("jobs", "list").output.count("every 2 hours") == 3
    assert run("jobs", "run", "tock").output == "Run 1 of b.tock is due.\n"
    held = jobs.claim(store, jobs.Holder("here", "cron.1", 1), ["b.tock"])
    assert held
    assert "run 1" in run("jobs", "show", "tock").output.lower()
    jobs.complete(store, 1, held.attempt, jobs.Cost(1.5, 0.5, 1 << 20))
    assert "done" in run("jobs", "history").output
    assert json.loads(run("jobs", "history", "a.tick", "--json").output) == []
    assert "tick could be a.tick, b.tick" in run("jobs", "pause", "tick").output
    assert run("jobs", "pause", "a.tick").exit_code == 0
    assert [job["active"] for job in board.listed(store)] == [False, True, True]
    assert "a.tick goes on" in run("jobs", "resume", "a.tick").output


def test_a_job_is_edited_here_and_elsewhere_alike(run: Run, store: Any, stand: Stand) -> None:
    def row(name: str) -> dict[str, Any]:
        return board.listed(store, name)[0]

    def here(*arguments: str) -> Result:
        return invoke(*arguments, "-c", str(stand.file))

    for edit, name in ((run, "a.tick"), (here, "b.tick")):
        untouched = row("b.tock")
        said = edit("jobs", "edit", name, "--schedule", "every 5 minutes", "--priority", "2", "--arguments", '{"args": [7]}')
        assert said.output == f'{name} has schedule every 5 minutes, priority 2, arguments {{"args": [7], "kwargs": {{}}}} now.\n'
        found = row(name)
        assert (found["schedule"], found["priority"], found["retries"]) == ("every 5 minutes", 2, 3)
        assert found["arguments"] == {"args": [7], "kwargs": {}}
        due = found["due_at"]
        assert edit("jobs", "edit", name, "--misfire", "skip", "--retries", "0").exit_code == 0
        assert (row(name)["misfire"], row(name)["due_at"]) == ("skip", due)
        assert edit("jobs", "edit", name, "--deferred").output == f"{name} has no schedule now.\n"
        assert (row(name)["schedule"], row(name)["due_at"]) == (None, None)
        wrong = edit("jobs", "edit", name, "--schedule", "soon")
        assert (wrong.exit_code, "neither an interval (every 10 minutes) nor a cron expression" in wrong.output) == (1, True)
        assert row("b.tock") == untouched


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "name something to change"),
        (("--schedule", "every 2 hours", "--deferred"), "give one of them"),
        (("--arguments", "[1]"), "[1] is no JSON such as"),
        (("--arguments", '{"args": 1}'), "is no JSON such as"),
        (("--arguments", '{"more": []}'), "is no JSON such as"),
        (("--retries", "1001"), "0<=x<=1000"),
        (("--misfire", "perhaps"), "'once', 'skip'"),
    ],
)
def test_an_edit_that_cannot_be_is_refused_before_anybody_is_asked(
    run: Run, stand: Stand, arguments: tuple[str, ...], said: str
) -> None:
    refused = run("jobs", "edit", "tick", *arguments)
    assert (refused.exit_code, said in refused.output) == (2, True), refused.output
    assert stand.asked == []


def test_its_times_are_times_again() -> None:
    written = {
        name
        for model in (Job, RunUnderWay, EndedRun)
        for name, each in model.model_fields.items()
        if "datetime" in str(each.annotation)
    }
    assert written == TIMES


@pytest.mark.parametrize("place", [Near, Far])
def test_both_places_do_what_the_contract_says(place: type) -> None:
    promised = {name for name, each in vars(Server).items() if callable(each) and not name.startswith("_")}
    assert promised == {name for name, each in vars(place).items() if callable(each) and not name.startswith("_")}


def test_who_may_not_is_told_so(run: Run, db: Database, tmp_path: Path) -> None:
    (tmp_path / "viewer").write_text(secret(db, "viewer"))
    refused = run("reload", token="viewer")
    assert (refused.exit_code, refused.output) == (1, "prefork: this takes the role operator for default; you have viewer\n")
    (tmp_path / "wrong").write_text("prefork_wrong")
    unknown = run("status", token="wrong")
    assert (unknown.exit_code, "does not know this token; make one there" in unknown.output) == (1, True)
    missing = run("status", "--instance", "other")
    assert (missing.exit_code, "there is no instance other" in missing.output) == (1, True)


def test_the_token_comes_from_a_file_the_environment_or_the_configuration(url: str, db: Database, tmp_path: Path) -> None:
    found, command = secret(db, "viewer"), ("workers", "--json", "--console", url)
    (tmp_path / "token").write_text(found)
    assert invoke(*command, environ={"PREFORK_CONSOLE_TOKEN": found}).exit_code == 0
    assert invoke(*command, environ={"PREFORK_CONSOLE_TOKEN_FILE": str(tmp_path / "token")}).exit_code == 0
    (tmp_path / "laptop.conf").write_text("[options]\nconsole_token_file = token\n")
    assert invoke(*command, "-c", str(tmp_path / "laptop.conf")).exit_code == 0


@pytest.mark.parametrize(
    ("token", "said"),
    [(None, "--console needs a token"), ("", "is empty"), ("two words\x00", "signs that no token has"), ("-", "cannot be read")],
)
def test_without_a_token_nothing_is_asked(run: Run, tmp_path: Path, token: str | None, said: str, url: str) -> None:
    if token not in {None, "-"}:
        (tmp_path / "mine").write_text(token or "")
    answer = invoke("status", "--console", url) if token is None else run("status", token="mine")
    assert (answer.exit_code, said in answer.output) == (1, True), answer.output


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--console", "http://example.org"], "would travel unencrypted; write https://"),
        (["--console", "example.org:8071"], "is not where a console is"),
        (["--console", "https://localhost", "--data-dir", "/there"], "--data-dir and --app-dir name a server on this machine"),
        (["--instance", "shop"], "--instance and --token-file belong to --console"),
        (["--console", "https://localhost", "--pid", "1"], "--pid means a process of this machine"),
    ],
)
def test_what_contradicts_itself_is_wrong_usage(flags: list[str], said: str) -> None:
    answer = invoke("usage", *flags, environ={"PREFORK_CONSOLE_TOKEN": "prefork_x"})
    assert (answer.exit_code, said in answer.output) == (2, True), answer.output


class Stranger(BaseHTTPRequestHandler):
    """Something else that answers."""

    def do_GET(self) -> None:
        self.send_response(302)
        self.send_header("Location", "https://login.example/")
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"<html>")

    def log_message(self, *_said: object) -> None:
        """Say nothing."""


@pytest.fixture
def stranger() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_what_is_no_console_is_said(stranger: ThreadingHTTPServer) -> None:
    token = {"PREFORK_CONSOLE_TOKEN": "prefork_x"}
    place = f"127.0.0.1:{stranger.server_port}"
    other = invoke("status", "--console", f"http://{place}", environ=token)
    assert (other.exit_code, "is no console of Prefork's: status 302" in other.output) == (1, True), other.output
    plain = invoke("status", "--console", f"https://{place}", environ=token)
    assert (plain.exit_code, "does not speak TLS as it should" in plain.output) == (4, True), plain.output
    closed = invoke("status", "--console", f"http://127.0.0.1:{free_port()}", environ=token)
    assert (closed.exit_code, "no console can be reached" in closed.output) == (4, True), closed.output


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """One for localhost that has signed itself, with its key."""
    file, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*made, *names, "-keyout", str(key), "-out", str(file)], check=True, capture_output=True)
    file.write_text(file.read_text() + key.read_text())
    return file


def test_a_certificate_that_nobody_has_signed_is_said(stranger: ThreadingHTTPServer, certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    stranger.socket = context.wrap_socket(stranger.socket, server_side=True)
    command = ("status", "--console", f"https://localhost:{stranger.server_port}")
    answer = invoke(*command, environ={"PREFORK_CONSOLE_TOKEN": "prefork_x"})
    assert (answer.exit_code, "is not accepted: self-signed certificate; have this machine trust" in answer.output) == (4, True)
    trusting = invoke(*command, environ={"PREFORK_CONSOLE_TOKEN": "prefork_x", "SSL_CERT_FILE": str(certificate)})
    assert "is no console of Prefork's" in trusting.output, trusting.output
