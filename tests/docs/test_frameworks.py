"""The pages of frameworks and the examples' own: typed in a project, in the environment that the tests install for all of them."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from tests.applications.environments import environment
from tests.conftest import ROOT
from tests.docs.pages import holding
from tests.docs.script import Script, script

pytestmark = pytest.mark.timeout(300)  # the environment is made on first use
EXAMPLES = ROOT / "examples"
FLASK = """\
import flask


def create_app():
    app = flask.Flask(__name__)
    app.add_url_rule("/", view_func=lambda: "the shop")
    return app
"""
FASTAPI = """\
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

app = FastAPI()
app.get("/", response_class=PlainTextResponse)(lambda: "the shop")
"""
PYRAMID = """\
from pyramid.config import Configurator
from pyramid.response import Response


def main(settings_of_all, **settings):
    config = Configurator(settings=settings)
    config.add_route("page", "/")
    config.add_view(lambda request: Response(settings["word"]), route_name="page")
    return config.make_wsgi_app()
"""
NOTES = "otes"  # the examples' word
INI = "[app:main]\npaste.app_factory = shop:main\nword = the shop\n"


@pytest.fixture(scope="module")
def installed() -> Path:
    return environment("frameworks")


def project(page: Script, name: str, place: str, installed: Path) -> None:
    """Copy an example to a directory of the page's, go there, and have the environment beside it."""
    shutil.copytree(
        EXAMPLES / name, page.place(place), ignore=shutil.ignore_patterns(".venv", "data", "*.conf"), dirs_exist_ok=True
    )
    page.place(f"{place}/.venv").symlink_to(installed)
    page.directory = page.place(place)


def in_production(page: Script, place: str, installed: Path, word: str) -> None:
    """The page's file, and where it says that things are."""
    page.directory = page.place(place)
    (page.directory / "venv").symlink_to(installed)
    page.write("prefork.conf", "data_dir = ")
    page.type("prefork check -c prefork.conf", "can be used")
    answers(page, "prefork serve -c prefork.conf", word)
    (page.directory / "prefork.conf").unlink()  # what is typed next finds the project by itself


def answers(page: Script, command: str, word: str, path: str = "/") -> str:
    """What a server says at its start; a page of it has a word, and it stops."""
    said = page.start(command)
    assert word in page.get(path)
    page.stop()
    return said


@pytest.mark.parametrize(
    ("name", "first", "file", "code"),
    [
        ("docs/frameworks/flask.md", "/", "shop/__init__.py", FLASK),
        ("docs/frameworks/fastapi.md", "/docs", "main.py", FASTAPI),
    ],
)
def test_a_project_of_flask_or_fastapi(name: str, first: str, file: str, code: str, installed: Path) -> None:
    with script(name, environment={"NOTES_DATA": "notes"}) as page:
        project(page, Path(name).stem, "/srv/notes", installed)
        assert "found: serving" in answers(page, "prefork serve", NOTES, first)
        page.put("/srv/shop/shop/static/a", "")
        page.put(f"/srv/shop/{file}", code)
        in_production(page, "/srv/shop", installed, "the shop")
        assert "Watching" in answers(page, "prefork serve --dev --workers 0", "the shop")


def test_a_project_of_pyramid(installed: Path) -> None:
    with script("docs/frameworks/pyramid.md", environment={"NOTES_DATA": "notes"}) as page:
        project(page, "pyramid", "/srv/notes", installed)
        answers(page, "prefork serve app:app", NOTES)
        page.put("/srv/shop/shop/static/a", "")
        page.put("/srv/shop/shop/__init__.py", PYRAMID)
        page.put("/srv/shop/production.ini", INI)
        page.put("/srv/shop/serving.py", holding(page.page, "pyramid.paster"))
        page.directory = page.place("/srv/shop")
        page.place("/srv/shop/.venv").symlink_to(installed)
        answers(page, "prefork serve 'serving:application()'", "the shop")
        in_production(page, "/srv/shop", installed, "the shop")
        project(page, "pyramid", "/srv/again", installed)
        answers(page, "prefork serve --dev --workers 0", NOTES)


def test_a_project_of_django(installed: Path) -> None:
    own = {"NOTES_DATA": "notes", "PYTHONPATH": str(ROOT / "src")}
    with script("docs/frameworks/django.md", environment=own) as page:
        page.environment["PATH"] = f"{installed / 'bin'}:{page.environment['PATH']}"
        project(page, "django", "/srv/mysite", installed)
        assert page.run("python manage.py migrate").status == 0
        assert "found: serving" in answers(page, "prefork serve", NOTES)
        answers(page, "python manage.py runprefork", NOTES)
        page.put("/srv/mysite/static/a", "")
        in_production(page, "/srv/mysite", installed, NOTES)
        assert "Watching" in answers(page, "python manage.py runprefork --dev --workers 0", NOTES)


@pytest.mark.parametrize(
    "page_of", ["examples/django/README.md", "examples/fastapi/README.md", "examples/flask/README.md", "examples/pyramid/README.md"]
)
def test_an_example_is_served_by_one_command(page_of: str, installed: Path) -> None:
    name = Path(page_of).parent.name
    with script(page_of) as page:
        checkout(page, name, installed)
        page.start(f"make example NAME={name}")
        page.type("curl -H 'Content-Type: application/json' -d", r'"id": ?1')
        page.type("curl http://127.0.0.1:8069/notes", "buy milk")
        if name == "fastapi":
            page.start(".venv/bin/python -m websockets", "newest")
            page.leave()
        page.type(f".venv/bin/prefork reload -c examples/{name}/prefork.conf", "generation 2")
        page.stop()
        if name == "django":
            answers(page, ".venv/bin/prefork serve -c examples/django/asgi.conf", NOTES)
            page.directory /= page.next("cd ").removeprefix("cd ")
            answers(page, "PYTHONPATH=../../src .venv/bin/python manage.py runprefork", NOTES)


def checkout(page: Script, name: str, installed: Path) -> None:
    """The project's root with a copy of an example, whose environment is there."""
    for each in (".venv", "Makefile", "constraints.txt", "pyproject.toml", "src", "tools", "web"):
        page.place(each).symlink_to(ROOT / each)
    place = page.place(f"examples/{name}")
    shutil.copytree(EXAMPLES / name, place, ignore=shutil.ignore_patterns(".venv", "data"))
    (place / ".venv").symlink_to(installed)


def test_odoo_is_served_by_one_command() -> None:
    """Its tree is the stand-in, as Odoo is not ours to install; so is its database."""
    with script("examples/odoo/README.md", {"psql ": "true "}) as page:
        checkout(page, "odoo", Path(sys.prefix))
        tree = page.place("/opt/odoo/18.0")
        tree.parent.mkdir(parents=True)
        tree.symlink_to(ROOT / "tests" / "stand_in")
        page.place("/opt/odoo/venv").symlink_to(sys.prefix)
        page.type("psql ")
        page.start("make example NAME=odoo ODOO=/opt/odoo/18.0 PYTHON=/opt/odoo/venv/bin/python")
        assert json.loads(page.get("/index"))["db_name"] == "odoo"
        page.stop()
        page.right("make example NAME=odoo", "^prefork: say where Odoo is: make example NAME=odoo ODOO=", 2)
        page.right("make example NAME=odoo ODOO=/opt/odoo", "/opt/odoo does not hold Odoo", 2)
        page.right("make example NAME=odoo ODOO=/opt/odoo/18.0 PYTHON=/opt/python", "python", 2)
        page.right("make example NAME=elsewhere", "^prefork: name an example: make example NAME=django, ", 2)
