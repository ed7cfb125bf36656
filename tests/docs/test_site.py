"""The site is built from the pages: each is in its navigation, no link of it leads nowhere, and no page asks anything of others."""

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from tests.conftest import ROOT

DOCS = ROOT / "docs"
NAVIGATION = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
ITEM = re.compile(r"(?:[-*]|\d+\.) ")
SHALLOW = re.compile(r" {1,3}(?:[-*]|\d+\.) ")
ELSEWHERE = re.compile(r"\w+:|//")
ADDRESSES = {"script": "src", "img": "src", "link": "href", "a": "href"}


def test_every_page_is_in_the_navigation_once() -> None:
    pages = sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))
    assert sorted(re.findall(r"[\w/.-]+\.md", NAVIGATION)) == pages, "the nav of mkdocs.yml has each page of docs/ once"


def test_lists_and_tables_have_an_empty_line_before_them() -> None:
    """Without it they are that on a code host, and text on the site; as are lists in lists that are not indented by four."""
    lost = []
    for page in sorted(DOCS.rglob("*.md")):
        for before, line in pairwise(FENCED.sub("", page.read_text()).splitlines()):
            item = ITEM.match(line) and not ITEM.match(before) and not before.startswith((" ", "#"))
            table = line.startswith("|") and not before.startswith(("|", "#"))
            if (before.strip() and (item or table)) or SHALLOW.match(line):
                lost.append((page.name, line))
    assert lost == []


class Addresses(HTMLParser):
    """The addresses on a page: those that a browser fetches, and those that people go to."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.linked: list[str] = []
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        address = dict(attrs).get(ADDRESSES.get(tag, ""))
        if address:
            (self.linked if tag == "a" else self.fetched).append(address)


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
        fetched = Addresses(page).fetched
        assert fetched
        assert [address for address in fetched if ELSEWHERE.match(address)] == []


def test_no_link_leads_out_of_the_site(site: Path) -> None:
    """A link to a file of the sources is right on a code host, and leads nowhere here."""
    lost = []
    for page in sorted(set(site.rglob("*.html")) - {site / "404.html"}):  # which may stand for any path
        for address in Addresses(page).linked:
            target = (page.parent / address.partition("#")[0]).resolve()
            if not ELSEWHERE.match(address) and not (target.exists() and target.is_relative_to(site)):
                lost.append((page.name, address))
    assert lost == []


def test_the_drawings_are_shown(site: Path) -> None:
    drawings = {f"drawings/{drawing.name}" for drawing in (DOCS / "drawings").iterdir()}
    assert drawings
    assert drawings <= set(Addresses(site / "concepts.html").fetched)
