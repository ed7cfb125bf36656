"""The site is built from the pages: each is in its navigation, no link of it leads nowhere, and no page asks anything of others."""

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tests.conftest import ROOT

DOCS = ROOT / "docs"
NAVIGATION = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
FETCHED = {("script", "src"), ("img", "src"), ("link", "href")}


def test_every_page_is_in_the_navigation_once() -> None:
    assert sorted(re.findall(r"[\w/.-]+\.md", NAVIGATION)) == sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))


class Fetched(HTMLParser):
    """What a page has a browser fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if (tag, name) in FETCHED]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it, but elsewhere."""
    place = tmp_path_factory.mktemp("site")
    shutil.copytree(DOCS, place / "docs")
    shutil.copy(ROOT / "mkdocs.yml", place)
    command = [Path(sys.executable).parent / "zensical", "build", "--clean", "--strict"]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return place / "site"


def test_no_page_has_anything_fetched_from_elsewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > len(list(DOCS.rglob("*.md")))  # and one for what is not there
    for page in pages:
        fetched = Fetched()
        fetched.feed(page.read_text())
        assert fetched.addresses
        assert [address for address in fetched.addresses if re.match(r"\w+:|//", address) and not address.startswith("data:")] == []


def test_the_drawings_are_shown(site: Path) -> None:
    fetched = Fetched()
    fetched.feed((site / "concepts.html").read_text())
    drawings = {f"drawings/{drawing.name}" for drawing in (DOCS / "drawings").iterdir()}
    assert drawings
    assert drawings <= set(fetched.addresses)
    assert all((site / drawing).is_file() for drawing in drawings)
