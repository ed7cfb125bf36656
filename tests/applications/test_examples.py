"""The examples by HTTP, as their files have them: each through a reload and the death of a worker under load.

Django's is served by `manage.py runprefork`, which reads the same file.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.conftest import ROOT
from websockets.sync.client import connect

from prefork.config.reader import read_text
from prefork.testing import Connection, Load, Request, Server

from .environments import HERE
from .story import busy_worker

EXAMPLES = ROOT / "examples"


class Example(NamedTuple):
    """A file of an example, and the addresses that are read under load."""

    file: str
    targets: tuple[str, ...]

    @property
    def place(self) -> Path:
        return (EXAMPLES / self.file).parent


FLASK = Example("flask/prefork.conf", ("/", "/notes", "/static/notes.css"))
FASTAPI = Example("fastapi/prefork.conf", ("/notes", "/openapi.json"))
PYRAMID = Example("pyramid/prefork.conf", ("/", "/notes", "/static/notes.css"))
DJANGO = Example("django/prefork.conf", ("/", "/notes", "/static/notes/notes.css"))
CHANNELS = Example("django/asgi.conf", ("/",))


@pytest.fixture(scope="module")
def python(install: Callable[[str], Path]) -> Path:
    return install("frameworks") / "bin" / "python"


@pytest.fixture
def data(tmp_path: Path) -> dict[str, str]:
    """The variables of an example's processes, which keep things in a directory of this test's."""
    return surroundings(tmp_path)


def surroundings(place: Path) -> dict[str, str]:
    """Where things are kept, and where Django finds Prefork."""
    return {"NOTES_DATA": str(place), "PYTHONPATH": str(ROOT / "src")}


@pytest.fixture(scope="module")
def prepared(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the Django example's `prepare.sh` makes: its database and its static files."""
    place, kept = EXAMPLES / "django", tmp_path_factory.mktemp("prepared")
    steps = [line.split()[1:] for line in (place / "prepare.sh").read_text().splitlines() if "manage.py" in line]
    assert len(steps) == 2
    for step in steps:
        subprocess.run([python, *step], cwd=place, env=os.environ | surroundings(kept), check=True)
    return kept


@pytest.fixture
def project(prepared: Path, data: dict[str, str]) -> Path:
    """Django's project, with a database of this test's."""
    shutil.copytree(prepared, data["NOTES_DATA"], dirs_exist_ok=True)
    return EXAMPLES / "django"


def options(example: Example, python: Path, data: dict[str, str]) -> dict[str, Any]:
    """What its file says, with the paths and addresses of this run."""
    said = {entry.key: entry.text for entry in read_text((EXAMPLES / example.file).read_text(), example.file).entries}
    for own in ("data_dir", "http_port", "http_interface"):
        del said[own]
    if static := said.pop("static", None):
        prefix, _, place = static.partition("=")
        kept = Path(data["NOTES_DATA"]) / place.removeprefix("data/") if place.startswith("data/") else example.place / place
        said["static"] = f"{prefix}={kept}"
    return {**said, "app_dir": example.place, "python": python}


def write(server: Server, text: str) -> int:
    """Add a note; gives its number."""
    body, headers = json.dumps({"text": text}).encode(), {"Content-Type": "application/json"}
    with Connection("127.0.0.1", server.port) as connection:
        answer = connection.exchange(Request("/notes", "POST", headers, body))
    assert answer.status == 201, answer.body
    return int(json.loads(answer.body)["id"])


def written(server: Server) -> list[str]:
    with Connection("127.0.0.1", server.port) as connection:
        return [note["text"] for note in json.loads(connection.exchange(Request("/notes")).body)]


class RunPrefork(Server):
    """The server that `manage.py runprefork` becomes."""

    def __init__(self, interpreter: Path, place: Path, directory: Path, **options: Any) -> None:
        # The kit says `serve` and its flags; these are given on behind the command's own.
        script, program = directory / "runprefork", Path(sys.executable).with_name("prefork")
        script.write_text(f'#!/bin/sh\nshift\ncd {place}\nexec {interpreter} manage.py runprefork --prefork {program} "$@"\n')
        self.command = ["sh", str(script)]
        super().__init__(**options)

    def start(self, timeout: float = 60.0) -> Server:
        return super().start(timeout)  # Django checks the project before


@pytest.mark.parametrize("example", [FLASK, FASTAPI, PYRAMID], ids=lambda example: example.file)
def test_an_example_loses_nothing_in_a_reload_and_a_death(example: Example, python: Path, data: dict[str, str]) -> None:
    with Server(env=data, **options(example, python, data)) as server:
        disturbed(server, example)
        if example is FASTAPI:
            listened(server)


def test_manage_py_serves_its_project_which_loses_nothing_either(
    python: Path, project: Path, data: dict[str, str], tmp_path: Path
) -> None:
    with RunPrefork(python, project, tmp_path, env=data, **options(DJANGO, python, data)) as server:
        disturbed(server, DJANGO)


def disturbed(server: Server, example: Example) -> None:
    """Read it through a reload and a death; what was written before and after is there."""
    write(server, "before")
    with Load(server.url, example.targets, threads=2) as load:
        load.wait(10)
        server.reload()
        load.wait(10)
        mark = server.mark()
        pid = server.kill(busy_worker(server))
        server.wait_for("worker_died", after=mark, pid=pid)
        server.wait_for("worker_ready", after=mark, timeout=30)
        load.wait(10)
        outcome = load.stop()
    assert not outcome.failed, outcome.summary()
    write(server, "after")
    assert written(server) == ["after", "before"]


def test_the_same_project_has_websockets_on_event_loops(python: Path, project: Path, data: dict[str, str]) -> None:
    with Server(env=data, **options(CHANNELS, python, data) | {"workers": 1}) as server:
        listened(server)


def listened(server: Server) -> None:
    """Who listens is told of a note that another worker has taken."""
    first = write(server, "first")
    with connect(f"ws://127.0.0.1:{server.port}/live", compression=None, open_timeout=30) as socket:
        told = json.loads(socket.recv(15))
        assert told["newest"] == first
        second = write(server, "second")
        assert json.loads(socket.recv(15)) == {"newest": second, "worker": told["worker"]}
    assert [name.partition(".")[0] for name, pid in server.workers().items() if pid == told["worker"]] == ["websocket"]


def test_a_project_that_is_debugged_has_the_files_of_its_apps(python: Path, project: Path, data: dict[str, str]) -> None:
    seen = subprocess.run(
        [python, "-P", HERE / "frameworks" / "debugged_django.py"],  # its neighbour `notes` is not the project's
        cwd=project,
        env=os.environ | data | {"DEBUG": "1", "PYTHONPATH": f"{data['PYTHONPATH']}:{project}"},
        capture_output=True,
        text=True,
        check=True,
    )
    sheet = (project / "notes/static/notes/notes.css").read_text()
    assert json.loads(seen.stdout) == {"wsgi": ["200 OK", sheet], "asgi": [200, sheet]}


def test_each_example_has_the_versions_that_are_tested() -> None:
    tested = {line for file in ("frameworks.txt", "tryton.txt") for line in (HERE / file).read_text().splitlines()}
    for file in EXAMPLES.glob("*/requirements.txt"):
        if file.parent.name != "shop":
            assert set(file.read_text().split()) - tested == set(), file
