"""The start page does what it says: it is played from its first file to the stop, and its applications are served as found."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.applications.environments import environment
from tests.conftest import ROOT
from tests.docs.pages import Block, blocks, typed
from tests.docs.transcript import NAMED, Player

from prefork.testing import Connection, Request, Server, free_port

pytestmark = pytest.mark.timeout(300)  # the frameworks' environment is made on first use
START = ROOT / "docs" / "start.md"
END = "## Your own application"
FRAMEWORKS = {"app.py": b"Hello from Flask\n", "main.py": b'{"hello":"from FastAPI"}'}


def parts() -> tuple[list[Block], list[Block]]:
    """The blocks that are played, and those of applications with a framework."""
    line = START.read_text().splitlines().index(END)
    found = list(blocks(START))
    return [block for block in found if block.line < line], [block for block in found if block.line > line]


def test_the_start_page_shows_what_is_seen(tmp_path: Path) -> None:
    ports = {"8069": free_port(), "8071": free_port()}
    own = {
        "PREFORK_HTTP_PORT": str(ports["8069"]),
        "PREFORK_WEBSOCKET_PORT": str(free_port()),
        "PREFORK_CONSOLE": "False",  # it is looked at elsewhere, and takes a second to start
        "XDG_DATA_HOME": str(tmp_path),
    }
    with Player(tmp_path, ports, own) as player:
        for block in parts()[0]:
            player.play(block)
        assert player.server
        assert player.server.wait(30) == 0


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    """Servers of the page's applications, by their files: found in their directories, with the environment beside them."""
    installed, servers = environment("frameworks"), {}
    for block in parts()[1]:
        if name := NAMED.match(block.text):
            place = tmp_path_factory.mktemp("application")
            (place / name[1]).write_text(block.text)
            servers[name[1]] = Server(app_dir=beside(place, installed), workers=1)
    place = beside(tmp_path_factory.mktemp("project"), installed)
    lines = [line for block in parts()[1] for line, _ in typed(block)]
    steps = [line for line in lines if line.startswith((".venv/bin/", "echo "))]
    for word in ("startproject", "migrate", "STATIC_ROOT", "collectstatic"):
        assert any(word in step for step in steps), f"the page has no {word}"
    subprocess.run(["bash", "-ec", "\n".join(steps)], cwd=place, check=True)
    assert "prefork serve --static /static=static" in lines
    servers["manage.py"] = Server(app_dir=place, workers=1, static=f"/static={place}/static")
    with ExitStack() as stack:
        for server in servers.values():
            stack.callback(server.close)
            server.launch()
        for server in servers.values():
            server.wait_for("server_ready", timeout=60)
        yield servers


def beside(place: Path, installed: Path) -> Path:
    """A directory with an environment in it."""
    (place / ".venv").symlink_to(installed)
    return place


def answer(server: Server, path: str = "/") -> bytes:
    with Connection("127.0.0.1", server.port) as connection:
        got = connection.exchange(Request(path))
    assert got.status == 200
    return got.body


@pytest.mark.parametrize("file", FRAMEWORKS)
def test_an_application_with_a_framework_is_found_and_served(file: str, served: dict[str, Server]) -> None:
    assert answer(served[file]) == FRAMEWORKS[file]


def test_a_new_project_of_django_is_found_and_served(served: dict[str, Server]) -> None:
    assert b"The install worked successfully" in answer(served["manage.py"])
    assert b"csrfmiddlewaretoken" in answer(served["manage.py"], "/admin/login/"), "its database has been made"
    assert b":root" in answer(served["manage.py"], "/static/admin/css/base.css"), "its files have been collected"
