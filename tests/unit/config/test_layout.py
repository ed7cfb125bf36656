"""Directories as the frameworks' tutorials make them, and what is served of them when nobody says."""

import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.conftest import ROOT

from prefork.cli import main
from prefork.config.layout import detect, missing
from prefork.testing import Server

MANAGE = "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'mysite.settings')\n"
FLASK = "from flask import Flask\n\napp = Flask(__name__)\n"
LAYOUTS = {
    "Django": ({"manage.py": MANAGE, "mysite/wsgi.py": "", "blog/__init__.py": ""}, "mysite.wsgi:application"),
    "Django of ASGI only": ({"manage.py": MANAGE, "mysite/asgi.py": ""}, "mysite.asgi:application"),
    "Django without either": ({"manage.py": MANAGE, "mysite/settings.py": ""}, None),
    "Flask": ({"app.py": FLASK, "test_app.py": FLASK}, "app:app"),
    "Flask's factory": ({"shop/__init__.py": "def create_app(test=None):\n    pass\n"}, "shop:create_app()"),
    "Flask's factory and wsgi.py": (
        {
            "shop/__init__.py": "def create_app():\n    pass\n",
            "wsgi.py": "from shop import create_app\napplication = create_app()\n",
        },
        "wsgi:application",
    ),
    "a factory that wants something": ({"app.py": "def create_app(settings):\n    pass\n"}, None),
    "an application before a factory": ({"app.py": f"def create_app():\n    pass\n\n{FLASK}"}, "app:app"),
    "FastAPI": ({"main.py": "import fastapi\napp = fastapi.FastAPI(title='x')\n", "models.py": ""}, "main:app"),
    "FastAPI in a package": ({"app/__init__.py": "from fastapi import FastAPI\napi = FastAPI()\n"}, "app:api"),
    "plain WSGI": ({"server.py": "def application(environ, start_response):\n    pass\n"}, "server:application"),
    "plain ASGI": ({"main.py": "async def app(scope, receive, send):\n    pass\n"}, "main:app"),
    "another function": ({"main.py": "def app():\n    pass\n"}, None),
    "no Python": ({"main.py": "app = (", "app.py": FLASK}, "app:app"),
    "nothing": ({"notes.txt": "app = Flask()"}, None),
}


def make(place: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    return place


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_application_is_found(name: str, tmp_path: Path) -> None:
    files, app = LAYOUTS[name]
    found = detect(make(tmp_path, files))
    assert (found and found.app) == app


def test_odoo_is_found_by_its_program(tmp_path: Path) -> None:
    found = detect(make(tmp_path, {"odoo-bin": "", "odoo/__init__.py": "", "app.py": FLASK}))
    assert found
    assert found.app == f"odoo:{tmp_path}"


def test_the_environment_beside_it_is_taken(tmp_path: Path) -> None:
    make(tmp_path, {"app.py": FLASK, "venv/bin/python": ""})
    found = detect(tmp_path)
    assert found
    assert found.python == tmp_path / "venv/bin/python"
    assert found.sentence() == (
        f"serving app:app, a Flask application found in app.py with {tmp_path}/venv/bin/python; "
        "name another as in `prefork serve module:attribute`"
    )
    assert "with" not in found.sentence(named=True), "who has named an interpreter knows it"


def test_whose_python_is_taken_is_said_where_there_is_no_environment(tmp_path: Path) -> None:
    found = detect(make(tmp_path, {"app.py": FLASK}))
    assert found
    assert "with Prefork's own Python, as there is no .venv or venv or env beside it;" in found.sentence()


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({}, "neither manage.py nor wsgi.py, asgi.py, app.py, main.py nor a package is there"),
        ({"app.py": "def app(environ, start_response)\n    pass\n"}, "app.py:1: expected ':'"),
        ({"main.py": "shop = make()\n"}, "main.py has no app or application or api that is known to be one, and no create_app()"),
        (
            {"manage.py": 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")\n'},
            "manage.py has settings in shop, where neither shop/wsgi.py nor shop/asgi.py is",
        ),
    ],
)
def test_why_nothing_is_found_is_said(files: dict[str, str], why: str, tmp_path: Path) -> None:
    said = CliRunner().invoke(main, ["serve", "--app-dir", str(make(tmp_path, files))])
    assert said.exit_code == 1
    assert f"found: no application in {tmp_path}: {why}\n" in said.stderr


@pytest.mark.parametrize("name", ["django", "fastapi", "flask", "pyramid"])
def test_an_example_is_found_without_its_file(name: str) -> None:
    place = ROOT / "examples" / name
    found = detect(place)
    assert found, f"{place} holds an application"
    assert f"\napp = {found.app}\n" in (place / "prefork.conf").read_text()


def test_nobody_is_guessed_for_who_has_said(tmp_path: Path) -> None:
    make(tmp_path, {"app.py": FLASK, "prefork.conf": "[options]\napp = other:app\n"})
    said = CliRunner().invoke(main, ["check", "-c", str(tmp_path / "prefork.conf"), "--app-dir", str(tmp_path)])
    assert "found" not in said.stderr


def test_a_file_with_problems_hides_nobody(tmp_path: Path) -> None:
    make(tmp_path, {"app.py": FLASK, "prefork.conf": "[options]\nwokers = 4\n"})
    said = CliRunner().invoke(main, ["check", "-c", str(tmp_path / "prefork.conf"), "--app-dir", str(tmp_path)])
    assert said.exit_code == 1
    assert "did you mean workers?" in said.stderr
    assert "serving app:app" in said.stderr
    assert "nothing to serve" not in said.stderr


def test_where_there_is_nothing_the_refusal_says_what_to_write(tmp_path: Path) -> None:
    said = CliRunner().invoke(main, ["serve", "--app-dir", str(tmp_path)])
    assert said.exit_code == 1
    assert "nothing to serve; name an application, as in `prefork serve module:attribute`" in said.stderr


def test_a_directory_that_nobody_may_look_into_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, {"app.py": FLASK})
    monkeypatch.setattr("prefork.config.layout.os.access", lambda _place, _mode: False)  # root may look into all
    assert detect(tmp_path) is None
    assert missing(tmp_path) == "this account may not look into it"


def test_it_is_served(tmp_path: Path) -> None:
    application = "from wsgiref.validate import validator\n\n\ndef app(environ, start_response):\n"
    application += (
        "    start_response('200 OK', [('Content-Type', 'text/plain')])\n    return [b'found']\n\n\napplication = validator(app)\n"
    )
    with Server(app_dir=make(tmp_path, {"wsgi.py": application})) as server, urllib.request.urlopen(server.url) as answer:
        assert answer.read() == b"found"
