"""Servers and applications for the stories."""

import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from loans import lent
from validated import Validated

from prefork.testing import Server

APPS = Path(__file__).parent / "apps"
LONG = {"test_fastapi.py", "test_listeners.py"}  # minutes, which only `make soak` has


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return True if collection_path.name in LONG and not config.getoption("full") else None


@pytest.fixture
def counted(record_property: Callable[[str, object], None]) -> Iterator[Callable[[Server], Server]]:
    """Takes servers, and notes how many requests their workers have read themselves."""
    servers: list[Server] = []

    def count(server: Server) -> Server:
        servers.append(server)
        return server

    yield count
    if loans := sum(len(lent(server)) for server in servers):
        record_property("requests on loan", loans)


@pytest.fixture
def seed(request: pytest.FixtureRequest, full: bool) -> int:
    """What random traffic is drawn from: `STORY_SEED`, where it is set; else with `--full` another one each time."""
    given = os.environ.get("STORY_SEED")
    if given:
        return int(given)
    telling: int = request.node.callspec.params["telling"]
    return secrets.randbelow(1 << 32) if full else telling + 1


@pytest.fixture
def validated(request: pytest.FixtureRequest, counted: Callable[[Server], Server]) -> Callable[..., Server]:
    """Makes a server whose application is watched. Its access log is there for loans to be counted."""
    lends = bool(request.config.getoption("lend"))
    return lambda app, **options: counted(Validated(app, **{"access_log": lends, **options}))


@pytest.fixture
def probe(validated: Callable[..., Server]) -> Callable[..., Server]:
    """Makes a server of the probe application."""
    return lambda **options: validated("probe:app", app_dir=APPS, **options)


class Code:
    """An application whose code changes while it is served. Its answers say `version`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.write("one")

    def write(self, version: str, before: str = "") -> None:
        """Put new code on the disk; `before` runs while it is imported."""
        text = f"""
{before}
from wsgiref.validate import validator

@validator
def app(environ, start_response):
    # With its length it goes out at once: the validator hides that the list has one item.
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "{len(version)}")])
    return [b"{version}"]
"""
        self._exchange(text)

    def write_held(self, version: str, begun: Path, gate: Path) -> None:
        """New code whose import says in the one file that it has begun, and waits for the other."""
        held = f"while not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.01)"
        self.write(version, before=f"import pathlib, time; pathlib.Path({str(begun)!r}).touch()\n{held}")

    def write_looped(self, version: str) -> None:
        """The same as an ASGI application."""
        self._exchange(f"""
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({{"type": "http.response.start", "status": 200, "headers": []}})
    await send({{"type": "http.response.body", "body": b"{version}"}})
""")

    def _exchange(self, text: str) -> None:
        new = self.directory / "changing.new"
        new.write_text(text)
        new.rename(self.directory / "changing.py")


@pytest.fixture
def code(tmp_path: Path) -> Code:
    """Code of version one, in a directory of its own."""
    return Code(tmp_path)


@pytest.fixture
def changing(code: Code, validated: Callable[..., Server]) -> Callable[..., Server]:
    """Makes a server of that code."""
    # Without byte code: its time stamp has a grain of a second, and versions change faster here.
    env = {"PYTHONDONTWRITEBYTECODE": "1"}
    return lambda **options: validated("changing:app", app_dir=code.directory, env=env, **options)
