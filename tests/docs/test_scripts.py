"""Every command of every page is typed by a test, or stands among those that none types."""

import re
import shutil
import tomllib
from pathlib import Path

from tests.conftest import ROOT
from tests.docs.pages import PAGES, PROGRAMS, blocks, commands, lines, name
from tests.docs.script import UNTYPED

TESTS = [*Path(__file__).parent.glob("test_*.py"), ROOT / "tests" / "applications" / "test_tryton.py"]
TYPED = {page: [line for line in lines(page) if line not in UNTYPED] for page in map(name, PAGES)}


def test_each_page_is_typed() -> None:
    """A script holds that its page is typed to the end."""
    texts = "".join(file.read_text() for file in TESTS)
    assert [page for page, left in TYPED.items() if left and f'"{page}"' not in texts] == []


def test_what_is_not_typed_is_on_a_page() -> None:
    told = {line for page in TYPED for line in lines(page)}
    assert UNTYPED.keys() - told == set()


def test_every_program_is_known() -> None:
    """A command of another program would be overlooked: on the first line of a block it is one that this machine has."""
    firsts = [next(commands(block), None) for page in PAGES for block in blocks(page) if block.kind in {"", "sh", "console"}]
    assert [str(each) for each in firsts if each and each.program not in PROGRAMS and shutil.which(each.program)] == []


def test_what_is_not_typed_is_there() -> None:
    """As far as that can be seen: extras, and files of the project. Targets of make and our own commands are read elsewhere."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for line in UNTYPED:
        asked = re.search(r"(?:prefork|whl)\[([\w,]+)\]", line)
        assert not asked or set(asked[1].split(",")) <= extras.keys(), line
        assert [file for file in re.findall(r"\b(?:tests|examples)/[\w/.]+", line) if not (ROOT / file).exists()] == [], line
