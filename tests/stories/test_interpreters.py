"""The application's environment holds nothing of ours: a worker is its own interpreter plus the standard library."""

import glob
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import prefork
from prefork.testing import Load, Request, Server
from prefork.testing.client import Connection

CANDIDATES = (
    *(f"/usr/bin/python3.{minor}" for minor in range(9, 15)),
    *glob.glob(os.path.expanduser("~/.pyenv/versions/3.*/bin/python3")),
)

APP = """
import json, os, sys
from wsgiref.validate import validator

def foreign(module):
    # Neither of the standard library nor of this directory.
    file = getattr(module, "__file__", None) or ""
    return file and not file.startswith((os.path.dirname(os.__file__), os.path.dirname(__file__))) or "site-packages" in file


@validator
def app(environ, start_response):
    said = {
        "version": list(sys.version_info[:2]),
        "path": sys.path,
        "modules": sorted(name for name, module in sys.modules.items() if foreign(module)),
    }
    body = json.dumps(said).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
"""


def version(python: str) -> tuple[int, int]:
    """Its version, or (0, 0) when it does not run."""
    command = [python, "-c", "import sys, ctypes; print(*sys.version_info[:2])"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return tuple(map(int, done.stdout.split())) if done.returncode == 0 else (0, 0)


def interpreters() -> list[tuple[tuple[int, int], str]]:
    """Every usable Python from 3.9 on that this machine has, the oldest first, one of each version."""
    found = {version(python): python for python in CANDIDATES if os.access(python, os.X_OK)}
    own = shutil.which("python3") or ""
    found.setdefault(version(own), own)
    return sorted((number, python) for number, python in found.items() if number >= (3, 9))


FOUND = interpreters()
YOUNG_ENOUGH_FOR_WEBSOCKETS = (3, 11)
HANDSHAKE = (
    b"GET /websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def handshake(server: Server) -> int:
    """The status that a handshake is answered with."""
    with socket.create_connection(("127.0.0.1", server.port), 15) as client, client.makefile("rb") as answer:
        client.sendall(HANDSHAKE)
        return int(answer.readline().split()[1])


@pytest.mark.parametrize("python", [python for _, python in FOUND], ids=[f"{a}.{b}" for (a, b), _ in FOUND])
def test_workers_run_on_an_interpreter_with_nothing_installed(tmp_path: Path, python: str) -> None:
    empty = tmp_path / "empty"
    subprocess.run([python, "-m", "venv", "--without-pip", str(empty)], check=True)
    assert not list((empty / "lib").glob("*/site-packages/*"))
    (tmp_path / "bare.py").write_text(APP)
    # With loans workers are lent a parser, where their interpreter can import it.
    options = {"workers": 2, "websocket_workers": 1, "access_log": False, "lend_connections": False}
    with Server("bare:app", app_dir=tmp_path, python=empty / "bin" / "python", **options) as server:
        with Connection("127.0.0.1", server.port) as connection:
            said = json.loads(connection.exchange(Request("/")).body)
        print(f"served by Python {said['version']} from {python}")
        assert tuple(said["version"]) == version(python)
        assert [
            name for name in said["modules"] if name.partition(".")[0] not in {"prefork", "bare", "__main__", "__mp_main__"}
        ] == []
        assert not [place for place in said["path"] if "prefork" in place and not place.startswith(str(tmp_path))]
        if version(python) >= YOUNG_ENOUGH_FOR_WEBSOCKETS:
            assert handshake(server) == 101, "the framing library is lent"
        else:
            assert "websockets library cannot be used" in server.wait_for("websockets_missing")["reason"]
            assert handshake(server) == 503
        ours = version(python) == sys.version_info[:2]
        assert server.status()["lending"]["obstacles"] == ([] if ours else ["an interpreter that cannot have Prefork's parser"])
        with Load(server.url, threads=2) as load:
            load.wait(50)
            server.kill("http.1")
            server.reload()
            load.wait(50)
            assert not load.stop().failed


def test_an_interpreter_that_is_too_old_is_refused_in_a_sentence(tmp_path: Path) -> None:
    """Stands in for one: it says what Python 3.8 would say to the check."""
    old = tmp_path / "python"
    pretend = "import runpy, sys; sys.version_info = (3, 8, 0); runpy.run_path(sys.argv[1], run_name='__main__')"
    old.write_text(f'#!/bin/sh\nexec {FOUND[0][1]} -c "{pretend}" "$@"\n')
    old.chmod(0o755)
    (tmp_path / "bare.py").write_text(APP)
    server = Server("bare:app", app_dir=tmp_path, python=old).launch()
    assert server.exit_status() == 3
    assert "too old" in server.log.text()
    server.close()


def test_an_installation_behind_a_link_serves(tmp_path: Path) -> None:
    """As /opt/prefork is one to a version: the interpreter follows it for the directory of the script that it is given."""
    (tmp_path / "plain.py").write_text(APP)
    (tmp_path / "current").symlink_to(Path(prefork.__file__).parent.parent)
    with (
        Server("plain:app", app_dir=tmp_path, env={"PYTHONPATH": str(tmp_path / "current")}, workers=1) as server,
        Connection("127.0.0.1", server.port) as connection,
    ):
        path = json.loads(connection.exchange(Request("/")).body)["path"]
    assert [each for each in path if each.endswith("/prefork/worker")] == []
