"""The start page does what it says: it is played from its first file to the stop, and its applications are served as found."""

import pytest
from tests.applications.environments import environment
from tests.conftest import ROOT
from tests.docs.pages import blocks
from tests.docs.project import mysite, served
from tests.docs.script import Script, script
from tests.docs.transcript import Player

pytestmark = pytest.mark.timeout(300)  # the frameworks' environment is made on first use
START = ROOT / "docs" / "start.md"
END = "## Your own application"
OWN = "prefork serve mysite.wsgi:application"


def test_the_start_page_shows_what_is_seen() -> None:
    line = START.read_text().splitlines().index(END)
    with script("docs/start.md") as page:
        page.left.clear()
        player = Player(page.directory, page.instead, page.environment)
        with player:
            for block in blocks(START):
                if block.line < line:
                    player.play(block)
            player.await_end()


def test_applications_are_found_and_served() -> None:
    with script("docs/start.md") as page:
        del page.left[: next(place for place, each in enumerate(page.left) if each.startswith(OWN))]
        mysite(page, "/srv/mysite/")
        served(page, OWN)
        found(page, "app.py")
        assert answer(page, "prefork serve") == "Hello from Flask\n"
        found(page, "main.py")
        assert answer(page, "prefork serve") == '{"hello":"from FastAPI"}'
        found(page, "")
        page.type(".venv/bin/django-admin startproject")
        page.type(".venv/bin/python manage.py migrate", "OK")
        page.start("prefork serve")
        assert "The install worked successfully" in page.get()
        assert "csrfmiddlewaretoken" in page.get("/admin/login/"), "its database has been made"
        page.stop()
        page.type("echo ")
        page.type(".venv/bin/python manage.py collectstatic", "static files copied")
        page.start("prefork serve --static /static=static")
        assert ":root" in page.get("/static/admin/css/base.css"), "its files have been collected"
        page.stop()


def found(page: Script, file: str) -> None:
    """A directory with a file of the page's, where there is one, and the environment beside it."""
    page.directory = page.root / (file or "project")
    page.directory.mkdir()
    (page.directory / ".venv").symlink_to(environment("frameworks"))
    if file:
        page.write(file, f"# {file}\nfrom ")


def answer(page: Script, command: str) -> str:
    """What a server answers to the first request."""
    page.start(command)
    said = page.get()
    page.stop()
    return said
