"""The first examples of the pages are run, beside one server where they need one: what they end with, and what they say.

Everything else that a page has somebody type is only read (test_fragments.py): what needs an Odoo, a database, a proxy or another
machine, and what goes on for ever. `ONLY_READ` names the pages of which nothing is run here, each with the reason.
"""

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner
from tests.conftest import ROOT
from tests.docs.pages import PAGES, blocks, commands, name, typed
from tests.docs.transcript import fits

from prefork import cli
from prefork.testing import Connection, Request, Server

Typing = Callable[[str], tuple[int, str]]
THEIR_TESTS = "tests/applications, with the framework"
ONLY_READ = {
    "README.md": "the shop's; its answers are looked at in tests/applications/test_shop.py",
    "docs/asgi.md": "served on the start page",
    "docs/concepts.md": "served on the start page",
    "docs/index.md": "served on the start page",
    "docs/lab.md": "make test-lab, as root and with a dozen of Debian's programs",
    "docs/jobs.md": "tests/stories/test_jobs.py, with its PostgreSQL",
    "docs/odoo.md": "tests/odoo, with an Odoo",
    "docs/start.md": "played as a whole by test_start.py",
    "docs/frameworks/django.md": THEIR_TESTS,
    "docs/frameworks/fastapi.md": THEIR_TESTS,
    "docs/frameworks/flask.md": THEIR_TESTS,
    "docs/frameworks/pyramid.md": THEIR_TESTS,
    "docs/frameworks/tryton.md": THEIR_TESTS,
    "examples/django/README.md": THEIR_TESTS,
    "examples/fastapi/README.md": THEIR_TESTS,
    "examples/flask/README.md": THEIR_TESTS,
    "examples/pyramid/README.md": THEIR_TESTS,
    "examples/tryton/README.md": THEIR_TESTS,
    "examples/odoo/README.md": "tests/odoo, with an Odoo",
}


class Example(NamedTuple):
    """A command as a page has it, what it says among other things, and what it ends with."""

    page: str
    command: str
    says: str
    status: int = 0


EXAMPLES = [
    Example("docs/operate.md", "prefork status -c prefork.conf", "2 of 2 ready"),
    Example("docs/incidents.md", "prefork incidents -c prefork.conf", "GET /crash"),
    Example("docs/usage.md", "prefork usage -c /etc/mysite/prefork.conf", "In flight"),
    Example("docs/usage.md", "prefork routes -c prefork.conf", "GET /"),
    Example("docs/metrics.md", "prefork metrics -c prefork.conf", "prefork_uptime_seconds"),
    Example("docs/advice.md", "prefork advise -c /etc/mysite/prefork.conf", "requests", status=1),
    Example("docs/advice.md", "prefork simulate --workers 4 --arrivals x2 -c /etc/mysite/prefork.conf", "2 times the arrivals"),
    Example("docs/sizing.md", "prefork size", "[options]"),
    Example("docs/sizing.md", "prefork size --cpus 4 --memory 8G --users 50", "[options]"),
    Example("docs/sizing.md", "prefork size --users 20", "CPU"),
    Example("docs/around.md", "prefork render single --out files", "files"),
    Example("docs/around.md", "prefork render two-node --out files", "files"),
    Example("docs/around.md", "prefork render kubernetes --out files", "files"),
    Example("docs/doctor.md", "prefork doctor -c /etc/odoo/odoo.conf --nginx /etc/nginx/nginx.conf", "passed", status=1),
    Example("docs/operate.md", "prefork reload -c prefork.conf", "Reloaded in"),
    Example("docs/operate.md", "prefork scale 3 -c prefork.conf", "The server will have 3 workers."),
]


def told(page: str) -> dict[str, str]:
    """What a page has somebody type, with what it shows for it."""
    lines = [each for block in blocks(ROOT / page) for each in typed(block)]
    return {line.partition("  #")[0].strip(): shown for line, shown in lines}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of the start page's application, which has lost a worker."""
    place = tmp_path_factory.mktemp("application")
    code = next(block for block in blocks(ROOT / "docs" / "start.md") if block.kind == "python")
    (place / "app.py").write_text(code.text)
    with Server("app:app", place) as server:
        mark = server.mark()
        with Connection("127.0.0.1", server.port) as connection:
            assert {connection.exchange(Request(path)).status for path in ("/", "/crash")} == {200}
        server.wait_for("incident_recorded")
        server.wait_for("worker_ready", after=mark)
        yield server


@pytest.fixture
def typing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Typing:
    """Types a command in a directory of its own; gives what it ends with and what it says."""
    monkeypatch.chdir(tmp_path)

    def typing(command: str) -> tuple[int, str]:
        done = CliRunner().invoke(cli.main, shlex.split(command)[1:])
        return done.exit_code, done.output

    return typing


def proxy(directory: Path) -> Path:
    """The nginx of operate.md, as a whole file."""
    file = directory / "nginx.conf"
    fragment = next(block.text for block in blocks(ROOT / "docs" / "operate.md") if block.kind == "nginx")
    file.write_text(f"events {{}} http {{ {fragment} }}")
    return file


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.command)
def test_an_example_does_what_its_page_says(example: Example, server: Server, typing: Typing, tmp_path: Path) -> None:
    assert example.command in told(example.page)
    command = re.sub(
        r"\S+/nginx\.conf", str(proxy(tmp_path)), re.sub(r"\S*(prefork|odoo)\.conf", server.configuration, example.command)
    )
    status, said = typing(command)
    assert (status, example.says in said) == (example.status, True), said


def test_doctor_finds_the_headers_of_our_own_nginx_in_order(server: Server, typing: Typing, tmp_path: Path) -> None:
    nginx = proxy(tmp_path)
    server.configure(proxy_mode=True)  # a file is looked at, not what runs
    assert "✓ forwarded-headers" in typing(f"prefork doctor --all -c {server.configuration} --nginx {nginx}")[1]


def test_a_file_with_problems_is_told_as_the_page_shows_it(typing: Typing, tmp_path: Path) -> None:
    lines = [
        "app = mysite:app",
        "; and all wrong",
        "wokers = 4",
        "http_port = 99999",
        "limit_memory_soft = 3G",
        "limit_memory_hard = 2G",
    ]
    (tmp_path / "prefork.conf").write_text("\n".join(lines))
    status, said = typing("prefork check -c prefork.conf")
    assert status == 1
    assert fits(told("docs/operate.md")["prefork check -c prefork.conf"], said), said


def test_a_file_of_gunicorns_becomes_what_the_page_shows(typing: Typing, tmp_path: Path) -> None:
    """Also that it can be used; to serve it is what the start page does."""
    theirs, ours = (block.text for block in blocks(ROOT / "docs" / "migrate.md") if block.kind in {"python", "ini"})
    (tmp_path / "gunicorn.conf.py").write_text(theirs)
    imported, checked, *_ = told("docs/migrate.md")
    assert typing(imported)[0] == 0
    assert (tmp_path / "prefork.conf").read_text() == ours
    status, said = typing(checked)
    assert (status, "can be used" in said) == (0, True), said


def test_each_page_has_an_example_that_is_run_or_a_reason() -> None:
    with_commands = {
        name(page) for page in PAGES if any(command.program == "prefork" for block in blocks(page) for command in commands(block))
    }
    run = {"docs/migrate.md", *(example.page for example in EXAMPLES)}
    assert run & ONLY_READ.keys() == set()
    assert with_commands == run | ONLY_READ.keys()
